//! What happens on a connection: keep-alive through rejections, methods, preflights, upgrades.

use crate::support::client::{Last, Request, get, post, set_user, websocket};
use crate::support::gateway::gateway;
use crate::support::upstream::{Behaviour, SUCCESS, Upstream};
use crate::support::{APP, USER, plain, poll, setuserid, tokens};

/// One turn of a long conversation: what is asked, the verdict, and whether the upstream sees it.
fn turns() -> Vec<(Request, (u16, &'static str))> {
    let unread = vec![b'x'; 10_000];
    vec![
        (set_user(APP, USER).token(tokens::good()), (200, "0")),
        (get(plain(APP)).token("wrong"), (401, "38")),
        (get(plain(APP)).token(tokens::good()), (200, "0")),
        (post(plain(APP), unread.clone()).token("wrong"), (401, "38")),
        (post(plain(APP), unread.clone()).token(tokens::good()), (200, "0")),
        (set_user(APP, USER), (401, "39")),
        (set_user(APP, "another user").token(tokens::good()), (401, "38")),
        (post("/nowhere", unread.clone()), (404, "4")),
        (get(setuserid(APP)).token(tokens::good()), (405, "4")),
        (post(plain(APP), unread).token(tokens::expired()), (401, "40")),
    ]
}

#[tokio::test]
async fn two_hundred_requests_on_one_connection_with_rejections_between() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let mut client = gateway.connect().await;
    let turns = turns();
    for round in 0..20 {
        for (request, (status, code)) in &turns {
            let answer = client.ask(request).await;
            assert_eq!(answer.verdict(), (*status, (*code).to_owned()), "round {round}: {request:?}");
            assert!(!answer.head.lists("connection", "close"), "round {round}: {request:?}");
        }
    }
    let forwarded = upstream.requests();
    assert_eq!(forwarded.len(), 60, "three turns of ten");
    assert!(forwarded.iter().all(|request| request.complete));
    assert!(forwarded.chunks(3).all(|three| three[2].body.content == vec![b'x'; 10_000]));
    let metrics = gateway.counted("rtms_requests_total", &[], 200).await;
    assert_eq!(metrics.count("rtms_rejections_total", &[]), 140);
    assert_eq!(metrics.count("rtms_requests_total", &[("route", "none"), ("status", "404")]), 20);
}

#[tokio::test]
async fn an_early_answer_to_a_body_too_large_to_drain_closes_the_connection() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let mut client = gateway.connect().await;
    let head = format!("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n", plain(APP));
    client.send(head.as_bytes()).await;
    assert_eq!(client.response().await.expect("an answer").verdict(), (401, "39".into()));
    assert!(client.closed().await);
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn pipelined_requests_are_judged_one_by_one_and_answered_in_order() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let mut client = gateway.connect().await;
    let host = client.host().to_owned();
    let requests = [get(plain(APP)), get(plain(APP)).token(tokens::good()), get(plain(APP)).token(tokens::expired())];
    client.send(&requests.iter().flat_map(|request| request.bytes(&host)).collect::<Vec<u8>>()).await;
    let mut verdicts = Vec::new();
    while let Last::Answer(answer) = client.last().await {
        verdicts.push(answer.verdict());
    }
    // A server may close before it answered them all (RFC 9112 section 9.3.2), but never mix them up.
    let wanted = [(401, "39".to_owned()), (200, "0".to_owned()), (401, "40".to_owned())];
    assert!(!verdicts.is_empty() && wanted.starts_with(&verdicts), "{verdicts:?}");
    let forwarded = upstream.take();
    assert!(forwarded.len() <= 1 && forwarded.iter().all(|r| r.head.get("Authorization").is_some()), "{forwarded:#?}");
}

