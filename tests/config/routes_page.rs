//! `docs/routes.md`: its table is generated from conf/rtms.yaml, and its prose speaks of every route. This test fails when
//! they drift, and writes the table anew with `RTMS_BLESS=1`.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::files::repository;

const BASES: [&str; 2] = ["/rtmsAPI/api/{version}/", "/api/{version}/"];
const APPS: [&str; 4] = ["{appId}", "app/{appId}", "apps/{appId}", "media/{appId}"];
const MARKS: [&str; 2] = ["<!-- table -->\n", "<!-- /table -->"];

/// A row: all the routes that differ by what stands before the app alone.
#[derive(Debug, PartialEq)]
struct Row {
    name: String,
    methods: String,
    rest: String,
    compared: String,
    before: Vec<&'static str>,
}

fn routes() -> Vec<Value> {
    let yaml = fs::read_to_string(repository("conf/rtms.yaml")).unwrap();
    let table: Value = serde_saphyr::from_str(&yaml).unwrap();
    table["routes"].as_array().unwrap().clone()
}

fn page() -> String {
    fs::read_to_string(repository("docs/routes.md")).unwrap()
}

/// The rows of one base, in the order of the file.
fn rows(base: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for route in routes() {
        let Some(path) = route["path"].as_str().unwrap().strip_prefix(base) else { continue };
        let beneath = |app: &&'static str| path.strip_prefix(*app).map(|rest| (*app, rest.to_owned()));
        let (app, rest) = APPS.iter().find_map(beneath).unwrap_or_else(|| panic!("{path} has no app"));
        let name = route["name"].as_str().unwrap().to_owned();
        let row = Row { name, methods: methods(&route), rest, compared: compared(&route), before: Vec::new() };
        let same = |r: &&mut Row| {
            (&r.name, &r.methods, &r.rest, &r.compared) == (&row.name, &row.methods, &row.rest, &row.compared)
        };
        match rows.iter_mut().find(same) {
            Some(known) => known.before.push(app),
            None => rows.push(Row { before: vec![app], ..row }),
        }
    }
    rows
}

fn methods(route: &Value) -> String {
    let Some(list) = route["methods"].as_array() else { return "all".to_owned() };
    list.iter().map(|method| method.as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

fn compared(route: &Value) -> String {
    if route["auth"] == "none" {
        return "no token is asked for".to_owned();
    }
    let kinds = route["identities"].as_object().into_iter().flatten();
    let mut parts: Vec<String> = kinds
        .map(|(kind, places)| {
            let places: Vec<&str> = places.as_array().unwrap().iter().map(|place| place.as_str().unwrap()).collect();
            format!("`{kind}: {}`", places.join(", "))
        })
        .collect();
    if parts.is_empty() {
        parts.push("the app alone".to_owned());
    }
    if let Some(vouch) = route["vouch"].as_str() {
        parts.push(format!("`vouch: {vouch}`"));
    }
    parts.join(" · ")
}

fn table() -> String {
    let mut out = "\n| route | methods | after the app | compared | the app as |\n|---|---|---|---|---|\n".to_owned();
    for Row { name, methods, rest, compared, before } in rows(BASES[0]) {
        let before: Vec<String> = before.iter().map(|app| format!("`{app}`")).collect();
        writeln!(out, "| `{name}` | {methods} | `{rest}` | {compared} | {} |", before.join(" ")).unwrap();
    }
    out + "\n"
}

#[test]
fn the_table_in_the_page_is_the_one_that_is_shipped() {
    let page = page();
    let [from, to] = MARKS.map(|mark| page.find(mark).unwrap_or_else(|| panic!("docs/routes.md has no {mark}")));
    let generated = format!("{}{}{}", &page[..from + MARKS[0].len()], table(), &page[to..]);
    if std::env::var_os("RTMS_BLESS").is_some() {
        fs::write(repository("docs/routes.md"), &generated).unwrap();
    }
    let written = self::page();
    assert!(written == generated, "docs/routes.md drifted: `RTMS_BLESS=1 cargo test --test config` writes it");
}

#[test]
fn both_bases_have_the_same_routes_and_there_is_no_other() {
    assert_eq!(rows(BASES[0]), rows(BASES[1]));
    for route in routes() {
        let path = route["path"].as_str().unwrap();
        assert!(BASES.iter().any(|base| path.starts_with(base)), "{path}: docs/routes.md knows two bases");
    }
}

#[test]
fn the_page_says_of_every_route_why_it_is_as_it_is() {
    let page = page();
    let prose = page.split(MARKS[1]).nth(1).unwrap();
    for row in rows(BASES[0]) {
        assert!(prose.contains(&format!("`{}`", row.name)), "docs/routes.md says nothing about `{}`", row.name);
    }
}
