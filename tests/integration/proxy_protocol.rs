//! Listeners behind a balancer that names the client of each connection in a PROXY header.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpSocket;

use crate::support::client::{Client, Response, get};
use crate::support::gateway::{Builder, Gateway, gateway};
use crate::support::h2::H2;
use crate::support::proxy_header::{v1, v2, v2_raw};
use crate::support::tls::{Authority, Handshake};
use crate::support::upstream::Upstream;
use crate::support::{APP, plain, poll, tokens};

/// The deadline in the tests that wait for it.
const SHORT: &str = "300ms";
/// The same, as it began a little before the test's own clock.
const NEARLY: Duration = Duration::from_millis(250);
const BOUND: Duration = Duration::from_secs(20);

/// Its first listener is behind balancers on this host, and behind an L7 proxy at 10.0.0.9.
fn behind_a_balancer(upstream: &Upstream) -> Builder {
    gateway(upstream)
        .customer()
        .set("/listeners/0/proxy_protocol", true.into())
        .set("/server/trusted_proxies", json!(["127.0.0.0/8", "10.0.0.9"]))
}

/// The same over TLS.
fn over_tls(builder: Builder, authority: &Authority) -> Builder {
    let identity = authority.identity("127.0.0.1");
    let tls = json!({ "cert": "server.pem", "key": "server.key", "http2": true });
    builder.file("server.pem", identity.cert).file("server.key", identity.key).set("/listeners/0/tls", tls)
}

/// A connection that begins with these bytes.
async fn begin(gateway: &Gateway, bytes: &[u8]) -> Client {
    let mut client = gateway.connect().await;
    client.send(bytes).await;
    client
}

/// One request after this header.
async fn ask(gateway: &Gateway, header: &[u8], line: &str) -> Response {
    begin(gateway, header).await.ask(&get("/public/x").header(line)).await
}

/// Nothing came but the end, which may be a reset: bytes were left unread.
async fn silently_closed(client: &mut Client) -> bool {
    client.take(1).await.is_none()
}

async fn refused(gateway: &Gateway, reason: &str, count: u64) {
    let metrics = gateway.counted("rtms_connections_refused_total", &[("reason", reason)], count).await;
    assert_eq!(metrics.count("rtms_connections_refused_total", &[]), count, "for no other reason");
}

#[tokio::test]
async fn the_client_that_the_header_names_is_the_client_everywhere() {
    let upstream = Upstream::start().await;
    let gateway = behind_a_balancer(&upstream).start().await;
    let clients = [("192.0.2.7:4660", "192.0.2.7"), ("[2001:db8::7]:80", "2001:db8::7")];
    for (n, (client, ip)) in clients.into_iter().enumerate() {
        for header in [v1(client), v2(client, 0), v2(client, 700)] {
            let mut connection = begin(&gateway, &header).await;
            // Every request on it, whatever the client says.
            for spoofed in ["X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "Forwarded: for=6.6.6.6"] {
                assert_eq!(connection.ask(&get("/public/x").header(spoofed)).await.status, 200);
                let seen = upstream.only();
                assert_eq!(seen.head.get("X-Forwarded-For"), Some(ip));
                assert_eq!((seen.head.get("X-Forwarded-Proto"), seen.head.get("Forwarded")), (Some("http"), None));
            }
        }
        let logged = async || gateway.access_log().iter().filter(|line| line["client"] == client).count();
        poll::until_true("the access log names the client", async || logged().await == 9).await;
        assert_eq!(gateway.access_log().len(), 9 * (n + 1));
    }
    assert_eq!(gateway.metrics().await.count("rtms_connections_refused_total", &[]), 0);
}

#[tokio::test]
async fn a_header_that_names_nobody_leaves_the_connections_own_address() {
    let upstream = Upstream::start().await;
    let gateway = behind_a_balancer(&upstream).start().await;
    let headers = [
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN 192.0.2.7 192.0.2.8 1 2\r\n".to_vec(),
        v2_raw(0x20, 0, b""),
        v2_raw(0x20, 0x11, &[9; 12]),
        v2_raw(0x21, 0x31, &[b'x'; 216]),
    ];
    for header in headers {
        assert_eq!(ask(&gateway, &header, "X-Nothing: ").await.status, 200, "{}", header.escape_ascii());
        assert_eq!(upstream.only().head.get("X-Forwarded-For"), Some("127.0.0.1"));
    }
}

