//! Who has a place after which round, by a clock of the test's own.

use std::collections::BTreeMap;

use prometheus::Encoder as _;

use super::*;
use crate::apps::{Apps, DocId, Document, SecretEncoding, Value};
use crate::telemetry::families::Families;

/// These apps, with a secret each.
fn snapshot(ids: &[&str]) -> Arc<Snapshot> {
    let mut apps = Apps::new(SecretEncoding::Raw);
    for id in ids {
        let mut document = Document::default();
        document.set("appId", Value::string(id));
        document.set("jwt_secretkey", Value::string("a-secret"));
        apps.upsert(&DocId::from_bytes(id.as_bytes()), &document);
    }
    apps.publish();
    apps.published().load_full()
}

struct Rig {
    families: Families,
    per_app: Arc<PerApp>,
    apps: Arc<Snapshot>,
    now: Instant,
}

impl Rig {
    fn new(apps: CountedApps, max: usize, ids: &[&str]) -> Self {
        let families = Families::register().unwrap();
        let now = Instant::now();
        let per_app = PerApp::new(settings::PerApp { apps, max }, &families.per_app, now).unwrap();
        per_app.open();
        Self { families, per_app, apps: snapshot(ids), now }
    }

    fn ask(&self, app: &str, times: usize) {
        for _ in 0..times {
            self.per_app.count(app, None, || self.apps.get(app).is_some());
        }
    }

    fn reject(&self, app: &str, reason: Reason, times: usize) {
        for _ in 0..times {
            self.per_app.count(app, Some(reason), || self.apps.get(app).is_some());
        }
    }

    fn round(&mut self) {
        self.now += ROUND;
        self.per_app.settle(self.now, &self.apps);
    }

