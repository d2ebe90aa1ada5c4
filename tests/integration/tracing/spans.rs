//! What spans say: who is whose parent, where the time went, and nothing of a user.

use std::time::Duration;

use serde_json::json;

use super::collector::{Collector, Span};
use super::{CALLER, TRACE, all, caller, good, told, traced};
use crate::support::client::{get, set_user};
use crate::support::gateway::to_peers;
use crate::support::h2::H2;
use crate::support::tls::{Authority, Handshake};
use crate::support::upstream::{Behaviour, Upstream};
use crate::support::{APP, SECRET, USER, plain, poll, ports, tokens};
use crate::upstream_http2::{Server, both_sides};

/// Names of spans, in their order.
fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

#[tokio::test]
async fn a_forwarded_request_is_a_span_between_its_caller_and_its_upstream() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let gateway = traced(&upstream, all(&collector)).start().await;
    gateway.ask(&good("r-1").header(caller("00"))).await;
    let [trace, parent, _] = told(&upstream.only());
    let spans = collector.request("r-1").await;
    assert_eq!(names(&spans), ["GET plain", "judge", "upstream"]);
    let [server, judge, attempt] = spans.as_slice() else { panic!("{spans:#?}") };
    assert_eq!((server.trace.as_str(), server.parent.as_str(), server.kind), (TRACE, CALLER, "SERVER"));
    assert_eq!((&attempt.trace, &attempt.id, &attempt.parent), (&trace, &parent, &server.id));
    assert_eq!((attempt.kind, judge.kind), ("CLIENT", "INTERNAL"));
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/rtmsAPI/api/{version}/{appId}/plain"),
        ("rtms.route", "plain"),
        ("http.response.status_code", "200"),
        ("network.protocol.version", "1.1"),
        ("url.scheme", "http"),
        ("rtms.app", APP),
        ("rtms.reason", ""),
        ("client.address", ""),
    ] {
        assert_eq!(server.of(key), value, "{key}");
    }
    let (host, port) = (upstream.address().ip().to_string(), upstream.address().port().to_string());
    assert_eq!((attempt.of("server.address"), attempt.of("server.port")), (host.as_str(), port.as_str()));
    assert_eq!((attempt.of("rtms.upstream"), attempt.of("rtms.outcome")), ("rtms", "ok"));
    assert!(!server.failed && !attempt.failed);
    for part in [judge, attempt] {
        assert!(part.time.0 >= server.time.0 && part.time.1 <= server.time.1 && part.time.0 <= part.time.1);
    }
    assert!(judge.time.1 <= attempt.time.0);
    let resource = collector.resource();
    assert_eq!(
        (&*resource["service.name"], &*resource["service.version"]),
        ("rtms-gateway", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(resource["service.instance.id"].len(), 36);
}

#[tokio::test]
async fn a_rejected_request_has_its_reason_where_it_was_judged() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let gateway = traced(&upstream, all(&collector)).start().await;
    let expired = get(plain(APP)).token(tokens::expired()).header("X-Request-Id: r-2");
    gateway.ask(&expired).await;
    let spans = collector.request("r-2").await;
    assert_eq!(names(&spans), ["GET plain", "judge"]);
    for span in &spans {
        assert_eq!(span.of("rtms.reason"), "token_expired");
        assert!(!span.failed, "a client's fault is none of ours");
    }
    assert_eq!((spans[0].of("rtms.code"), spans[0].of("http.response.status_code")), ("40", "401"));
    gateway.ask(&get("/nowhere/secret-place").method("BREW").header("X-Request-Id: r-3")).await;
    let spans = collector.request("r-3").await;
    assert_eq!((names(&spans), spans[0].of("http.request.method")), (vec!["HTTP", "judge"], "_OTHER"));
    assert_eq!((spans[0].of("rtms.reason"), spans[0].of("http.route")), ("route_unknown", ""));
}

