//! Which of several peers takes a request.

use serde_json::json;

use crate::support::client::get;
use crate::support::gateway::{Builder, to_peers};
use crate::support::upstream::{Behaviour, Recorded, Upstream};
use crate::support::{APP, plain, poll, tokens};

async fn three() -> [Upstream; 3] {
    [Upstream::start().await, Upstream::start().await, Upstream::start().await]
}

fn balanced(upstreams: &[Upstream], balance: &str) -> Builder {
    let peers: Vec<_> = upstreams.iter().map(Upstream::address).collect();
    to_peers(&peers).customer().set("/upstreams/rtms/balance", json!(balance))
}

fn counts(upstreams: &[Upstream]) -> Vec<usize> {
    upstreams.iter().map(Upstream::count).collect()
}

fn is_for(request: &Recorded, app: &str) -> bool {
    request.target().contains(&format!("/{app}/"))
}

/// The one peer that all of an app's requests went to.
fn home(upstreams: &[Upstream], app: &str) -> usize {
    let of = |u: &Upstream| u.requests().iter().filter(|r| is_for(r, app)).count();
    let seen: Vec<usize> = upstreams.iter().map(of).collect();
    assert_eq!(seen.iter().filter(|n| **n > 0).count(), 1, "{app} went to {seen:?}");
    seen.iter().position(|n| *n > 0).unwrap()
}

#[tokio::test]
async fn by_hash_an_app_stays_with_its_peer_and_comes_back_to_it() {
    let upstreams = three().await;
    let apps: Vec<String> = (0..12).map(|n| format!("A{n}")).collect();
    let open = |builder: Builder, app: &String| builder.document(json!({ "appId": app }));
    let gateway = apps.iter().fold(balanced(&upstreams, "hash"), open).start().await;
    let mut client = gateway.connect().await;
    for app in apps.iter().cycle().take(4 * apps.len()) {
        assert_eq!(client.ask(&get(plain(app))).await.status, 200, "{app}");
    }
    let homes: Vec<usize> = apps.iter().map(|app| home(&upstreams, app)).collect();
    assert!((0..3).all(|peer| homes.contains(&peer)), "each has some: {homes:?}");

    // One peer goes: its apps are served by the others, which keep their own.
    let [first, second, third] = upstreams;
    let (gone, rest) = (first.address(), [second, third]);
    drop(first);
    for upstream in &rest {
        upstream.take();
    }
    for app in &apps {
        assert_eq!(client.ask(&get(plain(app))).await.status, 200, "{app} without its peer");
    }
    for (app, home) in apps.iter().zip(&homes).filter(|(_, home)| **home > 0) {
        assert!(rest[home - 1].requests().iter().any(|r| is_for(r, app)), "{app} had no reason to move");
    }
    let back = Upstream::at(gone).await;
    let (app, _) = apps.iter().zip(&homes).find(|(_, home)| **home == 0).unwrap();
    assert_eq!(client.ask(&get(plain(app))).await.status, 200);
    assert_eq!(back.count(), 1, "{app} is home again");
}

#[tokio::test]
async fn by_hash_requests_without_an_app_go_in_turn() {
    let upstreams = three().await;
    let gateway = balanced(&upstreams, "hash").start().await;
    let mut client = gateway.connect().await;
    for _ in 0..9 {
        assert_eq!(client.ask(&get("/public/x")).await.status, 200);
    }
    assert_eq!(counts(&upstreams), [3, 3, 3]);
}

#[tokio::test]
async fn by_connections_the_idle_peer_is_preferred() {
    let upstreams = [Upstream::start().await, Upstream::start().await];
    for upstream in &upstreams {
        upstream.behave(Behaviour::Hold);
    }
    let gateway = balanced(&upstreams, "least_connections").start().await;
    let request = get(plain(APP)).token(tokens::good());
    let mut waiting = Vec::new();
    for n in 1..=6 {
        let mut client = gateway.connect().await;
        client.send(&request.bytes("gateway.test")).await;
        poll::until_true("it arrives", async || counts(&upstreams).iter().sum::<usize>() == n).await;
        waiting.push(client);
    }
    assert_eq!(counts(&upstreams), [3, 3], "each request went to the one that had fewer");
    // One peer answers, the other goes on holding: it gets nothing more.
    upstreams[0].release();
    upstreams[0].behave(Behaviour::success());
    poll::until_true("three are done", async || {
        gateway.metrics().await.count("rtms_requests_total", &[("status", "200")]) == 3
    })
    .await;
    let mut client = gateway.connect().await;
    for _ in 0..10 {
        assert_eq!(client.ask(&request).await.status, 200);
    }
    assert_eq!(counts(&upstreams), [13, 3]);
    // Clients that leave are not counted on.
    drop(waiting);
    upstreams[1].behave(Behaviour::success());
    poll::until_true("three have left", async || {
        gateway.metrics().await.count("rtms_requests_total", &[("status", "499")]) == 3
    })
    .await;
    for _ in 0..10 {
        assert_eq!(client.ask(&request).await.status, 200);
    }
    assert_eq!(counts(&upstreams), [18, 8], "equals again: in turn");
}
