//! The bytes of a configuration file, and the same bytes as an apps file.
//!
//! Reading them ends, and every mistake says where it is, in one line that a terminal shows as it is. What the apps file
//! reads as JSON, `serde_json` reads alike, and every entry gets a verdict.

use std::path::Path;

use rtms_gateway::apps::{SecretEncoding, json, list, reading};
use rtms_gateway::config::{self, Mistake};

/// In a folder that isn't there: relative names lead nowhere.
const FILE: &str = "/nonexistent/gateway.yaml";

/// Tries one input.
pub fn run(input: &[u8]) {
    run_apps(input);
    // A configuration names files, which are read: not those that have no end, or that do something.
    if [&b"/dev"[..], b"/proc", b"/sys", b".."].iter().any(|name| contains(input, name)) {
        return;
    }
    match config::parse(input, Path::new(FILE), &variable) {
        Ok(loaded) => loaded.warnings.iter().for_each(check),
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "refused without a mistake");
            mistakes.iter().for_each(check);
            let mut whole = mistakes.iter().filter(|mistake| mistake.path.is_empty());
            let no_mapping = whole.clone().any(|mistake| mistake.problem.ends_with("it must be a mapping"));
            assert!(no_mapping || whole.nth(1).is_none(), "without a place: {mistakes}");
        }
    }
}

/// The environment.
fn variable(name: &str) -> Option<String> {
    match name {
        "EMPTY" => Some(String::new()),
        "FIVE" => Some("5".to_owned()),
        "TEXT" => Some("a 'text'\n: ${FIVE}".to_owned()),
        _ => None,
    }
}

fn check(mistake: &Mistake) {
    let shown = mistake.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    assert!(!mistake.problem.is_empty(), "{shown}");
}

fn contains(input: &[u8], part: &[u8]) -> bool {
    input.windows(part.len()).any(|window| window == part)
}

fn run_apps(input: &[u8]) {
    for is_json in [false, true] {
        match list::parse(input, is_json) {
            Ok(entries) => {
                if is_json {
                    let theirs: serde_json::Value = serde_json::from_slice(input).expect("JSON");
                    assert_eq!(theirs.as_array(), Some(&entries));
                }
                entries.iter().for_each(check_entry);
            }
            Err(problem) => assert!(!problem.contains(char::is_control), "{problem:?}"),
        }
    }
}

/// An app that can be used has a name that a path can hold; one that can't has a fault.
fn check_entry(entry: &serde_json::Value) {
    let Some(document) = json::document(entry) else { return };
    for encoding in [SecretEncoding::Raw, SecretEncoding::Base64] {
        let reading = reading::read(&document, encoding);
        match (&reading.app_id, &reading.fault) {
            (Some(id), None) => assert!(reading::valid_app_id(id), "{id}"),
            (None, None) => panic!("neither an app nor a fault: {entry}"),
            (_, Some(fault)) => assert!(!fault.to_string().contains(char::is_control), "{fault}"),
        }
    }
}
