//! Limits of what is under way: requests in total, and verified ones of an app.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::client::{Client, Request, Response, get, post, set_user};
use crate::support::gateway::{Builder, Gateway, gateway};
use crate::support::h2::H2;
use crate::support::tls::{Authority, Handshake};
use crate::support::upstream::{Behaviour, Upstream};
use crate::support::{APP, SECRET, USER, plain, poll, tokens};

const LIMITED: &str = r#"{"code":"4","status":"Too many requests"}"#;
const TOTAL: &str = "concurrent_requests";
const OF_AN_APP: &str = "concurrent_requests_per_app";

fn with(upstream: &Upstream, limit: &str, most: usize) -> Builder {
    gateway(upstream).customer().app("TR_OTHER", SECRET).set(&format!("/limits/{limit}"), json!(most))
}

fn good(app: &str) -> Request {
    get(plain(app)).token(tokens::of(app, USER, SECRET))
}

/// Connections on which this request is under way: it has come to the upstream.
async fn under_way(gateway: &Gateway, upstream: &Upstream, request: &Request, count: usize) -> Vec<Client> {
    let before = upstream.count();
    let mut clients = Vec::new();
    for n in 1..=count {
        let mut client = gateway.connect().await;
        let bytes = request.bytes(client.host());
        client.send(&bytes).await;
        upstream.arrived(before + n).await;
        clients.push(client);
    }
    clients
}

fn assert_limited(answer: &Response) {
    assert_eq!((answer.status, answer.text().as_str(), answer.header("Retry-After")), (429, LIMITED, Some("1")));
    assert!(answer.header("X-Request-Id").is_some());
}

async fn passes_again(gateway: &Gateway, upstream: &Upstream) {
    upstream.behave(Behaviour::success());
    poll::until_true("a place", async || gateway.ask(&good(APP)).await.status == 200).await;
}

#[tokio::test]
async fn over_the_total_every_request_is_shed_and_the_upstream_sees_nothing() {
    let upstream = Upstream::start().await;
    let gateway = with(&upstream, TOTAL, 3).start().await;
    upstream.behave(Behaviour::Hang);
    let held = under_way(&gateway, &upstream, &good(APP), 3).await;
    let preflight =
        get(plain(APP)).method("OPTIONS").header("Origin: https://a").header("Access-Control-Request-Method: GET");
    let all = [
        good(APP),
        good("TR_OTHER"),
        get(plain(APP)),
        get("/public/x"),
        get("/unknown"),
        get("/a;b"),
        preflight,
        set_user(APP, USER),
    ];
    let mut client = gateway.connect().await;
    for request in &all {
        let answer = client.ask(request).await;
        assert_limited(&answer);
        assert!(!answer.head.lists("connection", "close"), "{request:?}");
    }
    assert_eq!(upstream.count(), 3);
    gateway.counted("rtms_limited_total", &[("limit", TOTAL)], all.len() as u64).await;
    gateway.counted("rtms_rejections_total", &[("route", "none"), ("reason", "rate_limited")], all.len() as u64).await;
    poll::until_true("the log", async || {
        gateway.access_log().iter().filter(|l| l["limit"] == TOTAL && l["status"] == 429).count() == all.len()
    })
    .await;
    assert_eq!(gateway.readyz().await.0, 200);
    drop(held);
    passes_again(&gateway, &upstream).await;
}

#[tokio::test]
async fn what_is_shed_is_answered_before_its_body_comes() {
    let upstream = Upstream::start().await;
    let gateway = with(&upstream, TOTAL, 1).start().await;
    upstream.behave(Behaviour::Hang);
    let held = under_way(&gateway, &upstream, &good(APP), 1).await;
    let bytes = post(plain(APP), "x".repeat(1000)).token(tokens::good()).bytes(gateway.connect().await.host());
    let (start, body) = bytes.split_at(bytes.len() - 1000);
    let (mut stalling, mut fastest) = (Vec::new(), Duration::MAX);
    for _ in 0..5 {
        let mut client = gateway.connect().await;
        let asked = Instant::now();
        client.send(start).await;
        let answer = client.response().await.expect("an answer");
        fastest = fastest.min(asked.elapsed());
        assert_limited(&answer);
        assert!(answer.head.lists("connection", "close"));
        stalling.push(client);
    }
    // A body is waited for for a second where it is.
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");
    stalling[0].send(body).await;
    assert!(stalling[0].closed().await);
    // Where its end isn't plain, nothing more is read.
    for framing in ["Transfer-Encoding: chunked\r\nContent-Length: 5", "Content-Length: 5\r\nExpect: 100-continue"] {
        let mut client = gateway.connect().await;
        client.send(format!("POST {} HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n", plain(APP)).as_bytes()).await;
        assert_limited(&client.response().await.expect("an answer"));
        assert!(client.closed().await, "{framing}");
    }
    assert_eq!(upstream.count(), 1);
    drop(held);
    passes_again(&gateway, &upstream).await;
}