#[tokio::test]
async fn waiting_for_a_body_is_a_span_of_its_own() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let gateway = traced(&upstream, all(&collector)).start().await;
    gateway.ask(&set_user(APP, USER).token(tokens::good()).header("X-Request-Id: r-4")).await;
    let spans = collector.request("r-4").await;
    assert_eq!(names(&spans), ["POST setuserid", "judge", "body", "upstream"]);
    assert!(spans[1].time.1 <= spans[2].time.0 && spans[2].time.1 <= spans[3].time.0, "{spans:#?}");
    assert_ne!(spans[0].of("http.request.body.size"), "0");
    gateway.ask(&set_user(APP, "somebody-else").token(tokens::good()).header("X-Request-Id: r-5")).await;
    let spans = collector.request("r-5").await;
    assert_eq!(names(&spans), ["POST setuserid", "judge", "body"]);
    let reasons: Vec<&str> = spans.iter().map(|span| span.of("rtms.reason")).collect();
    assert_eq!(reasons, ["user_mismatch", "", "user_mismatch"]);
}

#[tokio::test]
async fn each_attempt_is_a_span_and_the_upstream_knows_which() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let gateway = to_peers(&[ports::free(), upstream.address()])
        .customer()
        .set("/telemetry/tracing", all(&collector))
        .start()
        .await;
    let mut client = gateway.connect().await;
    // Peers take turns: one of two requests meets the dead one first.
    for id in ["r-6", "r-7"] {
        assert_eq!(client.ask(&good(id)).await.status, 200);
    }
    let parents: Vec<String> = upstream.take().iter().map(|seen| told(seen)[1].clone()).collect();
    let (first, second) = (collector.request("r-6").await, collector.request("r-7").await);
    let retried = if first.len() > second.len() { first } else { second };
    assert_eq!(names(&retried), ["GET plain", "judge", "upstream", "upstream"]);
    let [server, _, dead, alive] = retried.as_slice() else { panic!("{retried:#?}") };
    assert_eq!(
        (dead.of("rtms.outcome"), dead.of("error.type"), dead.failed),
        ("connect_failed", "connect_failed", true)
    );
    assert_eq!((dead.of("http.request.resend_count"), alive.of("http.request.resend_count")), ("", "1"));
    assert_eq!((alive.of("rtms.outcome"), alive.failed, server.failed), ("ok", false, false));
    assert!(parents.contains(&alive.id) && !parents.contains(&dead.id) && dead.id != alive.id);
}

#[tokio::test]
async fn failures_are_errors_with_their_reason() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let gateway = traced(&upstream, all(&collector)).set("/upstreams/rtms/retries", json!(0)).start().await;
    upstream.behave(Behaviour::Answer("500 Broken", Vec::new(), Vec::new()));
    gateway.ask(&good("r-8")).await;
    let spans = collector.request("r-8").await;
    assert!(spans[0].failed && spans[2].failed, "{spans:#?}");
    assert_eq!((spans[0].of("error.type"), spans[2].of("http.response.status_code")), ("500", "500"));
    upstream.behave(Behaviour::Close);
    gateway.ask(&good("r-9")).await;
    let spans = collector.request("r-9").await;
    assert!(spans[0].failed && spans[2].failed, "{spans:#?}");
    assert_eq!((spans[0].of("rtms.reason"), spans[2].of("rtms.outcome")), ("upstream_unavailable", "reset"));
    assert_eq!(spans[0].of("http.response.status_code"), "502");
}

