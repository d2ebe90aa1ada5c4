//! A load that takes long while much is written: the events from before its end come after it, in several batches.

use std::time::{Duration, Instant};

use fastrand::Rng;

use super::ladder;
use super::operations::Documents;
use super::rig::follow;
use crate::support::mongo::Mongo;
use crate::support::poll;
use crate::support::proxy::{Mode, Proxy};

/// More than the feed puts in force at once.
const WRITES: usize = 1300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_from_before_the_end_of_a_load_put_nothing_back() {
    let mongo = Mongo::own().await;
    let proxy = Proxy::start(mongo.address()).await;
    let (mut documents, mut rng) = (Documents::new(), Rng::new());
    let uri = format!("mongodb://{}/?directConnection=true", proxy.address());
    // The position is taken before, the load stands still.
    proxy.trap(b"find\0", Mode::Stall);
    let (feed, watch) = follow(&uri, &mongo, Duration::ZERO);
    proxy.sprung().await;
    for _ in 0..WRITES {
        let write = ladder::climb(&documents, &mut rng);
        write.database(&mongo, None).await;
        write.model(&mut documents);
    }
    proxy.set(Mode::Pass);
    feed.ready().await;
    let ready = Instant::now();
    poll::until_true("the events from before are behind us", async || feed.status.staleness() < ready.elapsed()).await;
    assert_eq!(watch.falls(), [""; 0]);
    assert_eq!(ladder::heights(&feed.published.load()), ladder::heights_of(&documents));
    feed.end().await;
}
