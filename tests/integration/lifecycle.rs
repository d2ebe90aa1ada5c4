//! Start, stop, reload.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::client::{get, set_user, websocket};
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
async fn streams_have_a_time_of_their_own_and_new_connections_are_refused_meanwhile() {
    let upstream = Upstream::start().await;
    let mut gateway = gateway(&upstream)
        .customer()
        .set("/server/finish_requests", "1s".into())
        .set("/server/finish_streams", "1h".into())
        .start()
        .await;
    upstream.behave(Behaviour::Upgrade);
    let mut socket = gateway.connect().await;
    assert_eq!(socket.ask(&websocket(plain(APP)).token(tokens::good())).await.status, 101);
    let (mut silent, mut kept) = (gateway.connect().await, gateway.connect().await);
    assert_eq!(kept.ask(&get(plain(APP))).await.status, 401);
    gateway.signal(Signal::SIGTERM);
    let refused = async || tokio::net::TcpStream::connect(gateway.address()).await.is_err();
    poll::until_true("new connections are refused", refused).await;
    // Nobody is judged any more by apps that nobody follows.
    assert!(silent.closed().await && kept.closed().await);
    // Longer than requests get.
    tokio::time::sleep(Duration::from_secs(2)).await;
    socket.send(b"still there").await;
    assert_eq!(socket.take(11).await.as_deref(), Some(&b"still there"[..]));
    gateway.still_runs();
    // The last stream ends, and with it the process.
    socket.finish().await;
    assert_eq!(gateway.ends(BOUND).await.code(), Some(0), "{}", gateway.printed());
}

#[tokio::test]
async fn server_sent_events_and_grpc_are_streams() {
    for kind in ["text/event-stream", "application/grpc", "application/grpc+proto"] {
        is_a_stream(kind).await;
    }
}

/// An answer of this type that goes on and on is cut when streams are, not when requests are.
async fn is_a_stream(kind: &str) {
    let upstream = Upstream::start().await;
    let times = [("/server/finish_requests", "30s"), ("/server/finish_streams", "200ms")];
    let mut gateway = gateway(&upstream).customer();
    for (pointer, time) in times {
        gateway = gateway.set(pointer, time.into());
    }
    let mut gateway = gateway.start().await;
    let begin =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n");
    upstream.behave(Behaviour::Begin(begin.into_bytes()));
    let mut client = gateway.connect().await;
    let bytes = get(plain(APP)).token(tokens::good()).bytes(client.host());
    client.send(&bytes).await;
    assert_eq!(client.head().await.expect("a head").word(1), "200");
    gateway.signal(Signal::SIGTERM);
    // A request would have half a minute.
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
