//! A gateway on a database of its own, with requests that flow through it, and the measuring of what faults do to it.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use serde_json::{Value, json};

use super::table::Line;
use crate::support::flow::{Flow, case};
use crate::support::gateway::{Builder, Gateway, gateway};
use crate::support::mongo::Mongo;
use crate::support::poll;
use crate::support::proxy::Proxy;
use crate::support::upstream::Upstream;
use crate::support::{APP, SECRET, USER, tokens};

/// An app whose secret changes while the fault lasts.
const CHANGED: &str = "TR_CHANGED";
/// Entries of history that a prune leaves.
pub(super) const HISTORY: usize = 1500;

pub(super) struct Stand {
    pub(super) mongo: Mongo,
    pub(super) proxy: Proxy,
    pub(super) gateway: Gateway,
    flow: Option<Flow>,
    changes: usize,
    before: Figures,
    upstream: Upstream,
}

/// Counts of a gateway at one moment.
#[derive(Clone, Default)]
pub(super) struct Figures {
    reloads: Vec<(String, u64)>,
    resumes: u64,
    failures: u64,
}

/// The way from the gateway to its database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// As a replica set, by its own address.
    Straight,
    /// Through the proxy, as a direct connection: else the driver would ask the server for its own address.
    Proxy,
}

impl Stand {
    /// Everything but the gateway; its builder.
    pub(super) async fn prepare(way: Way) -> (Mongo, Proxy, Upstream, Builder) {
        let mongo = Mongo::with(&["--oplog-max-entries", &HISTORY.to_string()]).await;
        let proxy = Proxy::start(mongo.address()).await;
        let upstream = Upstream::start().await;
        for (app, secret) in [(APP, SECRET), (CHANGED, "secret 0")] {
            mongo.insert_app(app, secret).await;
        }
        let uri = match way {
            Way::Straight => mongo.uri().to_owned(),
            Way::Proxy => format!("mongodb://{}/?directConnection=true", proxy.address()),
        };
        let quiet = json!({ "sample": 0.0 });
        let builder = gateway(&upstream).mongo_at(&uri, &mongo).set("/telemetry/access_log", quiet);
        (mongo, proxy, upstream, builder)
    }

    /// A gateway that is ready, and the flow through it.
    pub(super) async fn start(way: Way) -> Self {
        let (mongo, proxy, upstream, builder) = Self::prepare(way).await;
        let gateway = builder.start().await;
        let mut stand = Self { mongo, proxy, gateway, flow: None, changes: 0, before: Figures::default(), upstream };
        stand.flow = Some(stand.new_flow().await);
        stand.before = Figures::of(&stand.gateway).await;
        stand
    }

    async fn new_flow(&self) -> Flow {
        let cases = [
            case(APP, tokens::good(), (200, "0")),
            case(APP, tokens::of(APP, USER, "wrong"), (401, "38")),
            case("TR_NOBODY", tokens::of("TR_NOBODY", USER, SECRET), (401, "38")),
        ];
        Flow::start(&self.gateway, &cases).await
    }

    /// Requests go on, and the gateway stays ready.
    pub(super) async fn goes_on(&self, what: &str) {
        self.flow.as_ref().expect("a flow").goes_on(what).await;
        assert_eq!(self.gateway.readyz().await.0, 200, "{what}: what is wrong with the store makes nobody not ready");
    }

    /// A change while the fault lasts; it must be in force, and the one before not, when all is well again.
    pub(super) async fn change(&mut self) {
        self.changes += 1;
        self.mongo.set_secret(CHANGED, &format!("secret {}", self.changes)).await;
    }

    /// Puts a copy of the collection in its place: the gateway must read everything again.
    pub(super) async fn replace_collection(&self) {
        let cursor = self.mongo.apps().find(doc! {}).await.expect("a find");
        let documents: Vec<Document> = cursor.try_collect().await.expect("documents");
        let database = self.mongo.client().database(self.mongo.database());
        database.collection("copy").insert_many(documents).await.expect("a bulk insert");
        let name = |collection: &str| format!("{}.{collection}", self.mongo.database());
        self.mongo.admin(doc! { "renameCollection": name("copy"), "to": name("apps"), "dropTarget": true }).await;
    }