#[tokio::test]
async fn head_is_judged_like_get_and_answered_without_a_body() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let mut client = gateway.connect().await;
    let head = |token: &str| get(format!("/rtmsAPI/api/v1/{APP}/lookup?userId={USER}")).method("HEAD").token(token);
    let answer = client.ask(&head(&tokens::good())).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("Content-Length"), Some(SUCCESS.len().to_string().as_str()));
    let answer = client.ask(&head("wrong")).await;
    assert_eq!(answer.status, 401);
    // Nothing of a body came: the next answer starts where it must.
    let answer = client.ask(&get(plain(APP)).token(tokens::good())).await;
    assert_eq!(answer.text(), SUCCESS);
    assert_eq!(upstream.take().iter().map(|r| r.method().to_owned()).collect::<Vec<_>>(), ["HEAD", "GET"]);
}

#[tokio::test]
async fn unknown_paths_are_404_and_unlisted_methods_405_with_allow() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let unknown = gateway.ask(&get("/rtmsAPI/api").token(tokens::good())).await;
    assert_eq!(unknown.verdict(), (404, "4".into()));
    assert_eq!(unknown.header("Content-Type"), Some("application/json"));

    let post_only = gateway.ask(&get(setuserid(APP)).token(tokens::good())).await;
    assert_eq!((post_only.verdict(), post_only.header("Allow")), ((405, "4".into()), Some("POST")));
    let get_only = post(format!("/rtmsAPI/api/v1/{APP}/lookup"), "").token(tokens::good());
    let get_only = gateway.ask(&get_only).await;
    let allow: Vec<&str> = get_only.header("Allow").expect("Allow").split(',').map(str::trim).collect();
    assert_eq!((get_only.status, allow), (405, vec!["GET", "HEAD"]));
    // The form is the route's.
    let sdk = gateway.ask(&get(format!("/rtmsAPI/api/v1/sdk/{APP}/setuserid"))).await;
    assert!(sdk.status == 405 && sdk.text().starts_with(r#"{"code":4,"#), "{}", sdk.text());
    assert_eq!(upstream.count(), 0);
    let metrics = gateway.counted("rtms_rejections_total", &[], 4).await;
    assert_eq!(metrics.count("rtms_rejections_total", &[("route", "none"), ("reason", "route_unknown")]), 1);
    assert_eq!(metrics.count("rtms_rejections_total", &[("route", "setuserid"), ("reason", "method_not_allowed")]), 1);
}

#[tokio::test]
async fn methods_outside_the_registry_share_one_label() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let answer = gateway.ask(&get(plain(APP)).method("PURGE").token(tokens::good())).await;
    assert_eq!(answer.verdict(), (200, "0".into()));
    assert_eq!(upstream.only().method(), "PURGE");
    let trace = gateway.ask(&get(plain(APP)).method("TRACE").token(tokens::good())).await;
    assert_eq!(trace.status, 405);
    assert_eq!(upstream.count(), 0);
    let labels = [("route", "plain"), ("method", "OTHER"), ("status", "200")];
    gateway.counted("rtms_requests_total", &labels, 1).await;
}

