//! The feed by itself on a real server: every kind of change, and the faults it must outlive.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use mongodb::bson::{DateTime, Document, doc};
use rtms_gateway::apps::feed::{Alarm, Change, Events, Feed, ReloadCause, Status};
use rtms_gateway::apps::{Counts, Policy, SecretEncoding, Snapshot};
use rtms_gateway::config::settings;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::mongo::Mongo;
use crate::support::poll;

/// What the feed told.
#[derive(Default)]
struct Told {
    changes: Mutex<Vec<Change>>,
    reloads: Mutex<Vec<ReloadCause>>,
    lags: Mutex<Vec<Duration>>,
    resumes: AtomicUsize,
}

impl Events for Told {
    fn changed(&self, kind: Change) {
        self.changes.lock().unwrap().push(kind);
    }
    fn reloaded(&self, cause: ReloadCause) {
        self.reloads.lock().unwrap().push(cause);
    }
    fn propagated(&self, lag: Duration) {
        self.lags.lock().unwrap().push(lag);
    }
    fn counts(&self, _: Counts) {}
    fn resumed(&self) {
        self.resumes.fetch_add(1, Ordering::Relaxed);
    }
    fn unusable(&self, _: &str, _: &str) {}
}

/// A feed that runs until this is dropped.
struct Running {
    status: Arc<Status>,
    published: Arc<ArcSwap<Snapshot>>,
    told: Arc<Told>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(mongo: &Mongo, reconcile_every: Duration) -> Self {
        let source = settings::AppsSource::MongoDb {
            uri: mongo.uri().to_owned(),
            database: mongo.database().to_owned(),
            collection: "apps".to_owned(),
        };
        let settings = settings::Apps {
            source,
            max_staleness: Duration::from_mins(1),
            reject_when_stale: false,
            resync_delay: Duration::from_millis(200),
            resync_min_interval: Duration::from_millis(100),
            reconcile_every,
            cache: None,
        };
        let told = Arc::new(Told::default());
        let feed = Feed::new(&settings, SecretEncoding::Raw, told.clone());
        let (stop, stopped) = watch::channel(false);
        let (status, published) = (feed.status(), feed.published());
        let task = tokio::spawn(feed.run(stopped, || ()));
        Self { status, published, told, stop, task }
    }

    /// Started, and its first load is in force.
    async fn ready(mongo: &Mongo) -> Self {
        let running = Self::start(mongo, Duration::from_hours(1));
        poll::until_true("the first load", async || running.status.ready()).await;
        running
    }

