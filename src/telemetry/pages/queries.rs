//! As much of PromQL as holding queries against the documentation needs: which series a query selects by which labels,
//! and which labels it groups by. The real Prometheus reads them whole in `tests/prometheus`.

use std::collections::{BTreeMap, BTreeSet};

/// What Prometheus adds to every series it scrapes.
const SCRAPED: [&str; 2] = ["instance", "job"];

/// `name{label="value",..}` in a query.
#[derive(Debug, PartialEq)]
pub struct Selector {
    /// The series' name.
    pub name: String,
    /// Labels and the values they are compared with, several of a regular expression.
    pub labels: Vec<(String, Vec<String>)>,
}

fn of_name(c: char) -> bool {
    super::word(c) || c == ':'
}

/// The selectors of a query: names of the gateway's series, recorded ones among them.
pub fn selectors(query: &str) -> Vec<Selector> {
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(start) = rest.find("rtms") {
        let fresh = !rest[..start].ends_with(of_name);
        let from = &rest[start..];
        let end = from.find(|c| !of_name(c)).unwrap_or(from.len());
        let (name, after) = from.split_at(end);
        rest = after;
        if fresh && ["rtms_", "rtms:"].iter().any(|prefix| name.starts_with(prefix)) {
            let labels = after.strip_prefix('{').map(matchers).unwrap_or_default();
            found.push(Selector { name: name.to_owned(), labels });
        }
    }
    found
}

/// The matchers between braces.
fn matchers(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((label, after)) = rest.split_once(['=', '!']) {
        let Some((_, quoted)) = after.split_once('"') else { break };
        let Some((value, after)) = quoted.split_once('"') else { break };
        found.push((label.trim_matches([',', ' ']).to_owned(), value.split('|').map(str::to_owned).collect()));
        if after.starts_with('}') {
            break;
        }
        rest = after;
    }
    found
}

/// The labels that a query groups or joins by: `by (a, b)`, `on (a)`.
pub fn grouped(query: &str) -> BTreeSet<String> {
    let parts = query.match_indices(" (").filter(|(at, _)| {
        let before = query[..*at].rsplit(|c| !of_name(c)).next();
        matches!(before, Some("by" | "on" | "without" | "ignoring" | "group_left" | "group_right"))
    });
    let lists = parts.filter_map(|(at, open)| query[at + open.len()..].split(')').next());
    lists.flat_map(|list| list.split(',')).map(|label| label.trim().to_owned()).filter(|l| !l.is_empty()).collect()
}

/// The labels that a text of Grafana's (`{{label}}`) or Prometheus' (`$labels.label`) puts in.
pub fn templated(text: &str) -> BTreeSet<String> {
    let grafana = text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    let prometheus = text.split("$labels.").skip(1).filter_map(|rest| rest.split(|c| !super::word(c)).next());
    let plain = grafana.map(str::trim).filter(|t| !t.is_empty() && t.chars().all(super::word));
    plain.chain(prometheus).map(str::to_owned).collect()
}

/// The labels of every series, by its name.
pub struct Known(BTreeMap<String, BTreeSet<String>>);

impl Known {
    /// As the rows of the page say: `` | `name{a,b}` | ``. Recorded series have the labels that their query groups by.
    pub fn new(page: &str, recorded: &[(String, String)]) -> Self {
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let documented = rows.filter(|row| row.starts_with("rtms_")).map(|row| {
            let (name, labels) = row.trim_end_matches('}').split_once('{').unwrap_or((row, ""));
            (name.to_owned(), labels.split(',').filter(|l| !l.is_empty()).map(str::to_owned).collect())
        });
        Self(documented.chain(recorded.iter().map(|(name, query)| (name.clone(), grouped(query)))).collect())
    }

    /// The labels of a series as it is stored; `None`: there is no such series.
    pub fn labels(&self, name: &str) -> Option<BTreeSet<String>> {
        let scraped =
            |labels: &BTreeSet<String>| labels.iter().map(String::as_str).chain(SCRAPED).map(str::to_owned).collect();
        if let Some(labels) = self.0.get(name) {
            return Some(scraped(labels));
        }
        let part = ["_bucket", "_sum", "_count"].iter().find_map(|s| Some((self.0.get(name.strip_suffix(s)?)?, *s)));
        let (labels, suffix) = part?;
        let mut labels: BTreeSet<String> = scraped(labels);
        if suffix == "_bucket" {
            labels.insert("le".to_owned());
        }
        Some(labels)
    }

    /// What is wrong with a query and the texts that show its labels.
    pub fn faults(&self, query: &str, texts: &[&str]) -> Vec<String> {
        let mut faults = Vec::new();
        let mut union: BTreeSet<String> = SCRAPED.map(str::to_owned).into();
        for selector in selectors(query) {
            let Some(labels) = self.labels(&selector.name) else {
                faults.push(format!("there is no series {}", selector.name));
                continue;
            };
            let unknown = selector.labels.iter().map(|(label, _)| label).filter(|label| !labels.contains(*label));
            faults.extend(unknown.map(|label| format!("{} has no label {label}", selector.name)));
            union.extend(labels);
        }
        let groups = grouped(query);
        faults.extend(groups.difference(&union).map(|label| format!("groups by {label}, which nothing in it has")));
        // What a query doesn't group by is gone after it, where it groups at all.
        let shown = if groups.is_empty() { union } else { groups };
        let used = texts.iter().flat_map(|text| templated(text));
        faults.extend(
            used.filter(|label| !shown.contains(label)).map(|label| format!("shows {label}, which it has lost")),
        );
        faults
    }
}

#[test]
fn selectors_groups_and_templates_are_found() {
    let query = r#"sum by (job, le) (rate(rtms_a_bucket{b=~"x|y",c!="z"}[5m])) > on (job) rtms:r:rate5m - up{job="q"}"#;
    let labels = vec![("b".into(), vec!["x".into(), "y".into()]), ("c".into(), vec!["z".into()])];
    let expected =
        [Selector { name: "rtms_a_bucket".into(), labels }, Selector { name: "rtms:r:rate5m".into(), labels: vec![] }];
    assert_eq!(selectors(query), expected);
    assert_eq!(grouped(query), ["job", "le"].map(str::to_owned).into());
    assert_eq!(templated("{{a}} {{ $labels.b }} {{ $value | humanize }}"), ["a", "b"].map(str::to_owned).into());
    assert!(selectors(r#"up{job="rtms-gateway"} xrtms_b"#).is_empty());
}

#[test]
fn a_label_that_nothing_has_is_a_fault() {
    let recorded = [("rtms:r:rate5m".to_owned(), "sum by (job, b) (rate(rtms_a_count[5m]))".to_owned())];
    let known = Known::new("| `rtms_a{b,c}` | histogram |\n| `rtms_d` |", &recorded);
    let good = "sum by (b, le) (rate(rtms_a_bucket{instance=~\"x\"}[5m])) / on (b) rtms:r:rate5m{b=\"x\"}";
    assert!(known.faults(good, &["{{b}}"]).is_empty(), "{:?}", known.faults(good, &["{{b}}"]));
    for (query, text) in [
        ("rtms_e", ""),
        ("rtms_a{d=\"x\"}", ""),
        ("rtms_d{le=\"1\"}", ""),
        ("sum by (x) (rtms_a)", ""),
        ("rtms:r:rate5m{c=\"x\"}", ""),
        ("sum by (b) (rtms_a)", "{{c}}"),
        ("rtms_d", "{{ $labels.b }}"),
    ] {
        assert_eq!(known.faults(query, &[text]).len(), 1, "{query} {text}");
    }
}
