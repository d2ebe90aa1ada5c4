//! `docs/configuration.md`, generated from the schema of the twins: this test fails when it drifts, and writes it anew
//! with `RTMS_BLESS=1`.

use std::fmt::Write as _;
use std::fs;

use rtms_gateway::config;
use serde_json::{Map, Value};

use crate::files::repository;

const HEAD: &str = "\
# Configuration

<!-- Generated from the types in src/config: `RTMS_BLESS=1 cargo test --test config` writes it anew. -->

A configuration is one YAML file. `rtms-gateway check -c FILE` reads it as a start would, with the certificates and the
apps file it names, dials nothing, and prints every mistake as `FILE: yaml.path: what is wrong; what would be right`. It
exits with 0 (good) or 2. [conf/gateway.yaml](../conf/gateway.yaml) has every key,
[conf/quickstart.yaml](../conf/quickstart.yaml) is the shortest one that works, and
[conf/rtms.yaml](../conf/rtms.yaml) holds the routes that are used when a configuration lists none: [routes.md](routes.md)
explains them.

- **Strict.** Unknown keys, keys that occur twice and values of a wrong type are mistakes. A key without a value counts as
  absent. Booleans are `true` and `false` (`yes` is a string).
- **Variables.** `${VAR}` and `${VAR:-default}` put environment variables into values, after parsing, so that a value can't
  change the shape of the file; keys aren't expanded. `$$` is a dollar. A variable that is empty counts as absent: it takes
  the default, and without one it is a mistake. A value of which nothing is left counts as absent. A number may come from a
  variable: `threads: \"${THREADS}\"`.
- **Durations** are a whole number and a unit: `250ms`, `5s`, `10m`, `1h`.
- **Sizes** are bytes, or a whole number and a unit: `65536`, `64KiB`, `1MiB`.
- **Files.** Relative paths start at the configuration file.
- **The apps file** (with `apps.source: file`) is checked too: what `check` prints with its name keeps the gateway from being
  ready, or makes single apps unusable, but doesn't keep it from starting.

";

#[test]
fn the_reference_is_what_the_types_say() {
    let file = repository("docs/configuration.md");
    let generated = reference();
    if std::env::var_os("RTMS_BLESS").is_some() {
        fs::write(&file, &generated).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(written == generated, "docs/configuration.md drifted: `RTMS_BLESS=1 cargo test --test config` writes it");
}

fn reference() -> String {
    let order = Order::new();
    let schema = config::schema();
    let mut out = HEAD.to_owned();
    let sections = order.sorted(schema["properties"].as_object().unwrap(), 0);
    let names: Vec<String> = sections.iter().map(|(name, ..)| format!("[`{name}`](#{name})")).collect();
    writeln!(out, "Sections: {}. Required are `listeners`, `apps.source` and `upstreams`.", names.join(" · ")).unwrap();
    for (name, section, at) in sections {
        Section { path: name.clone(), schema: section, at, depth: 2 }.write(&order, &mut out);
    }
    out
}

/// A mapping, or what a list or a map of mappings holds.
struct Section<'s> {
    path: String,
    schema: &'s Value,
    /// Where it stands in conf/gateway.yaml.
    at: usize,
    depth: usize,
}

impl Section<'_> {
    fn write(&self, order: &Order, out: &mut String) {
        writeln!(out, "\n{} {}\n\n{}", "#".repeat(self.depth), self.path, text(self.schema)).unwrap();
        let inner = entry(self.schema);
        if self.schema["items"].is_object() {
            out.push_str("\nA list; each entry has:\n");
        } else if self.schema["additionalProperties"].is_object() {
            out.push_str("\nA mapping; beneath each name:\n");
        }
        let properties = order.sorted(inner["properties"].as_object().unwrap(), self.at);
        out.push_str("\n| key | type | default | |\n|---|---|---|---|\n");
        for (name, schema, _) in &properties {
            let cells = [format!("`{name}`"), kind(schema), default(schema), description(schema)];
            writeln!(out, "| {} |", cells.map(|c| c.replace('|', "\\|")).join(" | ")).unwrap();
        }
        for (name, schema, at) in
            properties.into_iter().filter(|(_, schema, _)| entry(schema)["properties"].is_object())
        {
            let path = format!("{}.{name}", self.inner_path());
            Section { path, schema, at, depth: (self.depth + 1).min(4) }.write(order, out);
        }
    }

    fn inner_path(&self) -> String {
        match (self.schema["items"].is_object(), self.schema["additionalProperties"].is_object()) {
            (true, _) => format!("{}[]", self.path),
            (_, true) => format!("{}.NAME", self.path),
            _ => self.path.clone(),
        }
    }
}

