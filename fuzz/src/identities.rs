//! Identities in a request. An input that starts with a slash is a target, and after a line feed the body; any other one
//! is a body.
//!
//! Whatever the scan of a body takes, `serde_json` takes, and finds the same values in the listed places, each of them
//! once and in no other spelling. What is read of path and query is what the crates `percent-encoding` and
//! `form_urlencoded` read there.

use std::sync::LazyLock;

use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use rtms_gateway::reason::Reason;
use rtms_gateway::request::body::Body;
use rtms_gateway::request::identities::{Head, Kind, Named, Place, Places};
use rtms_gateway::request::target::Target;
use rtms_gateway::routing::{Captures, MethodSet, RouteTable, Template};

use super::json::{Json, Refused, same_number};

const TEMPLATE: &str = "/app/{appId}/user/{userId*}/in/{customerId}";
const QUERY: [(Kind, &str); 3] = [(Kind::UserId, "userId"), (Kind::ClientUser, "clientId"), (Kind::CustomerId, "ask")];
const BODY: [(Kind, &str); 7] = [
    (Kind::UserId, "userId"),
    (Kind::CustomerId, "customerId"),
    (Kind::AppId, "appId"),
    (Kind::ClientApp, "clientId"),
    (Kind::ClientUser, "clientId"),
    (Kind::UserId, "task.userId"),
    (Kind::CustomerId, "task.desk.ask"),
];

static ROUTE: LazyLock<(RouteTable, Places)> = LazyLock::new(|| {
    let template = Template::parse(TEMPLATE).expect("a template");
    let path = [(Kind::AppId, "appId"), (Kind::UserId, "userId"), (Kind::CustomerId, "customerId")];
    let place = |from: &str, name: &str| Place::parse(&format!("{from}.{name}")).expect("a place");
    let path = path.map(|(kind, name)| (kind, place("path", name)));
    let query = QUERY.map(|(kind, name)| (kind, place("query", name)));
    let body = BODY.map(|(kind, name)| (kind, place("body", name)));
    let places: Vec<_> = path.into_iter().chain(query).chain(body).collect();
    let places = Places::build(&template, &places).expect("good places");
    (RouteTable::build(vec![(template, MethodSet::default())]).expect("one route"), places)
});

/// Notes what a request names.
#[derive(Default)]
struct Found(Vec<(Kind, String)>);

impl Named for Found {
    fn name(&mut self, kind: Kind, value: &str) -> Result<(), Reason> {
        self.0.push((kind, value.to_owned()));
        Ok(())
    }
}

/// Tries one input.
pub fn run(input: &[u8]) {
    if input.first() != Some(&b'/') {
        return run_body(input);
    }
    let end = input.iter().position(|b| *b == b'\n').unwrap_or(input.len());
    run_head(&input[..end]);
    run_body(input.get(end + 1..).unwrap_or_default());
}

fn run_head(target: &[u8]) {
    let (table, places) = &*ROUTE;
    let Ok(target) = Target::parse(target, None) else { return };
    let Ok(route) = table.find(&target.path, &Method::POST) else { return };
    let captures: &Captures = &route.captures;
    let mut found = Found::default();
    let head = Head { path: &target.path, captures, query: target.query, headers: &HeaderMap::new() };
    if places.bind_head(&head, &mut found).is_err() {
        return;
    }
    let mut expected = in_path(&target.path);
    expected.extend(in_query(target.query.unwrap_or_default()));
    let mut found = found.0;
    found.sort_by(|a, b| (a.0.as_str(), &a.1).cmp(&(b.0.as_str(), &b.1)));
    expected.sort_by(|a, b| (a.0.as_str(), &a.1).cmp(&(b.0.as_str(), &b.1)));
    assert_eq!(found, expected, "{target:?}");
}

/// What the path names: fixed words stand around the only part that spans slashes, so that there is one way to split it.
fn in_path(path: &str) -> Vec<(Kind, String)> {
    let plain = path.trim_matches('/');
    let segments: Vec<String> =
        plain.split('/').map(|s| percent_decode_str(s).decode_utf8().expect("UTF-8").into()).collect();
    let [app, app_id, user, user_id @ .., within, customer_id] = segments.as_slice() else { panic!("{path}") };
    for (word, fixed) in [(app, "app"), (user, "user"), (within, "in")] {
        assert!(word.eq_ignore_ascii_case(fixed), "{path}");
    }
    assert!(!user_id.is_empty(), "{path}");
    vec![(Kind::AppId, app_id.clone()), (Kind::UserId, user_id.join("/")), (Kind::CustomerId, customer_id.clone())]
}

/// What the query names: each listed name at most once.
fn in_query(query: &[u8]) -> Vec<(Kind, String)> {
    let mut named = Vec::new();
    for (kind, listed) in QUERY {
        let values: Vec<_> = form_urlencoded::parse(query).filter(|(name, _)| name == listed).collect();
        assert!(values.len() < 2, "`{listed}` stands twice in {query:?}");
        named.extend(values.into_iter().map(|(_, value)| (kind, value.into_owned())));
    }
    named
}

fn run_body(body: &[u8]) {
    let mut found = Found::default();
    let Ok(kind) = ROUTE.1.body().expect("body places").bind(body, &mut found) else { return };
    if body.is_empty() {
        assert!(kind == Body::Plain && found.0.is_empty());
        return;
    }
    let json = match Json::read(body) {
        Ok(json @ Json::Object(_)) => json,
        Err(Refused::Range | Refused::Depth) => return,
        Err(Refused::Malformed(error)) => panic!("taken, and refused by `serde_json`: {error}"),
        Ok(other) => panic!("no object: {other:?}"),
    };
    assert_eq!(kind, encryption(&json));
    let mut found = found.0;
    for (kind, place) in BODY {
        let Some(value) = member(&json, place) else { continue };
        let at = found.iter().position(|(k, text)| *k == kind && same(text, value));
        found.swap_remove(at.unwrap_or_else(|| panic!("{place} is {value:?}, not among {found:?}")));
    }
    assert_eq!(found, [], "found where `serde_json` finds nothing");
}

/// The value in a place, which must be the only one there for a parser that ignores case, too.
fn member<'j>(json: &'j Json, place: &str) -> Option<&'j Json> {
    let (name, rest) = place.split_once('.').unwrap_or((place, ""));
    for (other, _) in json.members() {
        let alike = other.to_lowercase() == name.to_lowercase() || other.to_uppercase() == name.to_uppercase();
        assert!(other == name || !alike, "{other} beside {name}");
    }
    let value = json.one(name).filter(|value| **value != Json::Null)?;
    if rest.is_empty() {
        return Some(value);
    }
    assert!(matches!(value, Json::Object(_)), "{name} leads on");
    member(value, rest)
}

/// Whether a value is what the scan found: a string as it is, a number by its text.
fn same(text: &str, value: &Json) -> bool {
    match value {
        Json::Text(value) => value == text,
        Json::Number(number) => {
            *text == number.to_string()
                || text.parse().is_ok_and(|ours| number.as_f64().is_some_and(|theirs| same_number(ours, theirs)))
        }
        _ => false,
    }
}

fn encryption(json: &Json) -> Body {
    match json.members() {
        [(name, Json::Text(_))] if name == "encrypted" => Body::Encrypted,
        members if members.iter().any(|(name, _)| name.eq_ignore_ascii_case("encrypted")) => Body::PartlyEncrypted,
        _ => Body::Plain,
    }
}
