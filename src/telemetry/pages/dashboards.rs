//! The dashboards: whole, consistent with each other, and asking for what there is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::queries::Known;
use super::{alerts, observability, read, root};

/// The dashboards.
pub const FILES: [&str; 2] = ["grafana/dashboards/gateway.json", "grafana/dashboards/apps.json"];

fn dashboards() -> [Value; 2] {
    FILES.map(|file| serde_json::from_str(&read(&root().join(file))).unwrap_or_else(|e| panic!("{file}: {e}")))
}

fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn every_query_asks_for_series_and_labels_that_exist() {
    let known = Known::new(&observability(), &alerts::recorded());
    for dashboard in dashboards() {
        for panel in panels(&dashboard) {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let faults = known.faults(text(&target["expr"]), &[text(&target["legendFormat"])]);
                assert!(faults.is_empty(), "{}: {}: {faults:?}", dashboard["title"], panel["title"]);
            }
        }
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            let query = text(&variable["definition"]);
            let faults = known.faults(query, &[]);
            assert!(faults.is_empty(), "{}: ${}: {faults:?}", dashboard["title"], variable["name"]);
            if let Some((_, label)) = query.trim_end_matches(')').rsplit_once(", ") {
                let name = query.split(['(', '{', ',']).nth(1).unwrap();
                assert!(known.labels(name).unwrap().contains(label), "{query}");
            }
        }
    }
}

#[test]
fn every_variable_that_a_query_uses_is_declared() {
    for dashboard in dashboards() {
        let declared: BTreeSet<&str> =
            dashboard["templating"]["list"].as_array().unwrap().iter().map(|v| text(&v["name"])).collect();
        let all = dashboard.to_string();
        let used =
            all.split('$').skip(1).map(|rest| rest.trim_start_matches('{').split(|c| !super::word(c)).next().unwrap());
        for name in used.filter(|name| !name.is_empty() && !name.starts_with("__")) {
            assert!(declared.contains(name), "{}: ${name}", dashboard["title"]);
        }
    }
}

#[test]
fn every_panel_is_described_and_has_a_unit_an_id_and_a_place_of_its_own() {
    for dashboard in dashboards() {
        let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for panel in panels(&dashboard) {
            let name = format!("{}: {}", dashboard["title"], panel["title"]);
            assert!(ids.insert(panel["id"].as_u64().expect("a number")), "{name}: its id is another's");
            let side = |key: &str| panel["gridPos"][key].as_u64().expect("a number");
            for (x, y) in (0..side("w")).flat_map(|x| (0..side("h")).map(move |y| (x, y))) {
                let (x, y) = (x + side("x"), y + side("y"));
                assert!(x < 24 && taken.insert((x, y)), "{name}: lies over another");
            }
            if panel["type"] == "row" {
                continue;
            }
            assert!(text(&panel["description"]).len() > 10, "{name}: no description");
            assert!(!text(&panel["fieldConfig"]["defaults"]["unit"]).is_empty(), "{name}: no unit");
            assert!(!panel["targets"].as_array().expect("queries").is_empty(), "{name}: no query");
        }
    }
}

#[test]
fn the_dashboards_are_of_one_schema_and_lead_to_each_other_and_to_the_runbook() {
    let [gateway, apps] = dashboards();
    assert_eq!(gateway["schemaVersion"], apps["schemaVersion"]);
    for (this, other) in [(&gateway, &apps), (&apps, &gateway)] {
        let urls: Vec<&str> = this["links"].as_array().unwrap().iter().map(|link| text(&link["url"])).collect();
        assert_eq!(urls, [&format!("/d/{}", text(&other["uid"])), "${runbook}"], "{}", this["title"]);
    }
}
