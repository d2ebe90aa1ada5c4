//! Active health checks against real peers: who is taken out, what that costs, and the way back.

use serde_json::json;

use crate::support::client::get;
use crate::support::gateway::{Builder, Gateway, to_peers};
use crate::support::upstream::{Behaviour, Upstream};
use crate::support::{APP, plain, poll, ports, tokens};

/// Checks that notice within some tenths of a second.
fn checked(upstreams: &[&Upstream]) -> Builder {
    let peers: Vec<_> = upstreams.iter().map(|u| u.address()).collect();
    let rules = json!({ "path": "/up?deep=1", "interval": "50ms", "timeout": "200ms", "unhealthy_after": 2 });
    to_peers(&peers).customer().set("/upstreams/rtms/health_check", rules)
}

async fn becomes(gateway: &Gateway, peer: &str, healthy: bool) {
    poll::until_true("the peer's health turns", async || {
        let labels = [("upstream", "rtms"), ("peer", peer)];
        gateway.metrics().await.count("rtms_upstream_peer_healthy", &labels) == u64::from(healthy)
    })
    .await;
}

/// Requests other than checks.
fn served(upstream: &Upstream) -> usize {
    upstream.requests().iter().filter(|r| !r.target().starts_with("/up")).count()
}

async fn ask(gateway: &Gateway, count: usize) {
    let mut client = gateway.connect().await;
    for n in 0..count {
        let answer = client.ask(&get(plain(APP)).token(tokens::good())).await;
        assert_eq!(answer.verdict(), (200, "0".into()), "request {n}");
    }
}

fn times(text: &str, what: &str) -> usize {
    text.matches(what).count()
}

#[tokio::test]
async fn a_check_is_a_get_with_the_peers_name_on_a_connection_of_its_own() {
    let upstream = Upstream::start().await;
    let gateway = checked(&[&upstream]).start().await;
    upstream.arrived(3).await;
    let check = upstream.requests().remove(0);
    assert_eq!((check.method(), check.target()), ("GET", "/up?deep=1"));
    assert_eq!(check.head.get("Host"), Some(&*upstream.address().to_string()));
    assert!(upstream.connections() >= 3);
    becomes(&gateway, &upstream.address().to_string(), true).await;
}

#[tokio::test]
async fn a_dead_peer_costs_nothing_once_it_was_noticed_and_comes_back() {
    let (one, two) = (Upstream::start().await, Upstream::start().await);
    let (gone, peer) = (one.address(), one.address().to_string());
    let gateway = checked(&[&one, &two]).set("/upstreams/rtms/retries", json!(0)).start().await;
    ask(&gateway, 4).await;
    drop(one);
    becomes(&gateway, &peer, false).await;
    let attempts = [("peer", peer.as_str())];
    let before = gateway.metrics().await.count("rtms_upstream_requests_total", &attempts);
    // Without a retry: any request that went there would fail.
    ask(&gateway, 20).await;
    assert_eq!(gateway.metrics().await.count("rtms_upstream_requests_total", &attempts), before);
    let one = Upstream::at(gone).await;
    becomes(&gateway, &peer, true).await;
    ask(&gateway, 4).await;
    assert_eq!(served(&one), 2);
    let log = gateway.printed();
    assert_eq!((times(&log, "peer is unhealthy"), times(&log, "peer is healthy again")), (1, 1), "{log}");
    assert!(log.contains("ConnectRefused"), "{log}");
}

#[tokio::test]
async fn a_peer_that_hangs_or_answers_with_errors_is_taken_out() {
    let wrong = |status| Behaviour::Answer(status, Vec::new(), Vec::new());
    for (behaviour, fault) in [
        (Behaviour::Hang, "no answer in time"),
        (Behaviour::Reset, "ReadError"),
        (wrong("404 Not Found"), "status 404"),
        (wrong("500 Broken"), "status 500"),
    ] {
        let (sick, well) = (Upstream::start().await, Upstream::start().await);
        let gateway = checked(&[&sick, &well]).start().await;
        sick.behave(behaviour);
        becomes(&gateway, &sick.address().to_string(), false).await;
        ask(&gateway, 10).await;
        assert_eq!((served(&sick), served(&well)), (0, 10));
        assert!(gateway.printed().contains(fault), "{fault}: {}", gateway.printed());
        sick.behave(wrong("302 Found"));
        becomes(&gateway, &sick.address().to_string(), true).await;
    }
}

#[tokio::test]
async fn with_all_peers_out_requests_are_503_until_one_is_back() {
    let address = ports::free();
    let upstream = Upstream::at(address).await;
    let gateway = checked(&[&upstream]).start().await;
    drop(upstream);
    becomes(&gateway, &address.to_string(), false).await;
    let answer = gateway.ask(&get(plain(APP)).token(tokens::good())).await;
    assert_eq!(answer.verdict(), (503, "1".into()));
    gateway.counted("rtms_errors_total", &[("reason", "no_healthy_peer")], 1).await;
    let upstream = Upstream::at(address).await;
    becomes(&gateway, &address.to_string(), true).await;
    ask(&gateway, 3).await;
    assert_eq!(served(&upstream), 3);
}

#[tokio::test]
async fn a_peer_counts_as_healthy_until_checks_say_otherwise() {
    let upstream = Upstream::start().await;
    upstream.behave(Behaviour::Answer("500 Broken", Vec::new(), Vec::new()));
    let gateway = checked(&[&upstream]).set("/upstreams/rtms/health_check/interval", json!("1h")).start().await;
    assert_eq!(gateway.ask(&get(plain(APP)).token(tokens::good())).await.status, 500);
    becomes(&gateway, &upstream.address().to_string(), true).await;
}