#[tokio::test]
async fn http_2_on_both_sides_is_traced_alike() {
    let (authority, collector) = (Authority::new("a test authority"), Collector::start().await);
    let server = Server::start(None).await;
    let gateway = both_sides(&authority, &server, |b| b.set("/telemetry/tracing", all(&collector))).await;
    let (client, _) = Handshake::trusting(&authority).protocols(&["h2"]).connect(gateway.address()).await.unwrap();
    let mut h2 = H2::start(client).await;
    let (bearer, caller) = (format!("Bearer {}", tokens::good()), format!("00-{TRACE}-{CALLER}-01"));
    let headers = [("authorization", &*bearer), ("traceparent", &*caller), ("x-request-id", "r-10")];
    assert_eq!(h2.ask("POST", &plain(APP), &headers, b"\0\0\0\0\x02yo").await.status, 200);
    let spans = collector.request("r-10").await;
    assert_eq!(names(&spans), ["POST plain", "judge", "upstream"]);
    assert_eq!((spans[0].of("network.protocol.version"), spans[0].of("url.scheme")), ("2", "https"));
    assert_eq!(spans[0].parent, CALLER);
    let seen = server.seen(&plain(APP)).remove(0);
    let expected = format!("00-{TRACE}-{}-01", spans[2].id);
    assert_eq!(seen.headers.get("traceparent").unwrap().to_str().unwrap(), expected);
}

#[tokio::test]
async fn no_token_secret_query_or_user_is_exported() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let mut tracing = all(&collector);
    tracing["headers"] = json!({ "X-Api-Key": "${TRACES_KEY}" });
    let gateway = traced(&upstream, tracing).variable("TRACES_KEY", "a-vendors-key").start().await;
    let token = tokens::good();
    let places = [
        set_user(APP, USER),
        get(format!("{}?apikey=very-secret&userId={USER}", plain(APP))),
        get(format!("/rtmsAPI/api/v1/{APP}/lookup?userId={USER}")),
        get(format!("/rtmsAPI/api/v1/apps/{APP}/user/{USER}/threads")),
        get(format!("/rtmsAPI/api/v1/apps/{USER}@x/user/{USER}/threads")),
        get(format!("/{USER}/very-secret?{token}")),
        get(plain(APP)).header("Cookie: very-secret=1").header("User-Agent: very-secret"),
    ];
    for (n, request) in places.into_iter().enumerate() {
        gateway.ask(&request.token(&token).header(format!("X-Request-Id: place-{n}"))).await;
        collector.request(&format!("place-{n}")).await;
    }
    let everything = collector.everything();
    assert!(everything.contains("a-vendors-key"), "it goes to the collector");
    let parts = [token.as_str(), token.rsplit('.').next().unwrap(), SECRET, USER, "very-secret", "apikey"];
    for part in parts {
        assert!(!everything.contains(part), "{part} in {everything}");
    }
    assert!(!everything.contains("127.0.0.1:") && !everything.contains("client.address"), "no client either");
    assert!(!gateway.printed().contains("a-vendors-key"));
}

#[tokio::test]
async fn the_clients_address_is_told_where_that_is_wanted() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let mut tracing = all(&collector);
    tracing["client_address"] = json!(true);
    tracing["service_name"] = json!("edge-eu");
    let gateway = traced(&upstream, tracing).start().await;
    gateway.ask(&good("r-11")).await;
    assert_eq!(collector.request("r-11").await[0].of("client.address"), "127.0.0.1");
    assert_eq!(collector.resource()["service.name"], "edge-eu");
}

#[tokio::test]
async fn a_client_that_leaves_is_no_error() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let gateway = traced(&upstream, all(&collector)).start().await;
    upstream.behave(Behaviour::Hang);
    let mut client = gateway.connect().await;
    let bytes = good("r-12").bytes(client.host());
    client.send(&bytes).await;
    upstream.arrived(1).await;
    drop(client);
    let spans = poll::within(Duration::from_secs(20), "its spans", async || {
        Some(collector.request("r-12").await).filter(|spans| spans.len() == 3)
    })
    .await;
    assert_eq!((spans[0].of("rtms.reason"), spans[0].of("http.response.status_code")), ("client_closed", ""));
    assert!(!spans[0].failed && !spans[2].failed, "{spans:#?}");
}
