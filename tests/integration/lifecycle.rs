//! Start, stop, reload.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::client::{get, set_user};
use crate::support::gateway::gateway;
use crate::support::upstream::{Behaviour, Upstream};
use crate::support::{APP, USER, plain, poll, tokens};

/// More than any stop may take here.
const BOUND: Duration = Duration::from_secs(20);

#[tokio::test]
async fn sigterm_drains_keeps_serving_meanwhile_and_ends_well() {
    let upstream = Upstream::start().await;
    let mut gateway = gateway(&upstream).customer().set("/server/drain", "4s".into()).start().await;
    upstream.behave(Behaviour::Hold);
    let mut held = gateway.connect().await;
    let bytes = set_user(APP, USER).token(tokens::good()).bytes(held.host());
    held.send(&bytes).await;
    upstream.arrived(1).await;

    gateway.signal(Signal::SIGTERM);
    let reason = poll::until("not ready while draining", async || {
        let (status, reason) = gateway.readyz().await;
        (status == 503).then_some(reason)
    })
    .await;
    assert!(reason.to_lowercase().contains("drain"), "{reason}");
    // A new connection, after the balancer could know: it is served like any other.
    upstream.behave(Behaviour::success());
    assert_eq!(gateway.verdict(APP, &tokens::good()).await, (200, "0".into()));
    assert_eq!(gateway.page("/livez").await.status, 200);
    // And what was in flight comes to its end.
    upstream.release();
    assert_eq!(held.response().await.expect("an answer").verdict(), (200, "0".into()));
    assert_eq!(gateway.ends(BOUND).await.code(), Some(0), "{}", gateway.printed());
}

#[tokio::test]
async fn sigterm_ends_in_bounded_time_even_if_a_request_never_does() {
    let upstream = Upstream::start().await;
    let mut gateway = gateway(&upstream).customer().set("/server/drain", "500ms".into()).start().await;
    upstream.behave(Behaviour::Hang);
    let mut held = gateway.connect().await;
    let bytes = get(plain(APP)).token(tokens::good()).bytes(held.host());
    held.send(&bytes).await;
    upstream.arrived(1).await;
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.ends(BOUND).await.code(), Some(0), "{}", gateway.printed());
}

#[tokio::test]
async fn sigint_stops_at_once() {
    let upstream = Upstream::start().await;
    let mut gateway = gateway(&upstream).customer().set("/server/drain", "10m".into()).start().await;
    upstream.behave(Behaviour::Hang);
    let mut held = gateway.connect().await;
    let bytes = get(plain(APP)).token(tokens::good()).bytes(held.host());
    held.send(&bytes).await;
    upstream.arrived(1).await;
    gateway.signal(Signal::SIGINT);
    gateway.ends(BOUND).await;
    assert!(tokio::net::TcpStream::connect(gateway.address()).await.is_err());
}

#[tokio::test]
async fn sigterm_stops_a_gateway_that_never_became_ready() {
    let upstream = Upstream::start().await;
    let mongo = crate::support::mongo::Mongo::down().await;
    let mut gateway = gateway(&upstream).mongo(&mongo).launch().await;
    assert_eq!(gateway.readyz().await.0, 503);
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.ends(BOUND).await.code(), Some(0), "{}", gateway.printed());
}

#[tokio::test]
async fn a_bad_configuration_does_not_start() {
    let upstream = Upstream::start().await;
    for (pointer, value) in
        [("/nonsense", json!(1)), ("/auth/leeway", json!("soon")), ("/routes/0/upstream", json!("nobody"))]
    {
        let (status, printed) = gateway(&upstream).set(pointer, value).check();
        assert_eq!(status.code(), Some(2), "{pointer}: {printed}");
        assert!(printed.contains("gateway.yaml: "), "{printed}");
    }
    let (status, printed) = gateway(&upstream).customer().check();
    assert_eq!(status.code(), Some(0), "{printed}");
}