/// The schema of the mappings in here.
fn entry(schema: &Value) -> &Value {
    [&schema["items"], &schema["additionalProperties"]].into_iter().find(|s| s.is_object()).unwrap_or(schema)
}

fn text(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().replace('\n', " ")
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The words of a closed set, with their meanings.
fn words(schema: &Value) -> Vec<(&str, String)> {
    let sets = [schema].into_iter().chain(schema["anyOf"].as_array().into_iter().flatten());
    let words = sets.flat_map(|s| s["oneOf"].as_array().into_iter().flatten());
    words.filter_map(|word| Some((word["const"].as_str()?, text(word)))).collect()
}

fn kind(schema: &Value) -> String {
    let words = words(schema);
    if !words.is_empty() {
        return words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(" | ");
    }
    if let Some(format) = schema["format"].as_str().filter(|f| !f.starts_with("uint") && *f != "double") {
        return format.to_owned();
    }
    let types = types(schema);
    match types.iter().find(|t| **t != "null").copied().unwrap_or_default() {
        "array" if entry(schema)["properties"].is_object() => "list, see below".to_owned(),
        "array" => "list of strings".to_owned(),
        "object" if schema["additionalProperties"]["type"] == "string" => "mapping of strings".to_owned(),
        "object" => "mapping, see below".to_owned(),
        "integer" => "whole number".to_owned(),
        other => other.to_owned(),
    }
}

fn nullable(schema: &Value) -> bool {
    types(schema).contains(&"null") || schema["anyOf"].as_array().into_iter().flatten().any(|s| s["type"] == "null")
}

fn default(schema: &Value) -> String {
    match &schema["default"] {
        Value::Null if !nullable(schema) => "required".to_owned(),
        Value::Null | Value::Object(_) => String::new(),
        Value::Array(list) if list.is_empty() => "`[]`".to_owned(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

fn description(schema: &Value) -> String {
    let words = words(schema);
    let meanings: Vec<String> =
        words.iter().map(|(word, meaning)| format!("`{word}`: {}", meaning.trim_end_matches('.'))).collect();
    let text = text(schema);
    if meanings.is_empty() { text } else { format!("{text} {}.", meanings.join("; ")) }
}

/// The order of conf/gateway.yaml, which is the one to read in.
struct Order(String);

impl Order {
    fn new() -> Self {
        Self(fs::read_to_string(repository("conf/gateway.yaml")).unwrap().replace("#:", "  "))
    }

    /// The properties with the places of their keys, in the order of the places; `from`: where their section begins.
    fn sorted<'s>(&self, properties: &'s Map<String, Value>, from: usize) -> Vec<(&'s String, &'s Value, usize)> {
        let mut sorted: Vec<_> = properties.iter().map(|(key, schema)| (key, schema, self.place(key, from))).collect();
        sorted.sort_by_key(|(.., at)| *at);
        sorted
    }

    fn place(&self, key: &str, from: usize) -> usize {
        let word = format!("{key}:");
        let rest = &self.0[from..];
        let starts_a_word = |at: &usize| rest[..*at].ends_with([' ', '\n']) || *at == 0;
        let at = rest.match_indices(&word).map(|(at, _)| at).find(starts_a_word);
        from + at.unwrap_or_else(|| panic!("conf/gateway.yaml doesn't show `{key}`"))
    }
}

#[test]
fn every_key_has_a_description() {
    fn walk(path: &str, schema: &Value) {
        for (name, property) in entry(schema)["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            assert!(!text(property).is_empty(), "{path} has no doc comment");
            walk(&path, property);
        }
    }
    walk("", &config::schema());
}