    /// The samples of a family, by labels.
    fn samples(&self, family: &str) -> BTreeMap<String, u64> {
        let mut text = Vec::new();
        prometheus::TextEncoder::new().encode(&self.families.registry.gather(), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let samples = text.lines().filter_map(|line| line.strip_prefix(family)?.strip_prefix('{')?.split_once("} "));
        samples.map(|(labels, n)| (labels.replace("app=", "").replace('"', ""), n.parse().unwrap())).collect()
    }

    fn requests(&self) -> Vec<(String, u64)> {
        self.samples("rtms_app_requests_total").into_iter().collect()
    }

    fn has(&self, expected: &[(&str, u64)]) {
        let expected: Vec<_> = expected.iter().map(|(app, n)| ((*app).to_owned(), *n)).collect();
        assert_eq!(self.requests(), expected);
    }
}

#[test]
fn the_first_apps_have_places_at_once_and_the_rest_is_other() {
    let rig = Rig::new(CountedApps::All, 2, &["A", "B", "C"]);
    rig.has(&[("other", 0)]);
    rig.ask("A", 3);
    rig.ask("B", 2);
    rig.ask("C", 4);
    rig.has(&[("A", 3), ("B", 2), ("other", 4)]);
}

#[test]
fn an_app_that_is_not_known_is_never_a_label_nor_counted() {
    let rig = Rig::new(CountedApps::All, 2, &["A", "other"]);
    rig.ask("NOBODY", 5);
    rig.reject("NOBODY", Reason::AppUnknown, 5);
    rig.reject("A", Reason::AppUnknown, 1);
    rig.has(&[("other", 0)]);
    assert!(rig.samples("rtms_app_rejections_total").is_empty());
    rig.ask("other", 2);
    rig.ask("A", 1);
    rig.has(&[("A", 1), ("other", 2)]);
}

#[test]
fn the_quietest_gives_way_to_one_that_is_clearly_busier_and_nothing_is_counted_twice() {
    let mut rig = Rig::new(CountedApps::All, 2, &["A", "B", "C"]);
    rig.ask("A", 500);
    rig.ask("B", 5);
    rig.ask("C", 100);
    rig.per_app.settle(rig.now + ROUND / 2, &rig.apps);
    rig.ask("C", 1);
    rig.has(&[("A", 500), ("B", 5), ("other", 101)]);
    rig.round();
    rig.ask("C", 7);
    rig.ask("B", 1);
    // The series of the one that lost its place stands for a round more, and doesn't move.
    rig.has(&[("A", 500), ("B", 5), ("C", 7), ("other", 102)]);
    rig.ask("A", 500);
    rig.round();
    rig.has(&[("A", 1000), ("C", 7), ("other", 102)]);
    rig.round();
    rig.has(&[("A", 1000), ("C", 7), ("other", 102)]);
}

#[test]
fn one_that_is_back_within_a_round_goes_on_where_it_stood() {
    let mut rig = Rig::new(CountedApps::All, 1, &["A", "B"]);
    rig.ask("A", 20);
    rig.ask("B", 100);
    rig.round();
    rig.ask("A", 400);
    rig.ask("B", 1);
    rig.round();
    rig.ask("A", 1);
    rig.has(&[("A", 21), ("B", 1), ("other", 500)]);
    rig.round();
    rig.has(&[("A", 21), ("other", 500)]);
}

#[test]
fn equals_and_those_a_little_busier_change_no_places() {
    let mut rig = Rig::new(CountedApps::All, 1, &["A", "B"]);
    for _ in 0..5 {
        rig.ask("A", 100);
        rig.ask("B", 130);
        rig.round();
    }
    rig.has(&[("A", 500), ("other", 650)]);
}

#[test]
fn a_deleted_app_leaves_its_place() {
    let mut rig = Rig::new(CountedApps::All, 1, &["A", "B"]);
    rig.ask("A", 1000);
    rig.apps = snapshot(&["B"]);
    rig.round();
    rig.ask("B", 2);
    rig.round();
    rig.has(&[("B", 2), ("other", 0)]);
}

#[test]
fn only_rejections_are_counted_where_that_is_wanted_and_errors_are_none() {
    let mut rig = Rig::new(CountedApps::Rejections, 1, &["A", "B"]);
    rig.ask("A", 1000);
    rig.reject("A", Reason::TokenExpired, 2);
    rig.reject("A", Reason::UpstreamTimeout, 2);
    rig.reject("B", Reason::TokenMissing, 30);
    assert_eq!(rig.requests(), []);
    let expected = |of: &[(&str, u64)]| of.iter().map(|(l, n)| ((*l).to_owned(), *n)).collect::<BTreeMap<_, _>>();
    let family = "rtms_app_rejections_total";
    assert_eq!(rig.samples(family), expected(&[("A,reason=token_expired", 2), ("other,reason=token_missing", 30)]));
    rig.round();
    rig.reject("B", Reason::TokenMissing, 1);
    rig.reject("A", Reason::TokenExpired, 1);
    rig.round();
    let now = [("B,reason=token_missing", 1), ("other,reason=token_expired", 1), ("other,reason=token_missing", 30)];
    assert_eq!(rig.samples(family), expected(&now));
}

#[test]
fn a_million_apps_take_no_more_than_the_places_there_are() {
    let ids: Vec<String> = (0..20_000).map(|n| format!("TR{n}")).collect();
    let mut rig = Rig::new(CountedApps::All, 100, &ids.iter().map(String::as_str).collect::<Vec<_>>());
    let busy = |n: usize| 10_000 + n * 31;
    for round in 0..3 {
        for id in &ids {
            rig.ask(id, 1);
        }
        for n in 0..100 {
            rig.ask(&ids[busy(n)], 200);
        }
        rig.round();
        let most = if round == 0 { 201 } else { 101 };
        assert!(rig.requests().len() <= most, "{}", rig.requests().len());
    }
    rig.round();
    let requests = rig.requests();
    let found = (0..100).filter(|n| requests.iter().any(|(app, _)| *app == ids[busy(*n)])).count();
    assert!(found >= 98, "{found} of the 100 busiest have places");
    assert_eq!(requests.len(), 101);
}

#[test]
fn threads_that_come_with_new_apps_at_once_lose_no_count() {
    let ids: Vec<String> = (0..40).map(|n| format!("TR{n}")).collect();
    let rig = Rig::new(CountedApps::All, 30, &ids.iter().map(String::as_str).collect::<Vec<_>>());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| ids.iter().for_each(|id| rig.ask(id, 1))));
        }
    });
    let requests = rig.requests();
    assert_eq!(requests.len(), 31);
    assert_eq!(requests.iter().map(|(_, n)| n).sum::<u64>(), 4 * 100 * 40);
    assert!(requests.iter().all(|(app, n)| app == "other" || *n > 0), "{requests:?}");
}

#[test]
fn closed_it_counts_nothing() {
    let rig = Rig::new(CountedApps::All, 2, &["A"]);
    rig.ask("A", 1);
    rig.per_app.close();
    rig.ask("A", 1);
    rig.has(&[("A", 1), ("other", 0)]);
}
