//! Every change is told once: none is missed, and none comes a second time, where a stream breaks and goes on.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use mongodb::bson::{Document, doc};
use rtms_gateway::apps::feed::{Change, Events, ReloadCause};
use rtms_gateway::apps::{Counts, Policy};
use tokio::time::sleep;

use crate::support::feed::Follower;
use crate::support::mongo::Mongo;
use crate::support::poll;
use crate::support::proxy::{Mode, Proxy};

/// What the feed told.
#[derive(Default)]
struct Told {
    changes: Mutex<Vec<Change>>,
    reloads: Mutex<Vec<ReloadCause>>,
}

impl Events for Told {
    fn changed(&self, kind: Change) {
        self.changes.lock().unwrap().push(kind);
    }
    fn reloaded(&self, cause: ReloadCause) {
        self.reloads.lock().unwrap().push(cause);
    }
    fn propagated(&self, _: Duration) {}
    fn counts(&self, _: Counts) {}
    fn resumed(&self) {}
    fn unusable(&self, _: &str, _: &str) {}
}

impl Told {
    /// Inserts, updates, deletes, and everything else.
    fn counted(&self) -> [usize; 4] {
        let changes = self.changes.lock().unwrap();
        let of = |kind| changes.iter().filter(|c| **c == kind).count();
        let [inserts, updates, deletes] = [Change::Insert, Change::Update, Change::Delete].map(of);
        [inserts, updates, deletes, changes.len() - inserts - updates - deletes]
    }
}

/// Breaks the stream in a way after which its token is still good.
async fn broken(round: usize, mongo: &mut Mongo, proxy: &Proxy) {
    let once = async |mongo: &Mongo, data: Document| mongo.fail(&["getMore"], doc! { "times": 1 }, &data).await;
    match round {
        0..5 => proxy.cut(),
        5 | 6 => once(mongo, doc! { "closeConnection": true }).await,
        7 | 8 => once(mongo, doc! { "errorCode": 43 }).await,
        9 | 10 => once(mongo, doc! { "errorCode": 237 }).await,
        11 | 12 => once(mongo, doc! { "errorCode": 91, "errorLabels": ["ResumableChangeStreamError"] }).await,
        13 => once(mongo, doc! { "errorCode": 13 }).await,
        14 => mongo.step_down(1).await,
        15 => {
            mongo.kill();
            mongo.restart().await;
        }
        16 => {
            mongo.terminate().await;
            mongo.restart().await;
        }
        17 => {
            proxy.set(Mode::Stall);
            // The changes of this round wait on the way.
            sleep(Duration::from_millis(500)).await;
            proxy.set(Mode::Pass);
        }
        _ => proxy.set(Mode::Refuse),
    }
}

/// One insert, three updates and, of an older app, one delete; the stream breaks somewhere between them.
async fn round(round: usize, mongo: &mut Mongo, proxy: &Proxy) {
    for step in 0..5 {
        if step == round % 5 {
            broken(round, mongo, proxy).await;
        }
        let app = format!("T{round}");
        match step {
            0 => mongo.insert_app(&app, "s").await,
            4 if round > 0 => mongo.delete(&format!("T{}", round - 1)).await,
            _ => mongo.set_secret(&app, &format!("secret {step}")).await,
        }
    }
    proxy.set(Mode::Pass);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_broken_streams_every_change_is_told_exactly_once() {
    const ROUNDS: usize = 20;
    let mut mongo = Mongo::own().await;
    let proxy = Proxy::start(mongo.address()).await;
    mongo.insert_app("OLD", "s").await;
    let told = Arc::<Told>::default();
    let uri = format!("mongodb://{}/?directConnection=true", proxy.address());
    // Without comparisons: these would tell of changes, too.
    let feed = Follower::start(&uri, &mongo, Duration::ZERO, told.clone());
    feed.ready().await;
    for n in 0..ROUNDS {
        round(n, &mut mongo, &proxy).await;
        let app = format!("T{n}");
        let gone = n.checked_sub(1).map(|before| format!("T{before}"));
        poll::until_true("the round is in force", async || {
            let snapshot = feed.published.load();
            snapshot.get(&app).is_some_and(|app| matches!(app.policy, Policy::Jwt(_)))
                && gone.as_ref().is_none_or(|gone| snapshot.get(gone).is_none())
        })
        .await;
    }
    mongo.insert_app("LAST", "s").await;
    poll::until_true("the last change", async || feed.published.load().get("LAST").is_some()).await;
    // The first round has four updates instead of a delete.
    assert_eq!(told.counted(), [ROUNDS + 1, 3 * ROUNDS + 1, ROUNDS - 1, 0], "inserts, updates, deletes, others");
    assert_eq!(*told.reloads.lock().unwrap(), [ReloadCause::Start], "none of this is a reason to load anew");
    feed.end().await;
}