#[tokio::test]
async fn a_trusted_proxy_behind_the_balancer_is_believed_about_its_client() {
    let upstream = Upstream::start().await;
    let gateway = behind_a_balancer(&upstream).start().await;
    ask(&gateway, &v1("10.0.0.9:1000"), "X-Forwarded-For: 192.0.2.7").await;
    assert_eq!(upstream.only().head.get("X-Forwarded-For"), Some("192.0.2.7, 10.0.0.9"));
    // The balancer itself is trusted, and is not who speaks here.
    ask(&gateway, &v2("10.0.0.10:1000", 0), "X-Forwarded-For: 192.0.2.7").await;
    assert_eq!(upstream.only().head.get("X-Forwarded-For"), Some("10.0.0.10"));
}

#[tokio::test]
async fn anything_but_a_header_closes_the_connection_without_a_word() {
    let upstream = Upstream::start().await;
    let gateway = behind_a_balancer(&upstream).start().await;
    let request = get("/public/x").bytes("h");
    let wrong: [&[u8]; 9] = [
        b"",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"proxy TCP4 192.0.2.7 192.0.2.80 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.80 1 2\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.80 1 65536\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.80 01 2\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x11\x11\0\x0c192.0.2.80..",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff192.0.2.80..",
    ];
    for (n, start) in (1..).zip(wrong) {
        let mut client = begin(&gateway, &[start, &request].concat()).await;
        assert!(silently_closed(&mut client).await, "{}", start.escape_ascii());
        refused(&gateway, "proxy_header", n).await;
    }
    // Broken off.
    let mut client = begin(&gateway, b"PROXY TCP4 192.").await;
    client.finish().await;
    assert!(silently_closed(&mut client).await);
    refused(&gateway, "proxy_header", 10).await;
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn one_header_is_taken_and_what_follows_is_the_clients() {
    let upstream = Upstream::start().await;
    let gateway = behind_a_balancer(&upstream).start().await;
    let twice = [v1("192.0.2.7:1"), v1("192.0.2.8:1"), get("/public/x").bytes("h")].concat();
    let answer = begin(&gateway, &twice).await.response().await;
    assert!(answer.is_none_or(|answer| answer.status == 400));
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_header_may_come_byte_by_byte_or_in_one_piece_with_the_request() {
    let upstream = Upstream::start().await;
    let gateway = behind_a_balancer(&upstream).start().await;
    for header in [v1("192.0.2.7:1"), v2("192.0.2.7:1", 5)] {
        let all = [header, get("/public/x").bytes("h")].concat();
        for size in [1, 2, 7, 15, 16, 20, 28, all.len()] {
            let mut client = gateway.connect().await;
            for piece in all.chunks(size) {
                client.send(piece).await;
                tokio::task::yield_now().await;
            }
            assert_eq!(client.response().await.expect("an answer").status, 200, "in pieces of {size}");
            assert_eq!(upstream.only().head.get("X-Forwarded-For"), Some("192.0.2.7"));
        }
    }
}

/// A connection from another address of this host.
async fn connect_from(source: &str, to: SocketAddr) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(source.parse().unwrap()).unwrap();
    Client::over(socket.connect(to).await.unwrap(), to)
}

#[tokio::test]
async fn nobody_but_a_trusted_balancer_may_connect() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("a test authority");
    for tls in [false, true] {
        let builder = behind_a_balancer(&upstream).set("/server/trusted_proxies", json!(["127.0.0.2"]));
        let gateway = if tls { over_tls(builder, &authority) } else { builder }.start().await;
        // At once: nothing needs to be sent.
        let mut silent = gateway.connect().await;
        assert!(silently_closed(&mut silent).await);
        let mut client = begin(&gateway, &v1("192.0.2.7:1")).await;
        assert!(silently_closed(&mut client).await);
        refused(&gateway, "untrusted_proxy", 2).await;
        let mut trusted = connect_from("127.0.0.2:0", gateway.address()).await;
        trusted.send(&v1("192.0.2.7:1")).await;
        if !tls {
            assert_eq!(trusted.ask(&get("/public/x")).await.status, 200);
            assert_eq!(upstream.only().head.get("X-Forwarded-For"), Some("192.0.2.7"));
        }
        assert_eq!(upstream.count(), 0);
    }
}

#[tokio::test]
async fn a_header_that_is_slow_or_never_comes_ends_the_connection_in_time() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("a test authority");
    for tls in [false, true] {
        let builder = behind_a_balancer(&upstream).set("/limits", json!({ "head_read_timeout": SHORT }));
        let gateway = if tls { over_tls(builder, &authority) } else { builder }.start().await;
        for (n, start) in (1..).zip([&b""[..], b"PROXY TCP4 192.0.2.7 ", &v2("192.0.2.7:1", 600)[..400]]) {
            let began = Instant::now();
            let mut client = begin(&gateway, start).await;
            assert!(silently_closed(&mut client).await);
            assert!(began.elapsed() >= NEARLY && began.elapsed() < BOUND, "{:?}", began.elapsed());
            refused(&gateway, "proxy_header", n).await;
        }
    }
}

