//! The certificate that clients see, replaced while they connect and ask.

use std::sync::Arc;
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::json;

use super::Outcome;
use crate::support::floods;
use crate::support::gateway::gateway;
use crate::support::load::{Plan, Way};
use crate::support::poll;
use crate::support::upstream::Upstream;

/// How often.
const TIMES: u64 = 20;

/// How clients connect.
#[derive(Clone, Copy, Debug)]
pub enum Connections {
    /// TLS and HTTP/1.1, a connection for each request.
    Fresh,
    /// HTTP/2, on connections that are kept.
    Kept,
}

/// Another certificate, again and again: each is in force before the next one is written.
pub async fn rotated(connections: Connections) -> Outcome {
    let upstream = Upstream::start().await;
    let quiet = gateway(&upstream).customer().set("/telemetry/access_log", json!({ "sample": 0.0 }));
    let (builder, authority) = floods::over_http2(quiet);
    let (gateway, authority) = (builder.start().await, Arc::new(authority));
    let way = match connections {
        Connections::Fresh => Way::FreshTls(Arc::clone(&authority)),
        Connections::Kept => Way::Http2(Arc::clone(&authority)),
    };
    let load = Plan::steady(&gateway).by(gateway.second_address(), way).start().await;
    let event = Instant::now();
    for n in 1..=TIMES {
        let next = authority.identity("127.0.0.1");
        for (file, text) in [("server.pem", &next.cert), ("server.key", &next.key)] {
            std::fs::write(gateway.dir().join(file), text).expect("a directory of ours");
        }
        gateway.signal(Signal::SIGHUP);
        poll::until_true("the new certificate", async || {
            let metrics = gateway.metrics().await;
            metrics.count("rtms_certificate_reloads_total", &[("result", "ok")]) >= n
        })
        .await;
        load.goes_on(50).await;
    }
    load.goes_on(500).await;
    Outcome::of(load, event).await
}
