//! App documents of an apps file: a JSON (or YAML) list, dates as RFC 3339 strings.

use serde_json::Value as Json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::document::{Document, Type, Value};

/// The fields that hold one.
pub const DATES: [&str; 2] = ["previous_expires_at", "tokens_valid_after"];

/// The document of one entry; `None`: the entry isn't an object.
#[must_use]
pub fn document(entry: &Json) -> Option<Document> {
    let mut document = Document::default();
    for (name, value) in entry.as_object()? {
        document.set(name, self::value(name, value));
    }
    Some(document)
}

/// An RFC 3339 date, in milliseconds since the epoch.
#[must_use]
pub fn date(text: &str) -> Option<i64> {
    let date = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(date.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

fn value(name: &str, value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::String(s) if DATES.contains(&name) => date(s).map_or(Value::BadDate, Value::Date),
        Json::String(s) => Value::string(s),
        Json::Number(_) => Value::Other(Type::Number),
        Json::Array(_) => Value::Other(Type::Array),
        Json::Object(_) => Value::Other(Type::Object),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_rfc_3339_strings_and_nothing_else() {
        let read = |json: &str| {
            let entry =
                serde_json::json!({"appId": "A", "tokens_valid_after": serde_json::from_str::<Json>(json).unwrap()});
            document(&entry).unwrap().get("tokens_valid_after").cloned().unwrap()
        };
        assert!(read(r#""1970-01-01T00:00:01.5Z""#) == Value::Date(1500));
        assert!(read(r#""1970-01-01T01:00:00+01:00""#) == Value::Date(0));
        assert!(read(r#""yesterday""#) == Value::BadDate);
        assert!(read("5") == Value::Other(Type::Number));
        assert!(document(&Json::Null).is_none());
    }
}
