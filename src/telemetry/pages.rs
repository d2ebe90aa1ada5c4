//! Dashboards, alerts and documentation against the code: every metric and reason they mention exists, and every one
//! that exists is explained and shown.

mod alerts;
mod dashboards;
mod queries;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::line::tests::{entry, json};
use super::trace::SpanResult;
use super::{Field, Limit, Metrics, NoRequest, Outcome, Refusal, ShownUser};
use crate::apps::feed::{Alarm, Change, ReloadCause};
use crate::reason::Reason;
use crate::telemetry::Entry;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All texts under `grafana/`, `deploy/prometheus/` and `docs/`, and the README.
fn pages() -> Vec<(PathBuf, String)> {
    let mut found = vec![root().join("README.md")];
    let mut folders = ["grafana", "deploy/prometheus", "docs"].map(|folder| root().join(folder)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    let texts = found.into_iter().filter(|path| path.extension().is_none_or(|extension| extension != "png"));
    texts.map(|path| (path.clone(), read(&path))).collect()
}

fn observability() -> String {
    read(&root().join("docs/observability.md"))
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The metric names in a text: words that begin with `rtms_`, without what a histogram appends.
fn metric_names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c| !word(c)).filter(|w| w.starts_with("rtms_") && *w != "rtms_gateway");
    let bare = |w: &str| ["_bucket", "_sum", "_count"].iter().find_map(|s| w.strip_suffix(s)).unwrap_or(w).to_owned();
    words.map(bare).collect()
}

/// The values that a text's queries give to a label: `label="a"`, `label=~"a|b"` and their negations.
fn label_values(text: &str, label: &str) -> BTreeSet<String> {
    let text = text.replace("\\\"", "\"");
    let values = text.split(label).skip(1).filter_map(|rest| {
        let rest = rest.trim_start_matches(['=', '~', '!']).strip_prefix('"')?;
        rest.split('"').next()
    });
    let words = values.flat_map(|v| v.split('|')).filter(|v| v.chars().all(word) && !v.is_empty());
    words.map(str::to_owned).collect()
}

/// The cells of the rows of tables that begin with `` `first` ``.
fn rows(page: &str, first: &str) -> Vec<Vec<String>> {
    let start = format!("| `{first}");
    let cells = |row: &str| row.split('|').skip(1).map(|c| c.trim().to_owned()).collect();
    page.lines().filter(|l| l.strip_prefix(&start).is_some_and(|r| r.starts_with(['`', '{']))).map(cells).collect()
}

#[test]
fn every_metric_that_a_page_mentions_is_registered() {
    let metrics = Metrics::new(&[], &[]).unwrap();
    let known: BTreeSet<&str> = metrics.names().collect();
    for (path, text) in pages() {
        for name in metric_names(&text) {
            assert!(known.contains(&*name), "{}: there is no metric {name}", path.display());
        }
    }
}

#[test]
fn every_metric_is_explained_and_shown() {
    let metrics = Metrics::new(&[], &[]).unwrap();
    let page = observability();
    let shown: String = dashboards::FILES.iter().map(|file| read(&root().join(file))).collect();
    let shown = metric_names(&shown);
    for name in metrics.names() {
        assert_eq!(rows(&page, name).len(), 1, "docs/observability.md: one row for {name}");
        assert!(shown.contains(name), "no dashboard shows {name}");
    }
}

#[test]
fn every_reason_outcome_and_cause_that_a_page_queries_exists() {
    let refusals = Refusal::ALL.iter().map(|r| r.as_str());
    let reasons: BTreeSet<_> = Reason::ALL.iter().map(|r| r.as_str()).chain(refusals).collect();
    let outcomes: BTreeSet<_> = Outcome::ALL.iter().map(|o| o.as_str()).collect();
    for (path, text) in pages() {
        for (label, known) in [("reason", &reasons), ("outcome", &outcomes)] {
            for value in label_values(&text, label) {
                assert!(known.contains(&*value), "{}: there is no {label} {value}", path.display());
            }
        }
    }
}

#[test]
fn every_reason_is_explained_with_its_code_and_status() {
    let page = observability();
    let section = page.split_once("\n## Reasons").unwrap().1.split_once("\n## ").unwrap().0;
    for reason in Reason::ALL {
        let rows = rows(section, reason.as_str());
        assert_eq!(rows.len(), 1, "docs/observability.md: one row for {reason}");
        let (code, status) = (reason.code().as_str(), reason.status().to_string());
        assert_eq!(&rows[0][1..3], [code, &status], "{reason}");
        assert!(rows[0][3..5].iter().all(|cell| cell.len() > 5), "{reason}: meaning and what to do");
    }
}

#[test]
fn every_outcome_limit_change_cause_alarm_and_refusal_is_explained() {
    fn words<T: Copy>(all: &[T], word: impl Fn(T) -> &'static str) -> Vec<&'static str> {
        all.iter().map(|t| word(*t)).collect()
    }
    let page = observability();
    let listed = |first_column: &str| -> Vec<_> {
        let table = page.split_once(&format!("\n| {first_column} |")).unwrap().1;
        table.lines().skip(2).map_while(|row| row.strip_prefix("| `")?.split('`').next()).collect()
    };
    assert_eq!(listed("outcome"), words(Outcome::ALL, Outcome::as_str));
    assert_eq!(listed("limit"), words(&Limit::ALL, Limit::as_str));
    assert_eq!(listed("kind"), words(Change::ALL, Change::as_str));
    assert_eq!(listed("cause | why everything was read"), words(ReloadCause::ALL, ReloadCause::as_str));
    assert_eq!(listed("alarm"), words(Alarm::ALL, Alarm::as_str));
    assert_eq!(listed("result"), words(&SpanResult::ALL, SpanResult::as_str));
    assert_eq!(listed("refusal"), words(Refusal::ALL, Refusal::as_str));
    assert_eq!(listed("cause | what the connection ended with"), words(NoRequest::ALL, NoRequest::as_str));
}

#[test]
fn the_log_fields_are_explained_in_their_order() {
    let full = Entry {
        upstream: Some("rtms"),
        peer: Some("10.0.0.1:80"),
        attempts: 1,
        answered_after: Some(std::time::Duration::ZERO),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
        user: Some("u1"),
        previous_key: Some(false),
        reason: Some(Reason::Internal),
        limit: Some(Limit::ConcurrentRequests),
        ..entry()
    };
    let line = String::from_utf8(json(ShownUser::Plain).line(&full)).unwrap();
    let written: Vec<_> =
        line.split(",\"").filter_map(|f| f.trim_start_matches(['{', '"']).split('"').next()).collect();
    let page = observability();
    let section = page.split_once("## Access log").unwrap().1.split_once("\n## ").unwrap().0;
    let explained: Vec<_> = section.lines().filter_map(|l| l.strip_prefix("| `")?.split('`').next()).collect();
    let known: Vec<_> = Field::ALL.iter().map(|field| field.as_str()).collect();
    assert_eq!(explained, known);
    assert!(known.starts_with(&written), "{written:?}");
}

#[test]
fn names_and_values_are_found_in_queries() {
    let text = r#"sum(rate(rtms_errors_total{reason=~"internal|x_y",outcome!="ok"}[5m])) rtms_a_bucket \"reason\": reason=\"z\""#;
    assert_eq!(metric_names(text), BTreeSet::from(["rtms_a".to_owned(), "rtms_errors_total".to_owned()]));
    assert_eq!(label_values(text, "reason"), ["internal", "x_y", "z"].map(str::to_owned).into());
    assert_eq!(label_values(text, "outcome"), BTreeSet::from(["ok".to_owned()]));
}