#[tokio::test]
async fn streams_of_http_2_count_one_by_one_and_give_their_places_back_when_they_are_cancelled() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("a test authority");
    let identity = authority.identity("127.0.0.1");
    let builder = with(&upstream, TOTAL, 2).file("server.pem", identity.cert).file("server.key", identity.key);
    let tls = json!({ "cert": "server.pem", "key": "server.key", "http2": true });
    let gateway = builder.set("/listeners/0/tls", tls).start().await;
    let handshake = Handshake::trusting(&authority).protocols(&["h2"]);
    let mut h2 = H2::start(handshake.connect(gateway.address()).await.unwrap().0).await;
    let authorization = format!("Bearer {}", tokens::good());
    let headers = [("authorization", authorization.as_str())];
    upstream.behave(Behaviour::Hang);
    let (first, second) = (h2.begin(&plain(APP), &headers).await, h2.begin(&plain(APP), &headers).await);
    upstream.arrived(2).await;
    let shed = h2.ask("GET", &plain(APP), &headers, b"").await;
    assert_eq!((shed.status, shed.field("retry-after")), (429, Some("1")));
    let shed = h2.ask("POST", &plain(APP), &headers, b"a body").await;
    assert_eq!((shed.status, upstream.count()), (429, 2));
    upstream.behave(Behaviour::success());
    h2.cancel(first).await;
    poll::until_true("a place", async || h2.ask("GET", &plain(APP), &headers, b"").await.status == 200).await;
    h2.cancel(second).await;
}

#[tokio::test]
async fn a_tunnel_holds_its_place_for_as_long_as_it_stands() {
    for limit in [TOTAL, OF_AN_APP] {
        let upstream = Upstream::start().await;
        let gateway = with(&upstream, limit, 1).start().await;
        upstream.behave(Behaviour::Upgrade);
        let mut tunnel = gateway.connect().await;
        let upgrade = good(APP).header("Upgrade: websocket").header("Connection: Upgrade");
        assert_eq!(tunnel.ask(&upgrade).await.status, 101);
        assert_limited(&gateway.ask(&good(APP)).await);
        tunnel.send(b"ping").await;
        assert_eq!(tunnel.take(4).await.as_deref(), Some(&b"ping"[..]));
        drop(tunnel);
        passes_again(&gateway, &upstream).await;
    }
}

#[tokio::test]
async fn an_app_whose_places_are_taken_is_told_so_and_nobody_else_is_touched() {
    let upstream = Upstream::start().await;
    let gateway = with(&upstream, OF_AN_APP, 2).document(json!({ "appId": "TR_OPEN" })).start().await;
    upstream.behave(Behaviour::Hang);
    // Nobody without a token takes a place.
    let _open = under_way(&gateway, &upstream, &get(plain("TR_OPEN")), 3).await;
    let _public = under_way(&gateway, &upstream, &get("/public/x"), 3).await;
    for _ in 0..5 {
        assert_eq!(gateway.ask(&get(plain(APP)).token(tokens::expired())).await.status, 401);
    }
    let held = under_way(&gateway, &upstream, &good(APP), 2).await;
    upstream.behave(Behaviour::success());
    assert_limited(&gateway.ask(&good(APP)).await);
    assert_limited(&gateway.ask(&set_user(APP, USER).token(tokens::good())).await);
    assert_eq!(gateway.ask(&get(plain(APP)).token(tokens::expired())).await.status, 401, "judged all the same");
    assert_eq!(gateway.ask(&good("TR_OTHER")).await.status, 200);
    gateway.counted("rtms_limited_total", &[("limit", OF_AN_APP)], 2).await;
    gateway.counted("rtms_rejections_total", &[("route", "plain"), ("reason", "rate_limited")], 1).await;
    drop(held);
    passes_again(&gateway, &upstream).await;
}

#[tokio::test]
async fn what_one_limit_of_an_app_refuses_costs_nothing_of_the_other() {
    let upstream = Upstream::start().await;
    let gateway = with(&upstream, OF_AN_APP, 1);
    let gateway = gateway.set("/limits/requests_per_app", json!({ "rate": 0.001, "burst": 2 })).start().await;
    upstream.behave(Behaviour::Hold);
    let mut held = under_way(&gateway, &upstream, &good(APP), 1).await;
    for _ in 0..5 {
        assert_limited(&gateway.ask(&good(APP)).await);
    }
    upstream.release();
    assert_eq!(held[0].response().await.map(|answer| answer.status), Some(200));
    // One was spent: one is left. From then on the budget refuses, and keeps no place.
    assert_eq!(held[0].ask(&good(APP)).await.status, 200);
    for _ in 0..5 {
        assert_eq!(held[0].ask(&good(APP)).await.status, 429);
    }
    let metrics = gateway.counted("rtms_limited_total", &[], 10).await;
    assert_eq!(metrics.count("rtms_limited_total", &[("limit", OF_AN_APP)]), 5);
    assert_eq!(metrics.count("rtms_limited_total", &[("limit", "requests_per_app")]), 5);
}

