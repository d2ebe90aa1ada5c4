//! Clients that take their time: how long a connection may be without a whole head, and what is not bounded by that.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::client::{Client, get};
use crate::support::gateway::{Builder, Gateway, gateway};
use crate::support::tls::{Authority, Handshake};
use crate::support::upstream::Upstream;
use crate::support::{APP, plain, poll, tokens};

const SHORT: Duration = Duration::from_millis(300);
/// The same for a deadline that began a little before the test's own clock.
const NEARLY: Duration = Duration::from_millis(250);
/// As long as no test lasts.
const LONG: &str = "10m";

fn limits(builder: Builder, head: &str, idle: &str) -> Builder {
    builder.customer().set("/limits", json!({ "head_read_timeout": head, "client_idle": idle }))
}

/// How long the gateway leaves a connection open on which a byte comes now and then.
async fn trickled(client: &mut Client) -> Duration {
    let began = Instant::now();
    let mut pause = tokio::time::interval(Duration::from_millis(40));
    while tokio::time::timeout(Duration::from_millis(5), client.closed()).await.is_err() {
        assert!(began.elapsed() < poll::DEADLINE, "a connection that trickles stays open");
        client.send(b"x").await;
        pause.tick().await;
    }
    began.elapsed()
}

async fn still_serves(gateway: &Gateway) {
    assert_eq!(gateway.ask(&get(plain(APP)).token(tokens::good())).await.status, 200);
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_ends_the_connection_in_time() {
    let upstream = Upstream::start().await;
    let gateway = limits(gateway(&upstream), "300ms", LONG).start().await;
    let mut client = gateway.connect().await;
    client.send(b"GET /public/x HTTP/1.1\r\nHost: h\r\nX-Slow: ").await;
    assert!(trickled(&mut client).await >= SHORT);
    // On a connection that was in use as well.
    let mut client = gateway.connect().await;
    assert_eq!(client.ask(&get("/public/x")).await.status, 200);
    client.send(b"GET /public/x HTTP/1.1\r\nHost: h\r\nX-Slow: ").await;
    assert!(trickled(&mut client).await >= SHORT);
    assert_eq!(upstream.count(), 1);
    still_serves(&gateway).await;
}

#[tokio::test]
async fn a_connection_without_a_request_ends_after_the_idle_time() {
    let upstream = Upstream::start().await;
    let gateway = limits(gateway(&upstream), LONG, "300ms").start().await;
    for used in [false, true] {
        let mut client = gateway.connect().await;
        if used {
            assert_eq!(client.ask(&get("/public/x")).await.status, 200);
        }
        let began = Instant::now();
        assert!(client.closed().await);
        assert!(began.elapsed() >= NEARLY, "{:?}", began.elapsed());
    }
    still_serves(&gateway).await;
}

#[tokio::test]
async fn a_body_that_streams_and_an_answer_that_is_awaited_take_as_long_as_they_take() {
    let upstream = Upstream::start().await;
    let gateway = limits(gateway(&upstream), "150ms", "150ms").start().await;
    let mut client = gateway.connect().await;
    client.send(b"POST /public/x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n").await;
    let mut pause = tokio::time::interval(Duration::from_millis(60));
    for _ in 0..10 {
        // The bytes are slow on purpose: the whole takes four times the limit.
        pause.tick().await;
        client.send(b"x").await;
    }
    assert_eq!(client.response().await.expect("an answer").status, 200);
    assert_eq!(upstream.only().body.content, b"xxxxxxxxxx");
}

#[tokio::test]
async fn http_2_without_its_preface_ends_in_time_and_goes_on_with_it() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("a test authority");
    let identity = authority.identity("127.0.0.1");
    let tls = json!({ "cert": "server.pem", "key": "server.key", "http2": true });
    let builder = limits(gateway(&upstream), "300ms", LONG).set("/listeners/0/tls", tls);
    let gateway = builder.file("server.pem", identity.cert).file("server.key", identity.key).start().await;
    let handshake = Handshake::trusting(&authority).protocols(&["h2"]);
    let (mut client, _) = handshake.connect(gateway.address()).await.unwrap();
    let began = Instant::now();
    client.send(b"PRI * HTTP/2.0\r\n").await;
    assert!(client.closed().await);
    assert!(began.elapsed() >= NEARLY && began.elapsed() < Duration::from_secs(20));
}
