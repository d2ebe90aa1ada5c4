//! The apps file, looked at when a configuration is checked: what would make the gateway not ready, or an app
//! unusable.
//!
//! None of it keeps the gateway from starting: it reads the file again whenever it changes.

use std::collections::HashMap;

use crate::apps::reading::{self, Fault};
use crate::apps::{SecretEncoding, json, list};

/// Everything wrong with the text of an apps file, each with its place.
#[must_use]
pub fn faults(text: &[u8], is_json: bool, encoding: SecretEncoding) -> Vec<(String, String)> {
    match list::parse(text, is_json) {
        Ok(entries) => entry_faults(&entries, encoding).into_iter().map(|(n, p)| (format!("[{n}]"), p)).collect(),
        Err(problem) => vec![(String::new(), problem)],
    }
}

/// The entries that make no sense, by their place in the list.
fn entry_faults(entries: &[serde_json::Value], encoding: SecretEncoding) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut first: HashMap<Box<str>, usize> = HashMap::new();
    for (n, entry) in entries.iter().enumerate() {
        let Some(document) = json::document(entry) else {
            found.push((n, "is no mapping; an app document has at least an `appId`".to_owned()));
            continue;
        };
        let reading = reading::read(&document, encoding);
        let app = reading.app_id.as_deref().map(|id| format!("app {id} is unusable: ")).unwrap_or_default();
        if let Some(fault) = reading.fault {
            found.push((n, format!("{app}{fault}")));
        }
        let Some(id) = reading.app_id else { continue };
        if let Some(earlier) = first.get(&id) {
            found.push((n, format!("{app}{}, the other one is [{earlier}]; keep one", Fault::Duplicate)));
        } else {
            first.insert(id, n);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senseless_entries_are_named_by_place_and_app_and_never_show_a_secret() {
        let entries = serde_json::json!([
            {"appId": "A", "jwt_secretkey": "hunter2-hunter2"},
            {"appId": "B", "jwt_secretkey": "", "other": 5},
            "hunter2",
            {"appId": "A"},
            {"jwt_secretkey": "hunter2"},
            {"appId": "C", "jwt_secretkey": "hunter2!", "secret_encoding": "base64"},
        ]);
        let found = entry_faults(entries.as_array().unwrap(), SecretEncoding::Raw);
        let places: Vec<usize> = found.iter().map(|(n, _)| *n).collect();
        assert_eq!(places, [1, 2, 3, 4, 5]);
        let text = found.iter().map(|(_, p)| p.as_str()).collect::<Vec<_>>().join("\n");
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("app B is unusable: `jwt_secretkey` is empty"), "{text}");
        assert!(text.contains("app A is unusable: two documents have this `appId`, the other one is [0]"), "{text}");
    }
}
