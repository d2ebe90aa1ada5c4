//! Reloads and the end of a process, as deploys bring them.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;
use tokio::sync::watch;

use super::Outcome;
use crate::support::gateway::{Builder, gateway};
use crate::support::load::{Load, Plan};
use crate::support::poll;
use crate::support::upstream::Upstream;

fn quiet(upstream: &Upstream) -> Builder {
    gateway(upstream).customer().set("/telemetry/access_log", json!({ "sample": 0.0 }))
}

/// A hundred reloads, each with another upstream and other routes.
pub async fn reloads() -> Outcome {
    let upstream = Upstream::start().await;
    let gateway = quiet(&upstream).start().await;
    let load = Load::start(&gateway).await;
    let event = Instant::now();
    let peer = upstream.address().to_string();
    for n in 0..100 {
        let peers = json!([{ "address": peer, "weight": n % 7 + 1 }]);
        let changes = [("/upstreams/rtms/peers", peers), ("/routes/6/name", json!(n.to_string()))];
        gateway.reload(&changes, "ok").await;
    }
    Outcome::of(load, event).await
}

/// One of two gateways is stopped; new connections go to the other as soon as `/readyz` says so, as a load balancer
/// does it.
pub async fn drain() -> Outcome {
    let upstream = Upstream::start().await;
    let mut leaving = quiet(&upstream).set("/server/drain", json!("1s")).start().await;
    let staying = quiet(&upstream).start().await;
    let (rotation, address) = watch::channel(leaving.address());
    let load = Plan::steady(&leaving).towards(&address).start().await;
    load.goes_on(500).await;
    let event = Instant::now();
    leaving.signal(Signal::SIGTERM);
    poll::until_true("not ready any more", async || leaving.readyz().await.0 == 503).await;
    rotation.send_replace(staying.address());
    assert_eq!(leaving.ends(Duration::from_secs(30)).await.code(), Some(0));
    load.goes_on(500).await;
    Outcome::of(load, event).await
}

/// A new process takes the place of the gateway, and hands over to a third one.
pub async fn upgrades() -> Outcome {
    let upstream = Upstream::start().await;
    // Its directory is needed by all that follow it.
    let mut first = quiet(&upstream).set("/server/upgrade_socket", json!("upgrade.sock")).start().await;
    let load = Load::start(&first).await;
    load.goes_on(500).await;
    let event = Instant::now();
    let mut second = first.successor();
    first.hand_over(&second).await;
    load.goes_on(300).await;
    assert_eq!(first.ends(Duration::from_secs(30)).await.code(), Some(0));
    let third = second.successor();
    second.hand_over(&third).await;
    assert_eq!(second.ends(Duration::from_secs(30)).await.code(), Some(0));
    load.goes_on(300).await;
    Outcome::of(load, event).await
}