#[tokio::test]
async fn a_preflight_is_forwarded_unjudged_and_nothing_else_is() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let options = get(setuserid(APP)).method("OPTIONS").header("Origin: https://example.com");
    let asking = |method: &str| options.clone().header(format!("Access-Control-Request-Method: {method}"));
    assert_eq!(gateway.ask(&asking("POST")).await.status, 200);
    assert_eq!(upstream.only().method(), "OPTIONS");
    // For a method that the route doesn't take, or an app that nobody knows: the first is no route, the second is
    // the upstream's business.
    assert_eq!(gateway.ask(&asking("DELETE")).await.status, 405);
    // OPTIONS alone is a method like any other: not the route's here, judged there.
    assert_eq!(gateway.ask(&options).await.status, 405);
    let judged = gateway.ask(&get(plain(APP)).method("OPTIONS").header("Origin: https://example.com")).await;
    assert_eq!(judged.verdict(), (401, "39".into()));
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_websocket_upgrade_passes_both_ways_once_it_is_judged() {
    let upstream = Upstream::start().await;
    upstream.behave(Behaviour::Upgrade);
    let gateway = gateway(&upstream).customer().start().await;
    let upgrade = websocket(plain(APP));
    let refused = gateway.ask(&upgrade.clone().token("wrong")).await;
    assert_eq!(refused.verdict(), (401, "38".into()));
    assert_eq!(upstream.count(), 0);

    let mut client = gateway.connect().await;
    let answer = client.ask(&upgrade.token(tokens::good())).await;
    assert_eq!(answer.status, 101, "{:?}", answer.head);
    assert!(answer.header("Upgrade").is_some_and(|u| u.eq_ignore_ascii_case("websocket")));
    for message in [&b"\x81\x05hello"[..], &[0, 255, 13, 10, 0], &vec![7; 100_000]] {
        client.send(message).await;
        assert!(client.take(message.len()).await.is_some_and(|echo| echo == message));
    }
    let seen = upstream.only();
    assert!(seen.head.lists("connection", "upgrade"), "{:?}", seen.head.headers);
    assert_eq!(seen.head.get("Sec-WebSocket-Key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
    assert_eq!(seen.head.get("X-Rtms-App-Id"), Some(APP));
    client.finish().await;
    assert!(client.closed().await);
}

#[tokio::test]
async fn an_idle_tunnel_ends_without_a_word_and_is_no_error() {
    let upstream = Upstream::start().await;
    upstream.behave(Behaviour::Upgrade);
    let timeouts = serde_json::json!({ "tunnel": "300ms" });
    let gateway = gateway(&upstream).customer().set("/upstreams/rtms/timeouts", timeouts).start().await;
    let mut client = gateway.connect().await;
    assert_eq!(client.ask(&websocket(plain(APP)).token(tokens::good())).await.status, 101);
    client.send(b"ping").await;
    assert_eq!(client.take(4).await.as_deref(), Some(&b"ping"[..]));
    assert_eq!(client.take(1).await, None, "nothing is written into a tunnel");
    let metrics = gateway.counted("rtms_requests_total", &[("status", "101")], 1).await;
    assert_eq!(metrics.count("rtms_errors_total", &[]), 0);
    assert_eq!(metrics.count("rtms_rejections_total", &[]), 0);
    assert_eq!(metrics.count("rtms_upstream_requests_total", &[("outcome", "ok")]), 1);
}

#[tokio::test]
async fn what_passes_through_a_tunnel_is_no_body_with_a_bound() {
    let upstream = Upstream::start().await;
    upstream.behave(Behaviour::Upgrade);
    let gateway = gateway(&upstream).customer().set("/routes/6/max_body_bytes", 10.into()).start().await;
    let mut client = gateway.connect().await;
    assert_eq!(client.ask(&websocket(plain(APP)).token(tokens::good())).await.status, 101);
    let message = vec![1; 200_000];
    client.send(&message).await;
    assert!(client.take(message.len()).await.is_some_and(|echo| echo == message));
}

#[tokio::test]
async fn only_a_websocket_handshake_has_a_tunnels_patience() {
    let upstream = Upstream::start().await;
    upstream.behave(Behaviour::Hang);
    let timeouts = serde_json::json!({ "read": "200ms" });
    let gateway = gateway(&upstream).customer().set("/upstreams/rtms/timeouts", timeouts).start().await;
    let other = get(plain(APP)).header("Connection: Upgrade").header("Upgrade: foo").token(tokens::good());
    assert_eq!(gateway.ask(&other).await.verdict(), (504, "1".into()));
}

#[tokio::test]
async fn http_1_0_is_answered_and_the_connection_closed() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let mut client = gateway.connect().await;
    client.send(format!("GET {} HTTP/1.0\r\nHost: h\r\n\r\n", plain(APP)).as_bytes()).await;
    assert_eq!(client.response().await.expect("an answer").verdict(), (401, "39".into()));
    assert!(client.closed().await);
}

#[tokio::test]
async fn open_connections_are_counted_by_listener() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let count = async || gateway.metrics().await.count("rtms_connections", &[]);
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = gateway.connect().await;
        client.ask(&get(plain(APP))).await;
        clients.push(client);
    }
    assert_eq!(count().await, 3);
    drop(clients);
    poll::until_true("closed connections are no longer counted", async || count().await == 0).await;
}