    /// Waits until the copy was read.
    pub(super) async fn read_again(&self, fault: &str, bound: Duration) {
        let what = format!("{fault}: everything is read again");
        poll::within(bound, &what, async || {
            let now = Figures::of(&self.gateway).await.since(&self.before);
            // Servers tell of such a rename differently.
            (now.reloads("renamed") + now.reloads("dropped") > 0).then_some(())
        })
        .await;
    }

    /// Waits until the gateway has noticed the fault.
    pub(super) async fn noticed(&self, fault: &str, bound: Duration) {
        poll::within(bound, &format!("{fault}: noticed"), async || {
            let now = Figures::of(&self.gateway).await.since(&self.before);
            (now.resumes + now.failures > 0).then_some(())
        })
        .await;
    }

    /// Waits until an alarm stands.
    pub(super) async fn alarm(&self, kind: &str) {
        poll::until_true(&format!("the alarm {kind}"), async || {
            self.gateway.metrics().await.count("rtms_apps_alarm", &[("kind", kind)]) == 1
        })
        .await;
    }

    /// Writes a change and waits until it is in force; the time since `over`, when the fault was over.
    pub(super) async fn current(&mut self, fault: &str, over: Instant, bound: Duration) -> Duration {
        self.change().await;
        let now = tokens::of(CHANGED, USER, &format!("secret {}", self.changes));
        let what = format!("{fault}: current again");
        // Twice the bound: how much too slow it is should be told.
        poll::within(bound * 2, &what, async || (self.gateway.verdict(CHANGED, &now).await.0 == 200).then_some(()))
            .await;
        let took = over.elapsed();
        let old = tokens::of(CHANGED, USER, &format!("secret {}", self.changes - 1));
        assert_eq!(self.gateway.verdict(CHANGED, &old).await, (401, "38".into()), "{fault}");
        assert!(took <= bound, "{fault}: current again after {took:?}, not within {bound:?}");
        took
    }

    /// Waits until nothing is left of a fault.
    pub(super) async fn well(&self, fault: &str) {
        poll::until_true(&format!("{fault}: all is well"), async || {
            let apps = &self.gateway.status().await["apps"];
            apps["last_error"].is_null() && apps["alarms"].as_array().is_some_and(Vec::is_empty)
        })
        .await;
    }

    /// Ends the flow of one fault and begins the next one's: the fault's line in the table.
    pub(super) async fn line(&mut self, fault: &str, took: Duration) -> Line {
        let outcome = self.flow.take().expect("a flow").end().await;
        assert!(outcome.wrong.is_empty(), "{fault}: {:#?}", outcome.wrong);
        self.no_errors(fault).await;
        let now = Figures::of(&self.gateway).await;
        let line = Line::new(fault, took, &now.since(&self.before), &outcome);
        self.before = now;
        self.flow = Some(self.new_flow().await);
        line
    }

    async fn no_errors(&self, fault: &str) {
        let metrics = self.gateway.metrics().await;
        assert_eq!(metrics.count("rtms_errors_total", &[]), 0, "{fault}");
        assert!(self.upstream.count() > 0, "{fault}: good requests reach the upstream");
    }
}

impl Figures {
    pub(super) async fn of(gateway: &Gateway) -> Self {
        let apps = gateway.status().await["apps"].take();
        let count = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no count in {apps}"));
        let reloads = apps["reloads"].as_object().expect("counts by cause");
        Self {
            reloads: reloads.iter().map(|(cause, n)| (cause.clone(), count(n))).collect(),
            resumes: count(&apps["resumes"]),
            failures: count(&apps["failures"]),
        }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            reloads: self.reloads.iter().map(|(cause, now)| (cause.clone(), now - before.reloads(cause))).collect(),
            resumes: self.resumes - before.resumes,
            failures: self.failures - before.failures,
        }
    }

    /// Reloads for this cause.
    pub(super) fn reloads(&self, cause: &str) -> u64 {
        self.reloads.iter().find(|(word, _)| word == cause).map_or(0, |(_, count)| *count)
    }

    /// How often the driver resumed the stream.
    pub(super) fn resumes(&self) -> u64 {
        self.resumes
    }

    /// In words.
    pub(super) fn words(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        for (count, word) in [(self.resumes, "resumed by the driver"), (self.failures, "failed")] {
            if count > 0 {
                words.push(format!("{word} {count}x"));
            }
        }
        words.extend(self.reloads.iter().filter(|(_, n)| *n > 0).map(|(cause, n)| format!("reload `{cause}` {n}x")));
        if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
    }
}