    /// The state of an app: `-` where it is unknown.
    fn state(&self, app: &str) -> &'static str {
        match self.published.load().get(app).map(|a| &a.policy) {
            None => "-",
            Some(Policy::Open) => "open",
            Some(Policy::Jwt(_)) => "jwt",
            Some(Policy::Disabled) => "disabled",
            Some(Policy::Unusable) => "unusable",
        }
    }

    async fn becomes(&self, app: &str, state: &str) {
        poll::until_true(&format!("{app} becomes {state}"), async || self.state(app) == state).await;
    }

    async fn quiet(&self) {
        poll::until_true("all is well", async || {
            self.status.last_error().is_none() && self.status.staleness() < Duration::from_millis(1_200)
        })
        .await;
    }

    async fn end(self) {
        self.stop.send_replace(true);
        poll::bounded("the feed stops", self.task).await.expect("no panic");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_change_reaches_the_snapshot() {
    let mongo = Mongo::start().await;
    mongo.insert_app("T_OLD", "s").await;
    let feed = Running::ready(&mongo).await;
    assert_eq!(feed.state("T_OLD"), "jwt");
    mongo.insert_app("T1", "s").await;
    feed.becomes("T1", "jwt").await;
    mongo.unset("T1", "jwt_secretkey").await;
    feed.becomes("T1", "open").await;
    mongo.set("T1", doc! { "jwt_secretkey": { "nested": "no secret" } }).await;
    feed.becomes("T1", "unusable").await;
    mongo.set("T1", doc! { "jwt_secretkey.more": 1 }).await;
    mongo.set("T1", doc! { "disabled": true }).await;
    mongo.set("T1", doc! { "jwt_secretkey": "again" }).await;
    feed.becomes("T1", "disabled").await;
    let apps = mongo.apps();
    apps.replace_one(doc! { "appId": "T1" }, doc! { "appId": "T2" }).await.unwrap();
    feed.becomes("T2", "open").await;
    assert_eq!(feed.state("T1"), "-");
    let upsert = doc! { "$set": { "jwt_secretkey": "s", "tokens_valid_after": DateTime::now() } };
    apps.update_one(doc! { "appId": "T3" }, upsert).upsert(true).await.unwrap();
    feed.becomes("T3", "jwt").await;
    mongo.insert(doc! { "_id": "by name", "appId": "T3" }).await;
    feed.becomes("T3", "unusable").await;
    apps.delete_one(doc! { "_id": "by name" }).await.unwrap();
    feed.becomes("T3", "jwt").await;
    mongo.delete("T3").await;
    feed.becomes("T3", "-").await;
    feed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_reaches_the_snapshot_whole() {
    let mongo = Mongo::start().await;
    mongo.insert_app("T1", "s").await;
    mongo.insert_app("T2", "s").await;
    let feed = Running::ready(&mongo).await;
    let mut session = mongo.client().start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    let apps = mongo.apps();
    apps.delete_one(doc! { "appId": "T1" }).session(&mut session).await.unwrap();
    apps.insert_one(doc! { "appId": "T3", "jwt_secretkey": "s" }).session(&mut session).await.unwrap();
    let swap = doc! { "$set": { "appId": "T1" } };
    apps.update_one(doc! { "appId": "T2" }, swap).session(&mut session).await.unwrap();
    session.commit_transaction().await.unwrap();
    feed.becomes("T3", "jwt").await;
    feed.becomes("T2", "-").await;
    feed.becomes("T1", "jwt").await;
    feed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_during_the_load_are_not_missed() {
    let mongo = Mongo::start().await;
    let many = |from: usize| (from..from + 1000).map(|n| doc! { "appId": format!("T{n}"), "jwt_secretkey": "s" });
    mongo.apps().insert_many(many(0)).await.unwrap();
    let feed = Running::start(&mongo, Duration::from_hours(1));
    for n in 0..300 {
        mongo.set(&format!("T{n}"), doc! { "disabled": true }).await;
        if n % 3 == 0 {
            mongo.delete(&format!("T{}", 500 + n)).await;
        }
    }
    mongo.insert_app("T_LAST", "s").await;
    feed.becomes("T_LAST", "jwt").await;
    feed.quiet().await;
    for n in 0..1000 {
        let deleted = (500..800).contains(&n) && (n - 500) % 3 == 0;
        let expected = if deleted {
            "-"
        } else if n < 300 {
            "disabled"
        } else {
            "jwt"
        };
        assert_eq!(feed.state(&format!("T{n}")), expected, "T{n}");
    }
    feed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_collection_empties_the_map_once_a_second_load_agrees_and_fills_it_again() {
    let mongo = Mongo::start().await;
    for n in 0..5 {
        mongo.insert_app(&format!("T{n}"), "s").await;
    }
    let feed = Running::ready(&mongo).await;
    let began = Instant::now();
    mongo.drop_collection().await;
    poll::until_true("the alarm", async || feed.status.alarm(Alarm::LostHalf)).await;
    assert_eq!(feed.state("T0"), "jwt", "the last snapshot serves");
    feed.becomes("T0", "-").await;
    assert!(began.elapsed() >= Duration::from_secs(5));
    assert!(feed.status.alarms().is_empty());
    mongo.insert_app("T_NEW", "s").await;
    feed.becomes("T_NEW", "jwt").await;
    let reloads = feed.told.reloads.lock().unwrap().clone();
    assert_eq!(reloads, [ReloadCause::Start, ReloadCause::Refused, ReloadCause::Dropped]);
    feed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_renamed_away_and_back_or_replaced_is_followed() {
    let mongo = Mongo::start().await;
    for n in 0..5 {
        mongo.insert_app(&format!("T{n}"), "s").await;
    }
    let feed = Running::ready(&mongo).await;
    mongo.rename("apps", "elsewhere").await;
    poll::until_true("the alarm", async || feed.status.alarm(Alarm::LostHalf)).await;
    mongo.rename("elsewhere", "apps").await;
    poll::until_true("the end of the alarm", async || feed.status.alarms().is_empty()).await;
    mongo.set("T0", doc! { "disabled": true }).await;
    feed.becomes("T0", "disabled").await;
    assert_eq!(feed.state("T1"), "jwt");

    let restored = mongo.client().database(mongo.database()).collection::<Document>("restored");
    let again = (0..5).map(|n| doc! { "appId": format!("T{n}") });
    restored.insert_many(again).await.unwrap();
    let name = |collection: &str| format!("{}.{collection}", mongo.database());
    let over = doc! { "renameCollection": name("restored"), "to": name("apps"), "dropTarget": true };
    mongo.client().database("admin").run_command(over).await.unwrap();
    for n in 0..5 {
        feed.becomes(&format!("T{n}"), "open").await;
    }
    feed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_no_write_made_just_before_or_just_after() {
    let mut mongo = Mongo::own().await;
    mongo.insert_app("T_OLD", "s").await;
    let feed = Running::ready(&mongo).await;
    for round in 0..3 {
        mongo.insert_app(&format!("T_BEFORE{round}"), "s").await;
        mongo.set("T_OLD", doc! { "disabled": round % 2 == 0 }).await;
        mongo.kill();
        poll::until_true("the failure is seen", async || feed.status.last_error().is_some()).await;
        mongo.restart().await;
        mongo.insert_app(&format!("T_AFTER{round}"), "s").await;
        feed.becomes(&format!("T_AFTER{round}"), "jwt").await;
        feed.becomes(&format!("T_BEFORE{round}"), "jwt").await;
        feed.becomes("T_OLD", if round % 2 == 0 { "disabled" } else { "jwt" }).await;
        feed.quiet().await;
    }
    let reloads = feed.told.reloads.lock().unwrap().clone();
    assert_eq!(reloads, [ReloadCause::Start], "a disconnect is not a reload");
    feed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_the_stream_are_outlived_as_the_table_says() {
    let mongo = Mongo::own().await;
    mongo.insert_app("T", "s").await;
    let feed = Running::ready(&mongo).await;
    let point = |on: &str, data: Document| {
        let mut data = data;
        data.insert("failCommands", vec![on]);
        doc! { "configureFailPoint": "failCommand", "mode": { "times": 1 }, "data": data }
    };
    let faults = [
        (doc! { "closeConnection": true }, None),
        (doc! { "errorCode": 91, "errorLabels": ["ResumableChangeStreamError"] }, None),
        (doc! { "errorCode": 91 }, None),
        (doc! { "errorCode": 43 }, None),
        (doc! { "errorCode": 50 }, None),
        (doc! { "errorCode": 237 }, None),
        (doc! { "errorCode": 286 }, Some(ReloadCause::HistoryLost)),
        (doc! { "errorCode": 280 }, Some(ReloadCause::HistoryLost)),
        (doc! { "errorCode": 13 }, None),
    ];
    for (n, (fault, reload)) in faults.into_iter().enumerate() {
        feed.told.reloads.lock().unwrap().clear();
        let resumes = feed.told.resumes.load(Ordering::Relaxed);
        mongo.client().database("admin").run_command(point("getMore", fault.clone())).await.unwrap();
        mongo.insert_app(&format!("T{n}"), "s").await;
        feed.becomes(&format!("T{n}"), "jwt").await;
        poll::until_true("the fault", async || {
            feed.status.last_error().is_some()
                || feed.told.resumes.load(Ordering::Relaxed) > resumes
                || feed.told.reloads.lock().unwrap().iter().any(|r| Some(*r) == reload)
        })
        .await;
        feed.quiet().await;
        assert_eq!(feed.told.reloads.lock().unwrap().first().copied(), reload, "{fault}");
        assert_eq!(feed.state("T"), "jwt");
    }
    assert!(feed.status.resumes() >= 2, "the driver's own resumes are counted");
    feed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_collection_is_compared_now_and_then() {
    let mongo = Mongo::start().await;
    mongo.insert_app("T", "s").await;
    let feed = Running::start(&mongo, Duration::from_millis(200));
    let reconciled = || feed.told.reloads.lock().unwrap().iter().filter(|r| **r == ReloadCause::Reconcile).count();
    poll::until_true("comparisons", async || reconciled() >= 3).await;
    for n in 0..200 {
        mongo.insert_app(&format!("T{n}"), "s").await;
    }
    mongo.set("T", doc! { "disabled": true }).await;
    feed.becomes("T", "disabled").await;
    for n in 0..200 {
        assert_eq!(feed.state(&format!("T{n}")), "jwt");
    }
    assert!(feed.status.alarms().is_empty());
    feed.end().await;
}