#[tokio::test]
async fn a_balancer_that_only_looks_whether_somebody_listens_is_not_counted_or_logged() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("a test authority");
    for tls in [false, true] {
        let builder = behind_a_balancer(&upstream);
        let gateway = if tls { over_tls(builder, &authority) } else { builder }.start().await;
        let before = gateway.printed();
        for _ in 0..50 {
            drop(gateway.connect().await);
        }
        let mut client = gateway.connect().await;
        client.finish().await;
        assert!(silently_closed(&mut client).await);
        poll::until_true("they are gone", async || gateway.metrics().await.count("rtms_connections", &[]) == 0).await;
        assert_eq!(gateway.metrics().await.count("rtms_connections_refused_total", &[]), 0);
        assert_eq!(gateway.printed(), before);
    }
}

#[tokio::test]
async fn the_header_comes_before_the_tls_handshake() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("a test authority");
    let gateway = over_tls(behind_a_balancer(&upstream), &authority).start().await;
    let bearer = format!("Bearer {}", tokens::good());
    for header in [v1("192.0.2.7:4660"), v2("192.0.2.7:4660", 300)] {
        let (mut client, _) =
            Handshake::trusting(&authority).after(header.clone()).connect(gateway.address()).await.unwrap();
        let request = get(plain(APP)).token(tokens::good()).header("X-Forwarded-For: 6.6.6.6");
        assert_eq!(client.ask(&request).await.verdict(), (200, "0".into()));
        let handshake = Handshake::trusting(&authority).protocols(&["h2"]).after(header);
        let (client, protocol) = handshake.connect(gateway.address()).await.unwrap();
        assert_eq!(protocol, "h2");
        let headers = [("authorization", &*bearer), ("x-forwarded-for", "6.6.6.6")];
        assert_eq!(H2::start(client).await.ask("GET", &plain(APP), &headers, b"").await.status, 200);
        for seen in upstream.take() {
            assert_eq!(seen.head.get("X-Forwarded-For"), Some("192.0.2.7"));
            assert_eq!(seen.head.get("X-Forwarded-Proto"), Some("https"));
        }
    }
    // None, and one inside TLS.
    assert!(Handshake::trusting(&authority).connect(gateway.address()).await.is_err());
    refused(&gateway, "proxy_header", 1).await;
    let (mut client, _) =
        Handshake::trusting(&authority).after(v1("192.0.2.7:1")).connect(gateway.address()).await.unwrap();
    client.send(&[v1("192.0.2.8:1"), get("/public/x").bytes("h")].concat()).await;
    assert!(client.response().await.is_none_or(|answer| answer.status == 400));
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn listeners_beside_it_know_nothing_of_it() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("a test authority");
    let tls = json!({ "tls": { "cert": "server.pem", "key": "server.key" } });
    let builder = over_tls(behind_a_balancer(&upstream), &authority).listener(tls).listener(json!({}));
    let gateway = builder.start().await;
    let (mut client, _) = Handshake::trusting(&authority).connect(gateway.second_address()).await.unwrap();
    assert_eq!(client.ask(&get("/public/x")).await.status, 200);
    assert_eq!(upstream.only().head.get("X-Forwarded-For"), Some("127.0.0.1"));
    let after = Handshake::trusting(&authority).after(v1("192.0.2.7:1")).connect(gateway.second_address()).await;
    assert!(after.is_err(), "a header where none belongs is no TLS");
    assert_eq!(gateway.metrics().await.count("rtms_connections_refused_total", &[]), 0);
}

#[tokio::test]
async fn rejections_are_limited_by_the_address_that_the_header_names() {
    let upstream = Upstream::start().await;
    let limits = json!({ "rejections_per_address": { "rate": 0.001, "burst": 1 } });
    let gateway = behind_a_balancer(&upstream).set("/limits", limits).start().await;
    let rejected = async |client: &str, line: &str| {
        begin(&gateway, &v1(client)).await.ask(&get(plain(APP)).header(line)).await.status
    };
    assert_eq!(rejected("192.0.2.7:1", "X-Nothing: ").await, 401);
    assert_eq!(rejected("192.0.2.7:2", "X-Forwarded-For: 9.9.9.9").await, 429);
    assert_eq!(rejected("192.0.2.8:1", "X-Forwarded-For: 192.0.2.7").await, 401);
    // A trusted proxy's clients, each.
    assert_eq!(rejected("10.0.0.9:1", "X-Forwarded-For: 203.0.113.1").await, 401);
    assert_eq!(rejected("10.0.0.9:1", "X-Forwarded-For: 203.0.113.2").await, 401);
    assert_eq!(rejected("10.0.0.9:1", "X-Forwarded-For: 203.0.113.1").await, 429);
}
