//! The text of an apps file: one list of app documents, as YAML or JSON.
//!
//! Messages never repeat any of the text, since it may be a secret: they give the place.

use std::fmt;
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Whether a file of this name is read as JSON.
#[must_use]
pub fn is_json(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

/// The entries of an apps file. An empty list is a list; an empty file is none.
///
/// # Errors
/// Text that isn't UTF-8, isn't well-formed, holds a key twice in one mapping, or isn't a list. The message says where
/// and what would be right.
pub fn parse(text: &[u8], json: bool) -> Result<Vec<Value>, String> {
    let mut entries = Vec::new();
    each(text, json, |entry| entries.push(entry))?;
    Ok(entries)
}

/// Hands over the entries of an apps file, one after the other; gives their number. Of JSON only one at a time is in
/// memory: a million of them take twenty times as much as what is kept of them.
///
/// # Errors
/// As [`parse`]; entries before the mistake have been handed over.
pub fn each(text: &[u8], json: bool, mut take: impl FnMut(Value)) -> Result<usize, String> {
    let text = std::str::from_utf8(text).map_err(|error| {
        let line = text.iter().take(error.valid_up_to()).filter(|b| **b == b'\n').count() + 1;
        format!("line {line}: is not UTF-8; save the file as UTF-8")
    })?;
    if json && text.trim_ascii_start().starts_with('[') {
        return read_json(text, Entries(&mut take));
    }
    match if json { self::json(text)? } else { parse_yaml(text)? } {
        Value::Array(entries) => Ok(entries.into_iter().map(take).count()),
        _ => Err("is not a list; write one app document an entry, or `[]` for none".to_owned()),
    }
}

/// One JSON value.
///
/// # Errors
/// Text that isn't well-formed, holds a name twice in one object, or goes on after the value. The message says where and
/// what would be right.
pub fn json(text: &str) -> Result<Value, String> {
    read_json(text, Unique)
}

fn read_json<'t, S: DeserializeSeed<'t>>(text: &'t str, seed: S) -> Result<S::Value, String> {
    let place = |error: &serde_json::Error| format!("line {}, column {}", error.line(), error.column());
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut deserializer).map_err(|error| match error.classify() {
        // Only `Unique` raises data errors here, also within `Entries`.
        serde_json::error::Category::Data => format!("{}: holds a key twice; keep one of them", place(&error)),
        _ => format!("{}: is not well-formed JSON; correct it there", place(&error)),
    })?;
    deserializer.end().map_err(|error| format!("{}: goes on after the end; keep one value", place(&error)))?;
    Ok(value)
}

fn parse_yaml(text: &str) -> Result<Value, String> {
    // A list of any length, but no deeper and with no more aliases than app documents have use for.
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_events: usize::MAX,
            max_nodes: usize::MAX,
            max_total_scalar_bytes: usize::MAX,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let what = match error.without_snippet() {
            serde_saphyr::Error::DuplicateMappingKey { .. } => "holds a key twice; keep one of them",
            _ => "is not well-formed YAML; correct it there",
        };
        match error.location() {
            Some(at) => format!("line {}, column {}: {what}", at.line(), at.column()),
            None => what.to_owned(),
        }
    })
}

/// Reads a [`Value`], and refuses a member that stands twice in its object.
#[derive(Clone, Copy)]
struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(Self)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.insert(name, map.next_value_seed(Self)?).is_some() {
                return Err(A::Error::custom("twice"));
            }
        }
        Ok(Value::Object(members))
    }
}

/// Reads a list, and hands its entries over as they come.
struct Entries<'t, F>(&'t mut F);

impl<'de, F: FnMut(Value)> DeserializeSeed<'de> for Entries<'_, F> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(Value)> Visitor<'de> for Entries<'_, F> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while let Some(entry) = seq.next_element_seed(Unique)? {
            (self.0)(entry);
            count += 1;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "- appId: TR1\n  jwt_secretkey: 'a: b'\n  disabled: no\n- appId: \"2\"\n  n: 007\n";
    const JSON: &str = r#"[{"appId": "TR1", "jwt_secretkey": "a: b", "disabled": "no"}, {"appId": "2", "n": "007"}]"#;

    #[test]
    fn yaml_and_json_read_alike() {
        let entries = parse(JSON.as_bytes(), true).unwrap();
        assert_eq!(parse(YAML.as_bytes(), false).unwrap(), entries);
        assert_eq!(parse(JSON.as_bytes(), false).unwrap(), entries);
        assert_eq!(parse(b"[]", true), Ok(vec![]));
        assert_eq!(parse(b"[]", false), Ok(vec![]));
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_place_and_nothing_of_its_text() {
        let cases: [(&[u8], bool, &str); 14] = [
            (b"", false, "is not a list"),
            (b"", true, "line 1, column 0: is not well-formed JSON"),
            (b"hunter2: x", false, "is not a list"),
            (b"{\"hunter2\": 1}", true, "is not a list"),
            (b"- a\n- {b: hunter2", false, "line 2, column 3: is not well-formed YAML"),
            (b"- {hunter2: 1, hunter2: 2}", false, "line 1, column 16: holds a key twice"),
            (b"[\n{\"hunter2\": 1, \"hunter2\": 2}]", true, "line 2, column 28: holds a key twice"),
            (b"[{\"a\": [{\"hunter2\": 1, \"hunter2\": {}}]}]", true, "line 1, column 37: holds a key twice"),
            (b"[hunter2]", true, "line 1, column 2: is not well-formed JSON"),
            (b"[] hunter2", true, "line 1, column 4: goes on after the end"),
            (b"- a\n---\n- hunter2", false, "line 3, column 1: is not well-formed YAML"),
            (b"- !hunter2 x", false, "line 1, column 12: is not well-formed YAML"),
            (b"- hunter2\n- \xff", false, "line 2: is not UTF-8"),
            (b"[.inf, hunter2]", false, "line 1, column 2: is not well-formed YAML"),
        ];
        for (text, json, expected) in cases {
            let problem = parse(text, json).unwrap_err();
            assert!(problem.starts_with(expected), "{}: {problem}", String::from_utf8_lossy(text));
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn entries_are_handed_over_one_by_one_up_to_the_mistake() {
        let mut seen = Vec::new();
        assert_eq!(each(b" [1, {\"a\": 2}]", true, |entry| seen.push(entry)), Ok(2));
        assert_eq!(seen, [serde_json::json!(1), serde_json::json!({"a": 2})]);
        let mut count = 0;
        assert!(each(b"[1, 2, {]", true, |_| count += 1).is_err());
        assert_eq!(count, 2);
    }

    #[test]
    fn a_long_list_is_read_and_a_deep_one_is_refused() {
        let long = "- {appId: A, jwt_secretkey: b, appName: c, disabled: false}\n".repeat(40_000);
        assert_eq!(parse(long.as_bytes(), false).unwrap().len(), 40_000);
        for json in [false, true] {
            assert!(parse("[".repeat(100_000).as_bytes(), json).is_err());
        }
    }
}
