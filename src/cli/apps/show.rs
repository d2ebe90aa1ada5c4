//! What people see of apps: a table of many, lines of one.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The fields of an app in the order that people read them in; any other follows.
const ORDER: [&str; 16] = [
    "appId",
    "appName",
    "state",
    "problem",
    "jwt",
    "key_length",
    "fingerprint",
    "secret_encoding",
    "previous_key_length",
    "previous_fingerprint",
    "previous_expires_at",
    "previous_last_used",
    "disabled",
    "tokens_valid_after",
    "weak",
    "in_force",
];

/// The columns of the table: head and field.
const COLUMNS: [(&str, &str); 8] = [
    ("APP", "appId"),
    ("NAME", "appName"),
    ("STATE", "state"),
    ("KEY", "key_length"),
    ("FINGERPRINT", "fingerprint"),
    ("PREVIOUS UNTIL", "previous_expires_at"),
    ("PREVIOUS USED", "previous_last_used"),
    ("IN FORCE", "in_force"),
];
/// The widest that a column becomes: ids and dates fit, a long name is cut.
const WIDEST: usize = 64;
const WIDEST_NAME: usize = 24;

/// Text that does nothing to a terminal: whatever isn't printable is escaped.
pub fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            c => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// A value in a line; `None`: there is nothing to show.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(plain(text)),
        Value::Array(list) => Some(list.iter().filter_map(text).collect::<Vec<_>>().join(", ")),
        other => Some(plain(&other.to_string())),
    }
    .filter(|text| !text.is_empty())
}

/// An app, a line for each field that has a value.
pub fn lines(app: &Map<String, Value>, tag: Option<&str>) -> String {
    let known = ORDER.iter().filter_map(|name| app.get_key_value(*name));
    let others = app.iter().filter(|(name, _)| !ORDER.contains(&name.as_str()));
    let shown = |(name, value): (&String, &Value)| Some((plain(name), text(value)?));
    let mut rows: Vec<(String, String)> = known.chain(others).filter_map(shown).collect();
    rows.extend(tag.map(|tag| ("tag".to_owned(), plain(tag))));
    let widest = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    rows.iter().fold(String::new(), |mut lines, (name, value)| {
        let _ = writeln!(lines, "{name:widest$}  {value}");
        lines
    })
}

/// What stands in the table of a field; long text is cut.
fn cell(app: &Value, field: &str) -> String {
    let text = app.get(field).and_then(text).unwrap_or_else(|| "-".to_owned());
    let widest = if field == "appName" { WIDEST_NAME } else { WIDEST };
    match text.char_indices().nth(widest) {
        Some(_) => text.chars().take(widest - 1).chain(['…']).collect(),
        None => text,
    }
}

/// Apps, a row each.
pub fn table(apps: &[Value]) -> String {
    let heads = COLUMNS.map(|(head, _)| head.to_owned());
    let row = |app: &Value| COLUMNS.map(|(_, field)| cell(app, field));
    let rows: Vec<[String; 8]> = std::iter::once(heads).chain(apps.iter().map(row)).collect();
    let mut widths = [0; 8];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; 8]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_does_nothing_to_a_terminal() {
        assert_eq!(plain("Bücher \"A\" \\ 'b'"), "Bücher \"A\" \\ 'b'");
        assert_eq!(plain("\u{1b}[2J\n\u{202e}"), "\\u{1b}[2J\\n\\u{202e}");
    }

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let apps = [
            json!({"appId": "TR1", "state": "jwt", "key_length": 43, "fingerprint": "c62e4615", "in_force": true,
                   "appName": "Bücher", "previous_expires_at": "2026-01-31T12:00:00Z"}),
            json!({"appId": "TR21063826", "state": "disabled", "appName": "A name of many, many words",
                   "previous_last_used": null, "in_force": false}),
        ];
        let table = table(&apps);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines,
            [
                "APP         NAME                      STATE     KEY  FINGERPRINT  PREVIOUS UNTIL        PREVIOUS USED  IN FORCE",
                "TR1         Bücher                    jwt       43   c62e4615     2026-01-31T12:00:00Z  -              true",
                "TR21063826  A name of many, many wo…  disabled  -    -            -                     -              false",
            ]
        );
    }

    #[test]
    fn an_app_is_shown_field_by_field() {
        let app =
            json!({"in_force": true, "appId": "TR1", "new": 1, "previous_last_used": null, "other_fields": ["a", "b"]});
        let lines = lines(app.as_object().expect("an object"), Some("5c1f"));
        assert_eq!(
            lines,
            "appId         TR1\nin_force      true\nnew           1\nother_fields  a, b\ntag           5c1f\n"
        );
    }
}
