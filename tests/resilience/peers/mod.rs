//! Peers that die, hang, flap and come back under load: what fails, and for how long.

mod load;

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use self::load::{CLIENTS, Load};
use crate::support::gateway::{Builder, Gateway, to_peers};
use crate::support::poll;
use crate::support::upstream::{Behaviour, Upstream};

async fn peers(count: usize) -> Vec<Upstream> {
    let mut peers = Vec::new();
    for _ in 0..count {
        peers.push(Upstream::start().await);
    }
    peers
}

fn bare(peers: &[Upstream]) -> Builder {
    let addresses: Vec<_> = peers.iter().map(Upstream::address).collect();
    to_peers(&addresses).customer()
}

/// With checks that notice a peer's death or return within a tenth of a second or two.
fn guarded(peers: &[Upstream]) -> Builder {
    let checks = json!({ "path": "/up", "interval": "50ms", "timeout": "100ms", "unhealthy_after": 2 });
    let ejection = json!({ "consecutive_failures": 3, "for": "300ms" });
    bare(peers).set("/upstreams/rtms/health_check", checks).set("/upstreams/rtms/ejection", ejection)
}

async fn in_use(gateway: &Gateway, count: usize) {
    poll::until_true("so many peers are in use", async || {
        gateway.metrics().await.count("rtms_upstream_peer_healthy", &[]) == count as u64
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_peer_fails_no_idempotent_request() {
    for guard in [false, true] {
        let mut upstreams = peers(2).await;
        let gateway = if guard { guarded(&upstreams) } else { bare(&upstreams) }.start().await;
        let load = Load::start(&gateway).await;
        let killed = upstreams.remove(0);
        let address = killed.address();
        drop(killed);
        load.goes_on(1000).await;
        upstreams.push(Upstream::at(address).await);
        load.goes_on(500).await;
        in_use(&gateway, 2).await;
        let (answered, failed) = load.end().await;
        assert!(failed.is_empty(), "guarded: {guard}: {} of {answered}: {failed:?}", failed.len());
        assert!(upstreams[1].count() > 0, "it serves again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flapping_peer_fails_no_idempotent_request() {
    let mut upstreams = peers(2).await;
    let gateway = guarded(&upstreams).start().await;
    let load = Load::start(&gateway).await;
    for _ in 0..6 {
        let flapping = upstreams.remove(1);
        let address = flapping.address();
        drop(flapping);
        sleep(Duration::from_millis(150)).await;
        upstreams.push(Upstream::at(address).await);
        sleep(Duration::from_millis(150)).await;
    }
    let (answered, failed) = load.end().await;
    assert!(failed.is_empty(), "{} of {answered}: {failed:?}", failed.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_half_of_the_peers_dead_the_others_serve_everything() {
    let mut upstreams = peers(4).await;
    // Two may die at once: the second attempt may meet the other one.
    let gateway = guarded(&upstreams).set("/upstreams/rtms/retries", json!(2)).start().await;
    let load = Load::start(&gateway).await;
    drop(upstreams.drain(..2));
    in_use(&gateway, 2).await;
    load.goes_on(1000).await;
    let (answered, failed) = load.end().await;
    assert!(failed.is_empty(), "{} of {answered}: {failed:?}", failed.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_peer_costs_each_client_a_request_or_two_and_then_none() {
    let upstreams = peers(2).await;
    let gateway = guarded(&upstreams).set("/upstreams/rtms/timeouts/read", json!("300ms")).start().await;
    let load = Load::start(&gateway).await;
    let hung = Instant::now();
    upstreams[0].behave(Behaviour::Hang);
    in_use(&gateway, 1).await;
    let noticed = hung.elapsed();
    // What was sent there before has its own time.
    sleep(Duration::from_millis(500)).await;
    let quiet = Instant::now();
    load.goes_on(500).await;
    assert!(load.failed_since(quiet).is_empty(), "{:?}", load.failed_since(quiet));
    let (answered, failed) = load.end().await;
    assert!((1..=2 * CLIENTS).contains(&failed.len()), "{} of {answered} failed", failed.len());
    assert!(failed.iter().all(|answer| answer.status == Some(504)), "{failed:?}");
    assert!(noticed < Duration::from_secs(2), "{noticed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_all_peers_dead_it_says_so_at_once_and_recovers_by_itself() {
    let upstreams = peers(2).await;
    let addresses: Vec<_> = upstreams.iter().map(Upstream::address).collect();
    let gateway = guarded(&upstreams).start().await;
    let load = Load::start(&gateway).await;
    drop(upstreams);
    in_use(&gateway, 0).await;
    let out = Instant::now();
    load.goes_on(200).await;
    let failed = load.failed_since(out + Duration::from_millis(50));
    assert!(failed.iter().all(|answer| answer.status == Some(503)), "{failed:?}");
    let back = Instant::now();
    let _upstreams = [Upstream::at(addresses[0]).await, Upstream::at(addresses[1]).await];
    in_use(&gateway, 2).await;
    let recovered = Instant::now();
    load.goes_on(500).await;
    let failed = load.failed_since(recovered + Duration::from_millis(50));
    assert!(failed.is_empty(), "{failed:?}");
    assert!(recovered - back < Duration::from_secs(2), "{:?}", recovered - back);
    load.end().await;
}
