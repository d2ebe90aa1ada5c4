//! Peers whose names are looked up by name servers of their upstream's own.

use std::net::IpAddr;

use serde_json::json;

use crate::support::client::get;
use crate::support::dns::{NameServer, Says};
use crate::support::gateway::{Builder, Gateway, gateway, to_names};
use crate::support::upstream::Upstream;
use crate::support::{APP, plain, poll, tokens};

fn here(seconds: u32) -> Says {
    Says::Addresses(vec![IpAddr::from([127, 0, 0, 1])], seconds)
}

/// In front of the upstream, under a name that the system's resolver doesn't know.
fn named(upstream: &Upstream, servers: &[&NameServer]) -> Builder {
    let servers: Vec<_> = servers.iter().map(|server| server.address().to_string()).collect();
    let peer = format!("peer.rtms.test:{}", upstream.address().port());
    to_names(&[peer]).customer().set("/upstreams/rtms/resolver", json!(servers))
}

async fn status(gateway: &Gateway) -> u16 {
    gateway.ask(&get(plain(APP)).token(tokens::good())).await.status
}

async fn serves(gateway: &Gateway) {
    poll::until_true("the name is resolved", async || status(gateway).await == 200).await;
}

#[tokio::test]
async fn a_name_is_looked_up_as_it_is_written_and_its_last_addresses_stay_when_nobody_knows_it_any_more() {
    let upstream = Upstream::start().await;
    let server = NameServer::start(here(0)).await;
    let gateway = named(&upstream, &[&server]).start().await;
    serves(&gateway).await;
    for says in [Says::NoSuchName, Says::Fault, Says::Addresses(vec![], 0), Says::Nothing] {
        server.say(says.clone());
        // Both address families, and all of it once more: that answer was taken in.
        server.is_asked(4).await;
        assert_eq!(status(&gateway).await, 200, "{says:?}");
    }
    assert!(server.asked().iter().all(|name| name == "peer.rtms.test"), "{:?}", server.asked());
}

#[tokio::test]
async fn a_name_server_that_is_silent_costs_no_request_where_another_one_answers() {
    let upstream = Upstream::start().await;
    let (silent, server) = (NameServer::start(Says::Nothing).await, NameServer::start(here(0)).await);
    let gateway = named(&upstream, &[&silent, &server]).start().await;
    serves(&gateway).await;
}

#[tokio::test]
async fn a_name_that_nobody_knows_yet_is_503_until_somebody_does() {
    let upstream = Upstream::start().await;
    let server = NameServer::start(Says::NoSuchName).await;
    let gateway = named(&upstream, &[&server]).start().await;
    server.is_asked(2).await;
    assert_eq!(status(&gateway).await, 503);
    assert_eq!(gateway.status().await["upstreams"][0]["peers"][0]["state"], "unresolved");
    server.say(here(60));
    serves(&gateway).await;
}

#[tokio::test]
async fn a_reload_asks_the_new_name_servers_and_refuses_what_are_none() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let server = NameServer::start(here(0)).await;
    let peers = json!([{ "address": format!("peer.rtms.test:{}", upstream.address().port()) }]);
    let servers = json!([server.address().to_string()]);
    gateway.reload(&[("/upstreams/rtms/peers", peers), ("/upstreams/rtms/resolver", servers)], "ok").await;
    assert_eq!(status(&gateway).await, 200, "from the first request on");
    gateway.reload(&[("/upstreams/rtms/resolver", json!(["ns.rtms.test"]))], "invalid").await;
    let next = NameServer::start(here(0)).await;
    gateway.reload(&[("/upstreams/rtms/resolver", json!([next.address().to_string()]))], "ok").await;
    assert_eq!(status(&gateway).await, 200);
    assert!(!next.asked().is_empty());
}
