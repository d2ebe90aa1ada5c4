//! Passive ejection against real peers: what counts as a failure, how long a peer is out, and who always stays.

use serde_json::{Value, json};

use crate::support::client::{get, set_user};
use crate::support::gateway::{Builder, Gateway, to_peers};
use crate::support::upstream::{Behaviour, Upstream};
use crate::support::{APP, USER, plain, poll, tokens};

fn ejecting(upstreams: &[&Upstream], time: &str) -> Builder {
    let peers: Vec<_> = upstreams.iter().map(|u| u.address()).collect();
    let rules = json!({ "consecutive_failures": 3, "for": time });
    let builder = to_peers(&peers).customer().set("/upstreams/rtms/ejection", rules);
    builder.set("/upstreams/rtms/retries", json!(0)).set("/upstreams/rtms/timeouts", json!({ "read": "100ms" }))
}

async fn in_use(gateway: &Gateway, upstream: &Upstream) -> bool {
    let peer = upstream.address().to_string();
    gateway.metrics().await.count("rtms_upstream_peer_healthy", &[("peer", peer.as_str())]) == 1
}

fn answer(status: &'static str) -> Behaviour {
    Behaviour::Answer(status, Vec::new(), Vec::new())
}

/// The statuses of so many GETs.
async fn statuses(gateway: &Gateway, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        // A connection each: some of these answers end it.
        statuses.push(gateway.ask(&get(plain(APP)).token(tokens::good())).await.status);
    }
    statuses
}

#[tokio::test]
async fn every_kind_of_failure_ejects_and_the_other_peer_takes_everything() {
    for (behaviour, status) in [
        (answer("502 Bad Gateway"), 502),
        (answer("503 Busy"), 503),
        (answer("504 Late"), 504),
        (Behaviour::Reset, 502),
        (Behaviour::Close, 502),
        (Behaviour::Raw(b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec()), 502),
        (Behaviour::Hang, 504),
    ] {
        let (sick, well) = (Upstream::start().await, Upstream::start().await);
        sick.behave(behaviour.clone());
        let gateway = ejecting(&[&sick, &well], "1h").start().await;
        let failed = statuses(&gateway, 20).await.into_iter().filter(|s| *s == status).count();
        assert_eq!((failed, sick.count()), (3, 3), "{behaviour:?}");
        assert!(!in_use(&gateway, &sick).await && in_use(&gateway, &well).await, "{behaviour:?}");
        let log = gateway.printed();
        assert_eq!(log.matches("peer is ejected").count(), 1, "{log}");
    }
}

#[tokio::test]
async fn a_peer_that_refuses_connections_is_ejected_and_its_clients_errors_are_not_its_fault() {
    let (gone, well) = (Upstream::start().await, Upstream::start().await);
    let gateway = ejecting(&[&gone, &well], "1h").start().await;
    let address = gone.address();
    gone.behave(answer("404 Unknown"));
    well.behave(answer("500 Broken"));
    // These are answers of a server that is up.
    assert_eq!(statuses(&gateway, 20).await, [404, 500].repeat(10));
    assert!(in_use(&gateway, &gone).await && in_use(&gateway, &well).await);
    drop(gone);
    let failed = statuses(&gateway, 20).await.into_iter().filter(|s| *s == 502).count();
    assert!((3..=4).contains(&failed), "{failed}: three, and perhaps one on a kept connection");
    let gone = Upstream::at(address).await;
    assert!(!in_use(&gateway, &gone).await);
}

#[tokio::test]
async fn an_ejected_peer_is_tried_again_and_stays_if_it_is_well() {
    let (sick, well) = (Upstream::start().await, Upstream::start().await);
    sick.behave(answer("503 Busy"));
    let gateway = ejecting(&[&sick, &well], "1s").start().await;
    statuses(&gateway, 6).await;
    poll::until_true("it is ejected", async || !in_use(&gateway, &sick).await).await;
    sick.behave(Behaviour::success());
    poll::until_true("it is tried again", async || in_use(&gateway, &sick).await).await;
    let before = sick.count();
    assert_eq!(statuses(&gateway, 20).await, [200; 20]);
    assert_eq!(sick.count() - before, 10);
    let log = gateway.printed();
    assert_eq!(log.matches("peer is tried again").count(), 1, "{log}");
}

#[tokio::test]
async fn the_last_peer_stays_unless_all_may_be_ejected() {
    for share in ["99%", "100%"] {
        let (one, two) = (Upstream::start().await, Upstream::start().await);
        one.behave(answer("503 Busy"));
        two.behave(answer("503 Busy"));
        let builder = ejecting(&[&one, &two], "1h").set("/upstreams/rtms/ejection/max_ejected", Value::from(share));
        let gateway = builder.start().await;
        assert_eq!(statuses(&gateway, 20).await, [503; 20]);
        let seen = one.count() + two.count();
        assert_eq!(seen, if share == "100%" { 6 } else { 20 }, "{share}");
        gateway.counted("rtms_errors_total", &[("reason", "no_healthy_peer")], 20 - seen as u64).await;
    }
}

#[tokio::test]
async fn what_a_client_does_is_no_failure_of_the_peer() {
    let (one, two) = (Upstream::start().await, Upstream::start().await);
    for upstream in [&one, &two] {
        upstream.behave(Behaviour::Hold);
    }
    let gateway = ejecting(&[&one, &two], "1h").set("/upstreams/rtms/timeouts/read", json!("30s")).start().await;
    for n in 1..=12 {
        let mut client = gateway.connect().await;
        client.send(&set_user(APP, USER).token(tokens::good()).bytes("gateway.test")).await;
        poll::until_true("it arrives", async || one.count() + two.count() == n).await;
    }
    gateway.counted("rtms_requests_total", &[("status", "499")], 12).await;
    assert!(in_use(&gateway, &one).await && in_use(&gateway, &two).await);
}
