//! A peer's name that comes to stand for another address, as its name server says.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::json;

use super::Outcome;
use super::peers::Peer;
use crate::support::dns::{NameServer, Says};
use crate::support::gateway::to_names;
use crate::support::load::Load;
use crate::support::{poll, ports};

/// The time to live of the answers, the shortest that counts.
const SECONDS: u32 = 1;

/// When the old address is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// Once nobody asks there any more, as whoever moves a service should.
    Late,
    /// At the moment that the name moves.
    AtOnce,
}

fn says(ip: Ipv4Addr) -> Says {
    Says::Addresses(vec![IpAddr::V4(ip)], SECONDS)
}

/// The name moves from one peer to another, and the first one ends: what came of the requests, and how long it took until
/// the new one was asked.
pub async fn moved(leaves: Leaves) -> (Outcome, Duration) {
    let (old, new) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2));
    let port = ports::free().port();
    let at = |ip: Ipv4Addr| SocketAddr::from((ip, port));
    let (first, _second) = (Peer::start(at(old)).await, Peer::start(at(new)).await);
    let server = NameServer::start(says(old)).await;
    let gateway = to_names(&[format!("peer.test:{port}")])
        .customer()
        .set("/upstreams/rtms/resolver", json!([server.address().to_string()]))
        .set("/telemetry/access_log", json!({ "sample": 0.0 }))
        .start()
        .await;
    let follows = async |ip: Ipv4Addr| {
        poll::until_true("the name is followed", async || {
            gateway.status().await["upstreams"][0]["peers"][0]["resolved"] == json!([at(ip).to_string()])
        })
        .await;
    };
    follows(old).await;
    let load = Load::start(&gateway).await;
    load.goes_on(500).await;
    let event = Instant::now();
    server.say(says(new));
    let mut first = Some(first);
    if leaves == Leaves::AtOnce {
        drop(first.take());
    }
    follows(new).await;
    let took = event.elapsed();
    // What is under way there comes to its end.
    load.goes_on(200).await;
    drop(first);
    load.goes_on(1000).await;
    (Outcome::of(load, event).await, took)
}