#[tokio::test]
async fn a_reload_changes_the_numbers_and_what_is_under_way_goes_on_to_count() {
    for limit in [TOTAL, OF_AN_APP] {
        let upstream = Upstream::start().await;
        let gateway = with(&upstream, limit, 2).start().await;
        let at = format!("/limits/{limit}");
        upstream.behave(Behaviour::Hang);
        let mut held = under_way(&gateway, &upstream, &good(APP), 2).await;
        assert_limited(&gateway.ask(&good(APP)).await);
        gateway.reload(&[(&at, json!(3))], "ok").await;
        held.extend(under_way(&gateway, &upstream, &good(APP), 1).await);
        assert_limited(&gateway.ask(&good(APP)).await);
        gateway.reload(&[(&at, json!(1))], "ok").await;
        held.truncate(1);
        upstream.behave(Behaviour::success());
        poll::until_true("two are gone", async || upstream_sees_an_end(&gateway, 2).await).await;
        assert_limited(&gateway.ask(&good(APP)).await);
        gateway.reload(&[(&at, json!(null))], "ok").await;
        assert_eq!(gateway.ask(&good(APP)).await.status, 200);
        gateway.reload(&[(&at, json!(1))], "ok").await;
        assert_limited(&gateway.ask(&good(APP)).await);
        held.clear();
        passes_again(&gateway, &upstream).await;
        gateway.signal(Signal::SIGTERM);
    }
}

/// Whether so many clients are known to have left.
async fn upstream_sees_an_end(gateway: &Gateway, count: u64) -> bool {
    gateway.metrics().await.count("rtms_requests_total", &[("status", "499")]) == count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_that_vanish_at_any_moment_leave_every_place_free() {
    const MOST: usize = 8;
    let upstream = Upstream::start().await;
    let gateway = with(&upstream, TOTAL, MOST).set(&format!("/limits/{OF_AN_APP}"), json!(MOST - 1)).start().await;
    for n in 0..1000usize {
        // Some are answered, most are left hanging; each leaves at another byte, or after some of the answer.
        upstream.behave(if n % 3 == 0 { Behaviour::success() } else { Behaviour::Hang });
        let mut client = gateway.connect().await;
        let request = if n % 2 == 0 { set_user(APP, USER).token(tokens::good()) } else { good(APP) };
        let bytes = request.bytes(client.host());
        let sent = if n % 5 == 0 { fastrand::usize(..bytes.len()) } else { bytes.len() };
        client.send(&bytes[..sent]).await;
        if n % 7 == 0 && n % 3 == 0 && sent == bytes.len() {
            client.response().await;
        }
    }
    upstream.behave(Behaviour::Hang);
    let mut held = Vec::new();
    for (app, wanted) in [(APP, MOST - 1), ("TR_OTHER", 1)] {
        for _ in 0..wanted {
            held.push(place_of(&gateway, &upstream, app).await);
        }
        assert_limited(&gateway.ask(&good(app)).await);
    }
    let metrics = gateway.metrics().await;
    assert!(metrics.count("rtms_limited_total", &[("limit", OF_AN_APP)]) > 0);
}

/// A connection on which a request of this app is under way, as soon as there is a place for it.
async fn place_of(gateway: &Gateway, upstream: &Upstream, app: &str) -> Client {
    poll::until("a place", async || {
        let mut client = gateway.connect().await;
        // Its own path, to be told from others at the upstream.
        let mark = fastrand::u64(..).to_string();
        let request = get(format!("{}?mark={mark}", plain(app))).token(tokens::of(app, USER, SECRET));
        let bytes = request.bytes(client.host());
        client.send(&bytes).await;
        let arrived = async {
            poll::until_true("at the upstream", async || {
                upstream.requests().iter().any(|r| r.target().contains(&mark))
            })
            .await;
        };
        let refused = tokio::select! {
            () = arrived => false,
            answer = client.response() => { assert_eq!(answer.map(|a| a.status), Some(429)); true }
        };
        (!refused).then_some(client)
    })
    .await
}

#[tokio::test]
async fn rejected_requests_whose_bodies_never_come_take_no_places() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().set("/limits/concurrent_requests", json!(3)).start().await;
    let mut rejected = Vec::new();
    for _ in 0..6 {
        let mut client = gateway.connect().await;
        let head = format!("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n", plain(APP));
        client.send(head.as_bytes()).await;
        rejected.push(client);
    }
    let good = get(plain(APP)).token(tokens::good());
    let mut shed = 0;
    for _ in 0..100 {
        shed += usize::from(gateway.ask(&good).await.status != 200);
    }
    // While they are judged they do take places, for some microseconds.
    assert!(shed <= 5, "{shed} of 100");
}
