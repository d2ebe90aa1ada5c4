//! One run: the database, the model beside it, and two gateways that follow: a feed in this process and the program.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use mongodb::bson::doc;
use rtms_gateway::apps::feed::Phase;

use super::judge::{Court, Probe};
use super::ladder::Watch;
use super::operations::{Documents, Operation, Write};
use crate::support::feed::Follower;
use crate::support::gateway::{Gateway, gateway};
use crate::support::mongo::Mongo;
use crate::support::proxy::Proxy;
use crate::support::upstream::Upstream;
use crate::support::{USER, poll, tokens};

/// A quiet point may have to wait for all of: a watchdog (11 s), a guard that looks twice (5 s each time the collection
/// fills up further), refusals of rights (1, 2, 5 s), back-off.
const QUIET: Duration = Duration::from_secs(90);
/// Often, so that comparisons run beside everything else.
const OFTEN: Duration = Duration::from_secs(1);
/// Never: a comparison would put right what the stream misses.
const NEVER: Duration = Duration::ZERO;
const REMEMBERED: usize = 12;
const MARK: &str = "MARKER";

pub(super) struct Rig {
    pub(super) seed: u64,
    pub(super) rng: Rng,
    pub(super) mongo: Mongo,
    /// Stands between the gateways and the database, where there are faults.
    pub(super) proxy: Option<Proxy>,
    pub(super) documents: Documents,
    pub(super) history: BTreeMap<String, VecDeque<String>>,
    pub(super) probes: Vec<Probe>,
    pub(super) court: Court,
    pub(super) watch: Arc<Watch>,
    pub(super) feed: Follower,
    pub(super) gateway: Gateway,
    /// What happened, by name.
    pub(super) events: BTreeMap<String, usize>,
    pub(super) writes: usize,
    pub(super) recent: VecDeque<String>,
    marks: usize,
    uri: String,
    _upstream: Upstream,
}

impl Rig {
    pub(super) async fn start(seed: u64, mongo: Mongo, proxy: Option<Proxy>) -> Self {
        let upstream = Upstream::start().await;
        // Past a proxy only a direct connection goes: else the driver would ask the server for its own address.
        let uri = match &proxy {
            Some(proxy) => format!("mongodb://{}/?directConnection=true", proxy.address()),
            None => mongo.uri().to_owned(),
        };
        let quiet = serde_json::json!({ "sample": 0.0 });
        let program = gateway(&upstream).mongo_at(&uri, &mongo).set("/telemetry/access_log", quiet);
        let program = program.set("/apps/reconcile_every", "1h".into()).start().await;
        let (feed, watch) = follow(&uri, &mongo, NEVER);
        feed.ready().await;
        Self {
            seed,
            rng: Rng::with_seed(seed),
            mongo,
            proxy,
            documents: Documents::new(),
            history: BTreeMap::new(),
            probes: Probe::all(),
            court: Court::new(),
            watch,
            feed,
            gateway: program,
            events: BTreeMap::new(),
            writes: 0,
            recent: VecDeque::new(),
            marks: 0,
            uri,
            _upstream: upstream,
        }
    }

    /// Notes that something happened.
    pub(super) fn note(&mut self, what: impl Into<String>) {
        let what = what.into();
        *self.events.entry(what.split(':').next().unwrap_or_default().to_owned()).or_default() += 1;
        self.recent.push_back(format!("after {} writes: {what}", self.writes));
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
    }

    /// Makes some random operations.
    pub(super) async fn operate(&mut self, count: usize) {
        for _ in 0..count {
            let operation = Operation::random(&mut self.rng);
            let writes = operation.writes(&self.documents, &mut self.rng);
            match operation {
                Operation::Commit | Operation::Abort => self.transaction(operation, &writes).await,
                _ => {
                    for write in &writes {
                        write.database(&self.mongo, None).await;
                        self.made(write, "");
                    }
                }
            }
        }
    }

    async fn transaction(&mut self, operation: Operation, writes: &[Write]) {
        let mut session = self.mongo.client().start_session().await.expect("a session");
        session.start_transaction().await.expect("a transaction");
        for write in writes {
            write.database(&self.mongo, Some(&mut session)).await;
        }
        if matches!(operation, Operation::Abort) {
            session.abort_transaction().await.expect("an abort");
            return;
        }
        session.commit_transaction().await.expect("a commit");
        for write in writes {
            self.made(write, " in a transaction");
        }
    }

