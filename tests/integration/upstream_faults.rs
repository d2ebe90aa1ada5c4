//! Upstreams that are dead, slow, or break off: which answer the client gets, and what is counted.

use std::net::SocketAddr;

use serde_json::json;

use crate::support::client::{get, post, set_user};
use crate::support::gateway::{Gateway, gateway, to_peers};
use crate::support::load::Plan;
use crate::support::upstream::{Behaviour, Upstream};
use crate::support::{APP, USER, plain, poll, ports, tokens};

/// Nobody listens there.
fn nobody() -> SocketAddr {
    ports::free()
}

/// An answer of the gateway's own, in the standard form.
async fn assert_error(gateway: &Gateway, status: u16, reason: &str) {
    let answer = gateway.ask(&get(plain(APP)).token(tokens::good())).await;
    assert_eq!(answer.verdict(), (status, "1".into()), "{}", answer.text());
    assert!(answer.text().starts_with(r#"{"code":"1","status":""#), "{}", answer.text());
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    assert!(answer.header("X-Request-Id").is_some());
    assert_eq!(answer.header("WWW-Authenticate"), None);
    let status = status.to_string();
    let labels = [("route", "plain"), ("method", "GET"), ("status", status.as_str())];
    let metrics = gateway.counted("rtms_requests_total", &labels, 1).await;
    assert_eq!(metrics.count("rtms_errors_total", &[("route", "plain"), ("reason", reason)]), 1);
    assert_eq!(metrics.count("rtms_rejections_total", &[]), 0, "an error is no rejection");
}

#[tokio::test]
async fn two_peers_one_dead_every_request_succeeds_and_retries_are_counted() {
    let upstream = Upstream::start().await;
    let dead = nobody();
    let gateway = to_peers(&[dead, upstream.address()]).customer().start().await;
    let mut client = gateway.connect().await;
    for n in 0..40 {
        let answer = client.ask(&set_user(APP, USER).token(tokens::good())).await;
        assert_eq!(answer.verdict(), (200, "0".into()), "request {n}");
    }
    assert_eq!(upstream.count(), 40);
    assert!(upstream.requests().iter().all(|r| r.body.content.ends_with(b"\"}")), "bodies survive a retry");
    let metrics = gateway.counted("rtms_requests_total", &[], 40).await;
    let retries = metrics.count("rtms_upstream_retries_total", &[("upstream", "rtms")]);
    assert!((1..=40).contains(&retries), "{retries}");
    let peer = dead.to_string();
    let of_dead = metrics.count("rtms_upstream_requests_total", &[("peer", peer.as_str())]);
    assert_eq!(of_dead, retries, "each attempt at the dead peer was repeated once");
    let alive = upstream.address().to_string();
    let labels = [("upstream", "rtms"), ("peer", alive.as_str()), ("outcome", "ok")];
    assert_eq!(metrics.count("rtms_upstream_requests_total", &labels), 40);
    assert_eq!(metrics.count("rtms_errors_total", &[]), 0);
}

#[tokio::test]
async fn a_refused_connection_is_502() {
    let gateway = to_peers(&[nobody()]).customer().start().await;
    assert_error(&gateway, 502, "upstream_unavailable").await;
}

#[tokio::test]
async fn a_reset_connection_is_502() {
    let upstream = Upstream::start().await;
    upstream.behave(Behaviour::Reset);
    let gateway = gateway(&upstream).customer().start().await;
    assert_error(&gateway, 502, "upstream_unavailable").await;
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_or_in_its_head_is_502() {
    for behaviour in [Behaviour::Close, Behaviour::Raw(b"HTTP/1.1 200 OK\r\nContent-Len".to_vec())] {
        let upstream = Upstream::start().await;
        upstream.behave(behaviour);
        let gateway = gateway(&upstream).customer().start().await;
        assert_error(&gateway, 502, "upstream_unavailable").await;
    }
}

#[tokio::test]
async fn a_request_that_may_have_had_an_effect_is_not_repeated() {
    let upstream = Upstream::start().await;
    upstream.behave(Behaviour::Reset);
    let gateway = gateway(&upstream).customer().start().await;
    let answer = gateway.ask(&set_user(APP, USER).token(tokens::good())).await;
    assert_eq!(answer.verdict(), (502, "1".into()));
    assert_eq!(upstream.count(), 1, "a POST that reached the upstream");
    // A GET is idempotent.
    let answer = gateway.ask(&get(plain(APP)).token(tokens::good())).await;
    assert_eq!(answer.verdict(), (502, "1".into()));
    assert_eq!(upstream.count(), 3, "and a GET, repeated once");
}

#[tokio::test]
async fn an_upstream_that_takes_too_long_is_504() {
    let upstream = Upstream::start().await;
    upstream.behave(Behaviour::Hang);
    let gateway = gateway(&upstream).customer().set("/upstreams/rtms/timeouts/read", "300ms".into());
    let gateway = gateway.set("/upstreams/rtms/retries", json!(0)).start().await;
    assert_error(&gateway, 504, "upstream_timeout").await;
}

#[tokio::test]
async fn no_peer_that_resolves_is_503() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().set("/upstreams/rtms/peers/0/address", "nobody.invalid:80".into());
    let gateway = gateway.start().await;
    assert_error(&gateway, 503, "no_healthy_peer").await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_passed_on_as_a_whole_one() {
    let upstream = Upstream::start().await;
    upstream.behave(Behaviour::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this".to_vec()));
    let gateway = gateway(&upstream).customer().start().await;
    let mut client = gateway.connect().await;
    let host = client.host().to_owned();
    client.send(&get(plain(APP)).token(tokens::good()).bytes(&host)).await;
    let answer = client.response().await;
    assert!(answer.as_ref().is_none_or(|answer| answer.status == 502), "{answer:?}");
}

#[tokio::test]
async fn an_upstream_that_comes_back_is_used_again() {
    let address = nobody();
    let gateway = to_peers(&[address]).customer().start().await;
    assert_eq!(gateway.verdict(APP, &tokens::good()).await, (502, "1".into()));
    let upstream = Upstream::at(address).await;
    poll::until_true("it answers", async || gateway.verdict(APP, &tokens::good()).await.0 == 200).await;
    assert!(upstream.count() > 0);
}

#[tokio::test]
async fn weights_share_the_traffic_and_connections_are_kept() {
    let (one, two) = (Upstream::start().await, Upstream::start().await);
    let peers = json!([
        { "address": one.address().to_string(), "weight": 1 },
        { "address": two.address().to_string(), "weight": 3 },
    ]);
    let gateway = gateway(&one).customer().set("/upstreams/rtms/peers", peers).start().await;
    let mut client = gateway.connect().await;
    for _ in 0..40 {
        assert_eq!(client.ask(&get(plain(APP)).token(tokens::good())).await.status, 200);
    }
    assert_eq!(one.count() + two.count(), 40);
    assert!((5..=15).contains(&one.count()), "a quarter of 40 is {}", one.count());
    // One client connection is served by one thread at a time: a connection or two to each peer will do.
    assert!(one.connections() <= 4 && two.connections() <= 4, "{} {}", one.connections(), two.connections());
}

#[tokio::test]
async fn the_upstreams_own_errors_pass_unchanged_and_are_not_ours() {
    let upstream = Upstream::start().await;
    let body = br#"{"code":"5","status":"App unknown"}"#.to_vec();
    let headers = vec!["Content-Type: application/json".to_owned(), "X-From: rtmsAPI".to_owned()];
    upstream.behave(Behaviour::Answer("503 Away", headers, body.clone()));
    let gateway = gateway(&upstream).customer().start().await;
    let answer = gateway.ask(&get(plain(APP)).token(tokens::good())).await;
    assert_eq!((answer.status, &answer.body), (503, &body));
    assert_eq!(answer.header("X-From"), Some("rtmsAPI"));
    let metrics = gateway.counted("rtms_requests_total", &[("route", "plain"), ("status", "503")], 1).await;
    assert_eq!(metrics.count("rtms_errors_total", &[]), 0);
}

#[tokio::test]
async fn a_client_that_stalls_in_its_upload_is_no_fault_of_the_upstream() {
    let upstream = Upstream::start().await;
    let timeouts = json!({ "read": "300ms", "write": "300ms" });
    let gateway = gateway(&upstream).customer().set("/upstreams/rtms/timeouts", timeouts).start().await;
    let head = post(plain(APP), b"half of it".to_vec()).token(tokens::good()).bytes("gateway.test");
    let head = String::from_utf8(head).unwrap().replace("Content-Length: 10", "Content-Length: 20");
    let mut client = gateway.connect().await;
    client.send(head.as_bytes()).await;
    assert_eq!(client.response().await.expect("an answer").verdict(), (408, "4".into()));
    let metrics = gateway.counted("rtms_rejections_total", &[("reason", "body_timeout")], 1).await;
    assert_eq!(metrics.count("rtms_errors_total", &[]), 0);
    assert_eq!(metrics.count("rtms_upstream_requests_total", &[("outcome", "timeout")]), 0);
}

#[tokio::test]
async fn retries_beyond_the_budget_are_refused_and_counted() {
    let upstream = Upstream::start().await;
    // Whatever is asked may have reached it, and GET is idempotent.
    upstream.behave(Behaviour::Close);
    let gateway = gateway(&upstream).customer().start().await;
    let load = Plan::steady(&gateway).flat_out(16).start().await;
    let of = [("upstream", "rtms")];
    poll::until_true("the budget is spent", async || {
        gateway.metrics().await.count("rtms_upstream_retries_refused_total", &of) >= 100
    })
    .await;
    let asked = load.end().await.answers.len() as u64;
    let metrics = gateway.counted("rtms_requests_total", &[("status", "502")], asked).await;
    let retried = metrics.count("rtms_upstream_retries_total", &of);
    let refused = metrics.count("rtms_upstream_retries_refused_total", &of);
    assert_eq!(retried + refused, asked, "each first attempt was repeated, or could have been");
    assert!(retried >= 1000, "{retried}: what was saved at the start");
    assert_eq!(metrics.count("rtms_upstream_requests_total", &of), asked + retried);
}
