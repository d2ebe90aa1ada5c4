//! Every expression of the dashboards and rules, and variables as Grafana puts them in.

use serde_json::Value;

use crate::server::repository;

/// A panel's query.
pub struct Expression {
    /// Dashboard, panel.
    pub place: String,
    /// As it stands in the dashboard.
    pub query: String,
    /// Asked for one moment only.
    pub instant: bool,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The dashboards.
pub fn dashboards() -> Vec<Value> {
    let read = |file: &str| std::fs::read_to_string(repository(file)).expect("a file of ours");
    let files = ["grafana/dashboards/gateway.json", "grafana/dashboards/apps.json"];
    files.map(|file| serde_json::from_str(&read(file)).expect("JSON")).to_vec()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

/// Of all panels.
pub fn of_panels() -> Vec<Expression> {
    let mut found = Vec::new();
    for dashboard in dashboards() {
        for panel in list(&dashboard, "panels") {
            for target in list(panel, "targets") {
                let place =
                    format!("{}: {} {}", text(&dashboard["title"]), text(&panel["title"]), text(&target["refId"]));
                found.push(Expression { place, query: text(&target["expr"]), instant: target["instant"] == true });
            }
        }
    }
    found
}

/// Of all annotations that are queried.
pub fn of_annotations() -> Vec<(String, String)> {
    let all = dashboards();
    let annotations = all.iter().flat_map(|dashboard| list(&dashboard["annotations"], "list"));
    annotations.map(|one| (text(&one["name"]), text(&one["expr"]))).filter(|(_, expr)| !expr.is_empty()).collect()
}

/// Label and selector of all variables.
pub fn of_variables() -> Vec<(String, String)> {
    let all = dashboards();
    let variables = all.iter().flat_map(|dashboard| list(&dashboard["templating"], "list"));
    let definitions = variables.map(|one| text(&one["definition"])).filter(|definition| !definition.is_empty());
    let parts = |definition: String| {
        let inner = definition.strip_prefix("label_values(")?.strip_suffix(')')?.to_owned();
        let (selector, label) = inner.rsplit_once(", ")?;
        Some((label.to_owned(), selector.to_owned()))
    };
    definitions.map(|definition| parts(definition.clone()).unwrap_or_else(|| panic!("{definition}"))).collect()
}

/// Of all rules: name, expression, whether it is recorded.
pub fn of_rules() -> Vec<(String, String, bool)> {
    let file = std::fs::read_to_string(repository("deploy/prometheus/rules.yaml")).expect("a file of ours");
    let rules: Value = serde_saphyr::from_str(&file).expect("YAML");
    let all = list(&rules, "groups").flat_map(|group| list(group, "rules"));
    all.map(|rule| {
        let recorded = rule.get("record").is_some();
        (text(&rule[if recorded { "record" } else { "alert" }]), text(&rule["expr"]), recorded)
    })
    .collect()
}

/// What a dashboard's reader has chosen.
pub struct Chosen<'a> {
    /// The values of `$instance`, `$route`, `$upstream` and `$app`.
    pub values: [(&'a str, &'a str); 4],
    /// The whole time shown.
    pub range: &'a str,
}

/// An expression as Grafana sends it.
pub fn fill(query: &str, chosen: &Chosen) -> String {
    let time = [("__rate_interval", "10s"), ("__interval", "1s"), ("__range", chosen.range)];
    let filled = time.iter().chain(&chosen.values).fold(query.to_owned(), |query, (name, value)| {
        query.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value)
    });
    assert!(!filled.contains('$'), "a variable is left in {filled}");
    filled
}