    fn made(&mut self, write: &Write, how: &str) {
        write.model(&mut self.documents);
        self.remember(&write.id().to_string(), &format!("{write:?}{how}"));
    }

    /// Notes what happened to a document.
    pub(super) fn remember(&mut self, id: &str, what: &str) {
        self.writes += 1;
        let history = self.history.entry(id.to_owned()).or_default();
        history.push_back(format!("write {}: {what}", self.writes));
        if history.len() > REMEMBERED {
            history.pop_front();
        }
    }

    /// Stops the feed in this process, and starts another one.
    pub(super) async fn follow_anew(&mut self, operations: usize) {
        let compares = if self.rng.bool() { OFTEN } else { NEVER };
        let (feed, watch) = follow(&self.uri, &self.mongo, compares);
        let before = std::mem::replace(&mut self.feed, feed);
        self.check_ladder();
        self.watch = watch;
        before.end().await;
        // Writes during the load.
        self.operate(operations).await;
    }

    /// Waits until both gateways are known to be current.
    pub(super) async fn quiet(&mut self) {
        self.mark().await;
        // The first may have come by a load, which leaves documents that changed meanwhile in doubt until they are read.
        // The second comes by the stream, after all of them: who is certain after that, is current.
        self.mark().await;
        let seen = Instant::now();
        poll::within(QUIET, "the feed is current", async || {
            let status = &self.feed.status;
            let well = status.last_error().is_none() && status.alarms().is_empty();
            (well && status.staleness() < seen.elapsed()).then_some(())
        })
        .await;
        poll::within(QUIET, "the gateway is current", async || {
            let elapsed = seen.elapsed().as_secs_f64();
            let metrics = self.gateway.metrics().await;
            let well = metrics.sum("rtms_apps_alarm", &[]) < 0.5;
            (well && metrics.sum("rtms_apps_staleness_seconds", &[]) < elapsed).then_some(())
        })
        .await;
        self.check_ladder();
    }

    /// Waits until both gateways have lost their stream, now that the database is out of reach: they wait for their next
    /// attempt, which is in vain, too.
    pub(super) async fn away(&mut self) {
        let waiting = Phase::Waiting.as_str();
        poll::within(QUIET, "the feed is away", async || (self.feed.status.phase() == Phase::Waiting).then_some(()))
            .await;
        poll::within(QUIET, "the gateway is away", async || {
            (self.gateway.status().await["apps"]["phase"] == waiting).then_some(())
        })
        .await;
    }

    /// Writes a mark and waits until both gateways have it.
    async fn mark(&mut self) {
        self.marks += 1;
        let secret = format!("mark {}", self.marks);
        let update = doc! { "$set": { "appId": MARK, "jwt_secretkey": &secret } };
        let apps = self.mongo.apps();
        apps.update_one(doc! { "_id": MARK }, update).upsert(true).await.expect("a mark");
        let token = tokens::of(MARK, USER, &secret);
        let deadline = format!("seed {}: a mark in force; recently: {:#?}", self.seed, self.recent);
        poll::within(QUIET, &deadline, async || {
            (self.court.verdict(&self.feed.published.load(), MARK, &token) == "good").then_some(())
        })
        .await;
        poll::within(QUIET, &deadline, async || (self.gateway.verdict(MARK, &token).await.0 == 200).then_some(()))
            .await;
    }

    fn check_ladder(&self) {
        let falls = self.watch.falls();
        assert!(falls.is_empty(), "seed {}: {falls:#?}; recently: {:#?}", self.seed, self.recent);
    }
}

/// A feed, and the watch over the ladder in it.
pub(super) fn follow(uri: &str, mongo: &Mongo, reconcile_every: Duration) -> (Follower, Arc<Watch>) {
    let watch = Arc::<Watch>::default();
    let feed = Follower::start(uri, mongo, reconcile_every, watch.clone());
    watch.look_at(Arc::clone(&feed.published));
    (feed, watch)
}
