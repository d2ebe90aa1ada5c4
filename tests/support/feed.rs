//! A feed in the test's own process: nothing between a test and the snapshot.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rtms_gateway::apps::feed::{Events, Feed, Status};
use rtms_gateway::apps::{SecretEncoding, Snapshot};
use rtms_gateway::config::settings;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::mongo::Mongo;
use super::poll;

/// A feed that runs until this is dropped.
pub struct Follower {
    /// How it is doing.
    pub status: Arc<Status>,
    /// What it put in force.
    pub published: Arc<ArcSwap<Snapshot>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Follower {
    /// Starts one on the apps of this database, spoken to by `uri`. Full loads follow each other fast.
    pub fn start(uri: &str, mongo: &Mongo, reconcile_every: Duration, events: Arc<dyn Events>) -> Self {
        let source = settings::AppsSource::MongoDb {
            uri: uri.to_owned(),
            database: mongo.database().to_owned(),
            collection: "apps".to_owned(),
        };
        let settings = settings::Apps {
            source,
            cache: None,
            max_staleness: Duration::from_mins(1),
            reject_when_stale: false,
            resync_delay: Duration::from_millis(50),
            resync_min_interval: Duration::from_millis(50),
            reconcile_every,
        };
        let feed = Feed::new(&settings, SecretEncoding::Raw, events);
        let (stop, stopped) = watch::channel(false);
        let (status, published) = (feed.status(), feed.published());
        let task = tokio::spawn(feed.run(stopped, || ()));
        Self { status, published, stop, task }
    }

    /// Waits for the first load.
    pub async fn ready(&self) {
        poll::until_true("the first load", async || self.status.ready()).await;
    }

    /// Stops it.
    pub async fn end(self) {
        self.stop.send_replace(true);
        poll::bounded("the feed stops", self.task).await.expect("no panic");
    }
}
