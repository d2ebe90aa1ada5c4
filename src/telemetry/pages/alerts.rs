//! Alerts against the code, the runbook and their own tests.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::queries::{Known, selectors};
use super::{observability, read, root};
use crate::apps::feed::{Alarm, Change, ReloadCause};
use crate::reason::Reason;
use crate::telemetry::{CertificateReload, Limit, Outcome, Refusal};

const RULES: &str = "deploy/prometheus/rules.yaml";

fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&read(&root().join(file))).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn rules() -> Vec<Value> {
    let groups = yaml(RULES)["groups"].as_array().unwrap().clone();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule.get("alert").is_some()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The series that rules record, and their queries.
pub fn recorded() -> Vec<(String, String)> {
    let all = rules();
    let pairs = all.iter().map(|rule| (text(&rule["record"]).to_owned(), text(&rule["expr"]).to_owned()));
    pairs.filter(|(name, _)| !name.is_empty()).collect()
}

/// The sections of the runbook by the alert they are about.
fn sections() -> BTreeMap<String, String> {
    let page = read(&root().join("docs/runbook.md"));
    let parts = page.split("\n### ").skip(1);
    let bodies = parts.map(|part| part.split("\n## ").next().unwrap().split_once('\n').unwrap());
    bodies.map(|(title, body)| (title.to_owned(), body.to_owned())).collect()
}

#[test]
fn every_rule_asks_for_series_and_labels_that_exist() {
    let known = Known::new(&observability(), &recorded());
    for rule in rules() {
        let texts = ["summary", "description"].map(|key| text(&rule["annotations"][key]));
        let faults = known.faults(text(&rule["expr"]), &texts);
        assert!(faults.is_empty(), "{}{}: {faults:?}", text(&rule["alert"]), text(&rule["record"]));
    }
}

#[test]
fn every_word_that_a_rule_compares_with_exists() {
    fn words<T: Copy>(all: &[T], word: impl Fn(T) -> &'static str) -> BTreeSet<&'static str> {
        all.iter().map(|t| word(*t)).collect()
    }
    let reasons = words(Reason::ALL, Reason::as_str);
    let closed = [
        ("rtms_rejections_total", "reason", reasons.clone()),
        ("rtms:rejections:rate5m", "reason", reasons.clone()),
        ("rtms_app_rejections_total", "reason", reasons),
        ("rtms_connections_refused_total", "reason", words(Refusal::ALL, Refusal::as_str)),
        ("rtms_upstream_requests_total", "outcome", words(Outcome::ALL, Outcome::as_str)),
        ("rtms_limited_total", "limit", words(&Limit::ALL, Limit::as_str)),
        ("rtms_apps_changes_total", "kind", words(Change::ALL, Change::as_str)),
        ("rtms_apps_reloads_total", "cause", words(ReloadCause::ALL, ReloadCause::as_str)),
        ("rtms_apps_alarm", "kind", words(Alarm::ALL, Alarm::as_str)),
        ("rtms_certificate_reloads_total", "result", words(&CertificateReload::ALL, CertificateReload::as_str)),
    ];
    let mut compared = 0;
    for rule in rules() {
        for selector in selectors(text(&rule["expr"])) {
            for (label, values) in &selector.labels {
                let set = closed.iter().find(|(name, of, _)| selector.name == *name && label == of);
                let Some((_, _, words)) = set else { continue };
                let unknown: Vec<_> = values.iter().filter(|value| !words.contains(value.as_str())).collect();
                assert!(unknown.is_empty(), "{}: {} has no {label} {unknown:?}", text(&rule["alert"]), selector.name);
                compared += 1;
            }
        }
    }
    assert!(compared > 10, "{compared}");
}

#[test]
fn every_alert_says_how_bad_it_is_and_where_its_section_of_the_runbook_is() {
    let mut sections = sections();
    for alert in alerts() {
        let name = text(&alert["alert"]);
        let severity = text(&alert["labels"]["severity"]);
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: {severity}");
        for key in ["summary", "description"] {
            assert!(text(&alert["annotations"][key]).len() > 10, "{name}: {key}");
        }
        let url = format!("docs/runbook.md#{}", name.to_lowercase());
        assert_eq!(text(&alert["annotations"]["runbook_url"]), url, "{name}");
        let section = sections.remove(name).unwrap_or_else(|| panic!("docs/runbook.md: no section {name}"));
        let when = alert.get("for").map_or("at once".to_owned(), |hold| format!("after {}", text(hold)));
        assert!(section.trim_start().starts_with(&format!("`{severity}`, {when}: ")), "{name}: {section}");
        for part in ["Meaning", "Impact", "Look at", "Do", "Threshold"] {
            assert!(section.contains(&format!("\n- **{part}:**")), "docs/runbook.md: {name}: no {part}");
        }
    }
    assert!(sections.is_empty(), "docs/runbook.md: no alert {:?}", sections.keys());
}

#[test]
fn every_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() {
    let files = ["deploy/prometheus/rules_test.yaml", "deploy/prometheus/rules_long_test.yaml"];
    let tests: Vec<Value> = files.iter().flat_map(|file| yaml(file)["tests"].as_array().unwrap().clone()).collect();
    let mut seen: BTreeMap<(String, bool), usize> = BTreeMap::new();
    for case in tests.iter().flat_map(|test| test["alert_rule_test"].as_array().unwrap()) {
        let firing = !case["exp_alerts"].as_array().unwrap().is_empty();
        *seen.entry((text(&case["alertname"]).to_owned(), firing)).or_default() += 1;
    }
    for alert in alerts() {
        let name = text(&alert["alert"]).to_owned();
        assert!(seen.remove(&(name.clone(), true)).is_some(), "{name} never fires in rules_test.yaml");
        assert!(seen.remove(&(name.clone(), false)).is_some(), "{name} never keeps quiet in rules_test.yaml");
    }
    assert!(seen.is_empty(), "rules_test.yaml tests what isn't there: {seen:?}");
}

#[test]
fn the_runbook_lists_what_is_recorded_and_leads_nowhere_that_is_not() {
    let page = read(&root().join("docs/runbook.md"));
    for (name, _) in recorded() {
        let stem = name.rsplit_once("_rate").map_or(name.as_str(), |(stem, _)| stem);
        assert!(page.contains(&format!("`{stem}")), "docs/runbook.md: {name}");
    }
    let known: BTreeSet<String> = sections().keys().map(|name| name.to_lowercase()).collect();
    let anchors = page.split("](#").skip(1).filter_map(|rest| rest.split(')').next());
    for anchor in anchors {
        assert!(known.contains(anchor), "docs/runbook.md: #{anchor}");
    }
}
