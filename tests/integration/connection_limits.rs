//! Limits of client connections: in total, and of one address.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::{Client, get};
use crate::support::gateway::{Gateway, gateway};
use crate::support::tls::{Authority, Handshake};
use crate::support::upstream::{Behaviour, Upstream};
use crate::support::{APP, plain, poll, tokens};

const REFUSED: &str = "rtms_connections_refused_total";

/// A connection from this address that was answered, so that it is known to be counted; `None`: it was refused.
async fn answered(gateway: &Gateway, source: [u8; 4]) -> Option<Client> {
    let mut client = Client::connect_from(source, gateway.address()).await?;
    let bytes = get(plain(APP)).token(tokens::good()).bytes(client.host());
    client.send(&bytes).await;
    let answer = client.response().await?;
    assert_eq!(answer.status, 200);
    Some(client)
}

/// A connection from this address with a request under way that isn't answered; `None`: it was refused.
async fn taken(gateway: &Gateway, upstream: &Upstream, source: [u8; 4]) -> Option<Client> {
    let before = upstream.count();
    let mut client = Client::connect_from(source, gateway.address()).await?;
    let bytes = get(plain(APP)).token(tokens::good()).bytes(client.host());
    client.send(&bytes).await;
    let refused = tokio::select! {
        () = upstream.arrived(before + 1) => false,
        answer = client.response() => { assert!(answer.is_none()); true }
    };
    (!refused).then_some(client)
}

async fn until_answered(gateway: &Gateway, source: [u8; 4]) -> Client {
    poll::until("a place", async || answered(gateway, source).await).await
}

const fn local(last: u8) -> [u8; 4] {
    [127, 0, 0, last]
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_a_reload_changes_how_many_that_are() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().listener(json!({})).set("/limits/connections", json!(3)).start().await;
    upstream.behave(Behaviour::Hang);
    let mut held = Vec::new();
    for n in 1..=3 {
        held.push(taken(&gateway, &upstream, local(n)).await.expect("a place"));
    }
    assert!(taken(&gateway, &upstream, local(4)).await.is_none());
    // All listeners together.
    let mut second = Client::connect(gateway.second_address()).await;
    assert!(second.response().await.is_none() && second.closed().await);
    let (first, second) = (gateway.address().to_string(), gateway.second_address().to_string());
    for listener in [&first, &second] {
        gateway.counted(REFUSED, &[("reason", "connections"), ("listener", listener)], 1).await;
    }
    held.pop();
    held.push(poll::until("a place", async || taken(&gateway, &upstream, local(4)).await).await);
    gateway.reload(&[("/limits/connections", json!(4))], "ok").await;
    held.push(taken(&gateway, &upstream, local(5)).await.expect("one more place"));
    assert!(taken(&gateway, &upstream, local(6)).await.is_none());
    gateway.reload(&[("/limits/connections", Value::Null)], "ok").await;
    assert!(taken(&gateway, &upstream, local(6)).await.is_some());
    assert_eq!(gateway.metrics().await.count("rtms_limited_total", &[]), 0);
}

#[tokio::test]
async fn an_address_has_a_bound_of_its_own_and_a_trusted_proxy_has_none() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().set("/server/trusted_proxies", json!(["127.0.0.9"]));
    let gateway = gateway.set("/limits/connections_per_address", json!(2)).start().await;
    let mut held = Vec::new();
    for n in [2, 2, 3, 3, 9, 9, 9, 9] {
        held.push(answered(&gateway, local(n)).await.expect("a place"));
    }
    for n in [2, 3] {
        assert!(answered(&gateway, local(n)).await.is_none());
    }
    gateway.counted(REFUSED, &[("reason", "connections_per_address")], 2).await;
    held.remove(0);
    held.push(until_answered(&gateway, local(2)).await);
    assert!(answered(&gateway, local(3)).await.is_none());
}

#[tokio::test]
async fn over_tls_it_is_closed_before_the_handshake_and_handshakes_count() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("a test authority");
    let identity = authority.identity("127.0.0.1");
    let builder = gateway(&upstream).customer().file("server.pem", identity.cert).file("server.key", identity.key);
    let tls = json!({ "cert": "server.pem", "key": "server.key", "http2": true });
    let builder = builder.set("/listeners/0/tls", tls);
    let gateway =
        builder.set("/limits/connections", json!(9)).set("/limits/connections_per_address", json!(2)).start().await;
    let connect = async || Handshake::trusting(&authority).connect(gateway.address()).await.map(|(client, _)| client);
    let mut first = connect().await.expect("a place");
    assert_eq!(first.ask(&get(plain(APP)).token(tokens::good())).await.status, 200);
    // The second one never says a word: it holds its place all the same, once it has one.
    let silent = poll::until("a refusal", async || {
        let mut silent = Client::connect(gateway.address()).await;
        let refused = connect().await.is_err();
        let stands = tokio::time::timeout(Duration::from_millis(200), silent.take(1)).await.is_err();
        (refused && stands).then_some(silent)
    })
    .await;
    let mut third = Client::connect(gateway.address()).await;
    assert!(third.take(1).await.is_none(), "not a byte");
    assert!(gateway.metrics().await.count(REFUSED, &[("reason", "connections_per_address")]) >= 2);
    drop(silent);
    let second = poll::until("the place of the silent one", async || connect().await.ok()).await;
    assert!(connect().await.is_err());
    drop((first, second));
    poll::until_true("both places", async || {
        let (one, two) = (connect().await, connect().await);
        one.is_ok() && two.is_ok()
    })
    .await;
    assert!(!gateway.printed().contains("handshake error"), "no line for each of them");
}

#[tokio::test]
async fn near_the_bound_connections_end_with_their_next_answer() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().set("/limits/connections", json!(10)).start().await;
    let mut held = Vec::new();
    for n in 1..=9 {
        held.push(answered(&gateway, local(n)).await.expect("a place"));
    }
    let ask = get(plain(APP)).token(tokens::good());
    assert!(!held[0].ask(&ask).await.head.lists("connection", "close"));
    upstream.behave(Behaviour::Hang);
    let last = taken(&gateway, &upstream, local(10)).await.expect("the last place");
    upstream.behave(Behaviour::success());
    assert!(answered(&gateway, local(11)).await.is_none());
    assert!(held[0].ask(&ask).await.head.lists("connection", "close"));
    assert!(held[0].closed().await);
    let newcomer = until_answered(&gateway, local(11)).await;
    drop((last, newcomer));
}
