//! Every panel shows something, every rule can be evaluated, and the alerts see what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::expressions::{Chosen, fill, of_annotations, of_panels, of_rules, of_variables};
use crate::promtool;
use crate::scenario::{Run, run};
use crate::server::repository;

/// Queries that rightly give nothing in such a run, and why. None does: families of what may never happen begin at zero.
const EMPTY: &[(&str, &str)] = &[];

/// Alerts whose condition the run brings about; `for` aside.
const SEEN: [&str; 12] = [
    "RtmsErrorBudgetBurnsFast",
    "RtmsLimited",
    "RtmsRejectionSpike",
    "RtmsPeerDown",
    "RtmsNoHealthyPeer",
    "RtmsUpstreamAttemptsFail",
    "RtmsAppsStale",
    "RtmsAppsUnusable",
    "RtmsAppOpened",
    "RtmsWeakSecrets",
    "RtmsConfigReloadFailed",
    "RtmsProfilesDenied",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_panel_shows_a_busy_gateway_and_every_rule_sees_what_happens_to_it() {
    let run = run(Duration::from_secs(36)).await;
    let mut faults = Vec::new();
    panels(&run, &mut faults).await;
    chosen(&run, &mut faults).await;
    variables(&run, &mut faults).await;
    rules(&run, &mut faults).await;
    labels(&run, &mut faults).await;
    faults.extend(promtool::metrics(&run.gateway.page("/metrics").await.text()));
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

fn all(run: &Run) -> (String, [(&'static str, &'static str); 4]) {
    let range = format!("{}s", (run.to - run.from).ceil());
    (range, [("instance", ".*"), ("route", ".*"), ("upstream", ".*"), ("app", ".*")])
}

/// Every panel's queries give numbers over the run, those of the list aside.
async fn panels(run: &Run, faults: &mut Vec<String>) {
    let (range, values) = all(run);
    let chosen = Chosen { values, range: &range };
    let mut unused: BTreeSet<&str> = EMPTY.iter().map(|(place, _)| *place).collect();
    for expression in of_panels() {
        let query = fill(&expression.query, &chosen);
        let count = if expression.instant {
            run.prometheus.instant(&query, run.to).await.map(|series| series.len())
        } else {
            run.prometheus.samples(&query, run.from, run.to).await
        };
        let listed = unused.remove(&*expression.place);
        match count {
            Err(error) => faults.push(format!("{}: {error}: {query}", expression.place)),
            Ok(0) if !listed => faults.push(format!("{} is empty: {query}", expression.place)),
            Ok(1..) if listed => faults.push(format!("{} isn't empty: take it off the list", expression.place)),
            Ok(_) => {}
        }
    }
    faults.extend(unused.iter().map(|place| format!("{place} isn't there: take it off the list")));
}

/// With single values chosen, as Grafana escapes them, every query can be evaluated, annotations too.
async fn chosen(run: &Run, faults: &mut Vec<String>) {
    let instance = run.gateway.admin().to_string().replace('.', "\\\\.");
    let values =
        [("instance", &*instance), ("route", "(plain|setuserid)"), ("upstream", "rtms"), ("app", "(TR_ALPHA|other)")];
    let chosen = Chosen { values, range: "10s" };
    let panels = of_panels().into_iter().map(|panel| (panel.place, panel.query));
    for (place, query) in panels.chain(of_annotations()) {
        let query = fill(&query, &chosen);
        if let Err(error) = run.prometheus.samples(&query, run.from, run.to).await {
            faults.push(format!("{place}: {error}: {query}"));
        }
    }
    let starts = "changes(process_start_time_seconds[30s]) > 0 and on (instance) rtms_build_info";
    if run.prometheus.samples(starts, run.from, run.to).await == Ok(0) {
        faults.push("the upgrade isn't seen as a start".to_owned());
    }
}

/// Every variable has values to choose from.
async fn variables(run: &Run, faults: &mut Vec<String>) {
    let (range, values) = all(run);
    for (label, selector) in of_variables() {
        let selector = fill(&selector, &Chosen { values, range: &range });
        let found = run.prometheus.ask(&format!("label/{label}/values"), &[("match[]", &selector)]).await;
        if !found.as_ref().is_ok_and(|values| values.as_array().is_some_and(|values| !values.is_empty())) {
            faults.push(format!("${label}: {found:?} of {selector}"));
        }
    }
}

/// Prometheus itself evaluates every rule; recorded series have values, and alerts see what happened.
async fn rules(run: &Run, faults: &mut Vec<String>) {
    let loaded = run.prometheus.ask("rules", &[]).await.expect("rules");
    let groups = loaded["groups"].as_array().expect("groups");
    let evaluated: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")).collect();
    for rule in evaluated.iter().filter(|rule| rule["health"] != "ok") {
        faults.push(format!("{}: {}: {}", rule["name"], rule["health"], rule["lastError"]));
    }
    let rules = of_rules();
    assert_eq!(evaluated.len(), rules.len());
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (name, query, recorded) in rules {
        let query = if recorded { query } else { shortened(&query) };
        match run.prometheus.samples(&query, run.from, run.to).await {
            Err(error) => faults.push(format!("{name}: {error}")),
            Ok(0) if recorded => faults.push(format!("{name}: nothing is recorded")),
            Ok(count) => {
                seen.insert(name, count);
            }
        }
    }
    let blind = SEEN.iter().filter(|name| seen.get(**name).is_none_or(|count| *count == 0));
    faults.extend(blind.map(|name| format!("{name} doesn't see what happened")));
}

/// The run is too short to fill five minutes, or to look ten back.
fn shortened(query: &str) -> String {
    query.replace("[5m]", "[20s]").replace("[10m]", "[10s]").replace("offset 10m", "offset 10s")
}

/// Every series of the gateway has the labels that the documentation gives it.
async fn labels(run: &Run, faults: &mut Vec<String>) {
    let page = std::fs::read_to_string(repository("docs/observability.md")).expect("a file of ours");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: BTreeMap<&str, BTreeSet<&str>> = rows
        .filter(|row| row.starts_with("rtms_"))
        .map(|row| row.trim_end_matches('}').split_once('{').unwrap_or((row, "")))
        .map(|(name, labels)| (name, labels.split(',').filter(|label| !label.is_empty()).collect()))
        .collect();
    let series = run.prometheus.ask("series", &[("match[]", r#"{__name__=~"rtms_.+"}"#)]).await.expect("series");
    let mut wrong = BTreeSet::new();
    for one in series.as_array().expect("a list") {
        let name = one["__name__"].as_str().expect("a name");
        let bare = ["_bucket", "_sum", "_count"].iter().find_map(|s| name.strip_suffix(s)).unwrap_or(name);
        let keys = one.as_object().expect("labels").keys().map(String::as_str);
        let own: BTreeSet<&str> = keys.filter(|key| !["__name__", "instance", "job", "le"].contains(key)).collect();
        if documented.get(bare) != Some(&own) {
            wrong.insert(format!("{name} has the labels {own:?}, documented are {:?}", documented.get(bare)));
        }
    }
    faults.extend(wrong);
}
