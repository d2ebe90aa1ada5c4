//! HTTP/2 without TLS, for clients that begin with its preface.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::client::{Client, Last, get, set_user};
use crate::support::gateway::{Builder, Gateway, gateway};
use crate::support::h2::H2;
use crate::support::proxy_header::{v1, v2};
use crate::support::upstream::{SUCCESS, Upstream};
use crate::support::{APP, USER, plain, setuserid, tokens};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const LONG: &str = "10m";
/// 300 ms that began a little before the test's own clock.
const NEARLY: Duration = Duration::from_millis(250);
const BOUND: Duration = Duration::from_secs(20);

fn with_h2c(upstream: &Upstream) -> Builder {
    gateway(upstream).customer().set("/listeners/0/h2c", true.into())
}

async fn http_2(gateway: &Gateway) -> H2 {
    H2::start(gateway.connect().await).await
}

#[tokio::test]
async fn a_connection_that_begins_with_the_preface_is_http_2_and_judged_alike() {
    let upstream = Upstream::start().await;
    let gateway = with_h2c(&upstream).start().await;
    let mut h2 = http_2(&gateway).await;
    let bearer = format!("Bearer {}", tokens::good());
    let json = ("content-type", "application/json");
    let body = format!(r#"{{"userId":"{USER}"}}"#);
    let good = h2.ask("POST", &setuserid(APP), &[("authorization", &bearer), json], body.as_bytes()).await;
    assert_eq!((good.status, good.body.as_slice()), (200, SUCCESS.as_bytes()), "{good:?}");
    let seen = upstream.only();
    assert_eq!((seen.body.content.as_slice(), seen.head.get("X-Rtms-User-Id")), (body.as_bytes(), Some(USER)));
    assert_eq!(
        (seen.head.get("X-Forwarded-Proto"), seen.head.get("X-Forwarded-For")),
        (Some("http"), Some("127.0.0.1"))
    );
    assert_eq!(seen.head.get("Host"), Some(gateway.address().to_string().as_str()));
    let other = h2.ask("POST", &setuserid(APP), &[("authorization", &bearer), json], br#"{"userId":"x"}"#).await;
    assert_eq!((other.status, other.code().as_deref()), (401, Some("38")), "{other:?}");
    assert_eq!(h2.ask("GET", &plain(APP), &[], b"").await.code().as_deref(), Some("39"));
    assert_eq!(upstream.count(), 0);
    // The scheme that clients without TLS name.
    let authority = gateway.address().to_string();
    let plain = plain(APP);
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", &authority),
        (":path", &plain),
        ("authorization", &bearer),
    ];
    let again = h2.send(&fields.map(|(n, v)| (n.as_bytes(), v.as_bytes())), &[]).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(upstream.only().head.get("X-Forwarded-Proto"), Some("http"));
}

#[tokio::test]
async fn everything_else_is_http_1_however_short_it_is() {
    let upstream = Upstream::start().await;
    let gateway = with_h2c(&upstream).start().await;
    let mut client = gateway.connect().await;
    for _ in 0..2 {
        assert_eq!(client.ask(&set_user(APP, USER).token(tokens::good())).await.verdict(), (200, "0".into()));
        assert_eq!(client.ask(&get(plain(APP))).await.verdict(), (401, "39".into()));
    }
    for (head, status) in
        [("GET / HTTP/1.0\r\n\r\n", 404), ("P / HTTP/1.0\r\n\r\n", 404), ("PRI / HTTP/1.0\r\n\r\n", 404)]
    {
        let mut client = gateway.connect().await;
        client.send(head.as_bytes()).await;
        assert_eq!(client.response().await.expect("an answer").status, status, "{head}");
    }
    let bytes = get("/public/x").bytes("h");
    for size in [1, 2, 3, 20, 24, 25] {
        let mut client = gateway.connect().await;
        for piece in bytes.chunks(size) {
            client.send(piece).await;
        }
        assert_eq!(client.response().await.expect("an answer").status, 200, "in pieces of {size}");
    }
}

#[tokio::test]
async fn the_preface_may_come_in_pieces() {
    let upstream = Upstream::start().await;
    let gateway = with_h2c(&upstream).start().await;
    // An empty SETTINGS frame behind the preface, and the acknowledgement of the server's own.
    let all = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    for size in [1, 5, 23, 24, 33] {
        let mut client = gateway.connect().await;
        for piece in all.chunks(size) {
            client.send(piece).await;
            tokio::task::yield_now().await;
        }
        let head = client.take(9).await.expect("the server's SETTINGS");
        assert_eq!((head[3], &head[5..]), (4, &[0; 4][..]), "in pieces of {size}: {head:?}");
    }
}

/// What comes back to these bytes, and then the end.
async fn said(mut client: Client, bytes: &[u8]) -> Vec<(u16, String)> {
    client.send(bytes).await;
    client.finish().await;
    let mut answers = Vec::new();
    while let Last::Answer(answer) = client.last().await {
        answers.push((answer.status, answer.text()));
    }
    answers
}

#[tokio::test]
async fn what_only_looks_like_the_preface_is_what_it_is_on_any_other_listener() {
    let upstream = Upstream::start().await;
    let gateway = with_h2c(&upstream).listener(json!({})).start().await;
    for bytes in [
        &b"PRI * HTTP/2.0\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX",
        b"PRI * HTTP/1.1\r\nHost: h\r\n\r\n",
        b"pri * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let here = said(gateway.connect().await, bytes).await;
        let there = said(Client::connect(gateway.second_address()).await, bytes).await;
        assert_eq!(here, there, "{}", bytes.escape_ascii());
    }
    // There the preface itself is a request like any other, and not HTTP/2.
    let there = said(Client::connect(gateway.second_address()).await, PREFACE).await;
    assert!(there.iter().all(|(status, _)| (400..500).contains(status)), "{there:?}");
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn an_upgrade_to_h2c_is_no_upgrade() {
    let upstream = Upstream::start().await;
    let gateway = with_h2c(&upstream).start().await;
    let upgrade = get(plain(APP))
        .header("Connection: Upgrade, HTTP2-Settings")
        .header("Upgrade: h2c")
        .header("HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA");
    let mut client = gateway.connect().await;
    assert_eq!(client.ask(&upgrade.clone()).await.verdict(), (401, "39".into()));
    let answer = client.ask(&upgrade.token(tokens::good())).await;
    assert_eq!(answer.verdict(), (200, "0".into()));
    let seen = upstream.only();
    assert_eq!((seen.head.get("Upgrade"), seen.head.get("HTTP2-Settings")), (None, None));
    assert_eq!(client.ask(&get("/public/x")).await.status, 200, "the connection speaks HTTP/1.1 as before");
}

#[tokio::test]
async fn a_preface_that_is_slow_or_never_comes_ends_the_connection_in_time() {
    let upstream = Upstream::start().await;
    let limits = |head: &str, idle: &str| json!({ "head_read_timeout": head, "client_idle": idle });
    let slow = with_h2c(&upstream).set("/limits", limits("300ms", LONG)).start().await;
    let silent = with_h2c(&upstream).set("/limits", limits(LONG, "300ms")).start().await;
    for (gateway, start) in [(&slow, &PREFACE[..1]), (&slow, &PREFACE[..23]), (&silent, b"")] {
        let began = Instant::now();
        let mut client = gateway.connect().await;
        client.send(start).await;
        assert!(client.closed().await);
        assert!(began.elapsed() >= NEARLY && began.elapsed() < BOUND, "{:?}", began.elapsed());
    }
    // Also where a byte comes now and then, and where what began like a preface goes on as a head.
    for start in [PREFACE, b"PRI /public/x HTTP/1.1\r\nHost: h\r\nX-Slow: 12345678"] {
        let began = Instant::now();
        let mut client = slow.connect().await;
        let mut pause = tokio::time::interval(Duration::from_millis(40));
        for byte in start.iter().take(23).chain(start.iter().skip(23).cycle()) {
            // Slow on purpose.
            pause.tick().await;
            client.send(&[*byte]).await;
            if tokio::time::timeout(Duration::from_millis(5), client.closed()).await.is_ok() {
                break;
            }
            assert!(began.elapsed() < BOUND, "it stays open");
        }
        assert!(began.elapsed() >= NEARLY && began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn an_idle_connection_ends_in_time() {
    let upstream = Upstream::start().await;
    let gateway = with_h2c(&upstream).set("/limits", json!({ "client_idle": "300ms" })).start().await;
    let mut h2 = http_2(&gateway).await;
    assert_eq!(h2.ask("GET", "/public/x", &[], b"").await.status, 200);
    let began = Instant::now();
    assert!(h2.ends().await.is_none_or(|code| code == 0));
    assert!(began.elapsed() >= NEARLY && began.elapsed() < BOUND, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_stop_says_goodbye_and_waits_for_nobody_who_said_nothing() {
    let upstream = Upstream::start().await;
    let builder = with_h2c(&upstream).listener(json!({ "proxy_protocol": true }));
    let mut gateway = builder.set("/server/trusted_proxies", json!(["127.0.0.1"])).start().await;
    let mut h2 = http_2(&gateway).await;
    assert_eq!(h2.ask("GET", "/public/x", &[], b"").await.status, 200);
    let (mut silent, mut nameless) = (gateway.connect().await, Client::connect(gateway.second_address()).await);
    gateway.signal(Signal::SIGTERM);
    assert_eq!(h2.ends().await, Some(0));
    assert!(silent.closed().await && nameless.closed().await);
    assert_eq!(gateway.ends(BOUND).await.code(), Some(0), "{}", gateway.printed());
}

#[tokio::test]
async fn a_proxy_header_may_come_before_either() {
    let upstream = Upstream::start().await;
    let builder = with_h2c(&upstream).set("/listeners/0/proxy_protocol", true.into());
    let gateway = builder.set("/server/trusted_proxies", json!(["127.0.0.1"])).start().await;
    for header in [v1("192.0.2.7:4660"), v2("192.0.2.7:4660", 60)] {
        let mut client = gateway.connect().await;
        client.send(&header).await;
        let mut h2 = H2::start(client).await;
        let spoofed = [("x-forwarded-for", "6.6.6.6")];
        assert_eq!(h2.ask("GET", "/public/x", &spoofed, b"").await.status, 200);
        assert_eq!(upstream.only().head.get("X-Forwarded-For"), Some("192.0.2.7"));
        let mut client = gateway.connect().await;
        client.send(&header).await;
        assert_eq!(client.ask(&get("/public/x")).await.status, 200);
        assert_eq!(upstream.only().head.get("X-Forwarded-For"), Some("192.0.2.7"));
    }
    // A preface alone is no header.
    let mut client = gateway.connect().await;
    client.send(PREFACE).await;
    assert!(client.closed().await);
    gateway.counted("rtms_connections_refused_total", &[("reason", "proxy_header")], 1).await;
}
