//! What is counted beside requests: single apps, connections without a request, upstream connections, the process.

use serde_json::json;

use crate::support::client::{Client, get};
use crate::support::gateway::{Gateway, gateway};
use crate::support::metrics::Metrics;
use crate::support::tls::{Authority, Handshake};
use crate::support::upstream::Upstream;
use crate::support::{APP, plain, poll, tokens};

const REQUESTS: &str = "rtms_app_requests_total";
const REJECTIONS: &str = "rtms_app_rejections_total";

#[tokio::test]
async fn single_apps_are_counted_where_that_is_wanted_and_strangers_never() {
    let upstream = Upstream::start().await;
    let mut routes = crate::support::config::routes();
    let open = json!({ "name": "open", "path": "/open/{appId}/x", "upstream": "rtms", "auth": "none" });
    routes.as_array_mut().unwrap().push(open);
    let gateway = gateway(&upstream).customer().app("TR_SECOND", "another").set("/routes", routes).start().await;
    let ask = async |gateway: &Gateway| {
        gateway.ask(&get(plain(APP)).token(tokens::good())).await;
        gateway.ask(&get(plain(APP))).await;
        gateway.ask(&get(format!("/open/{APP}/x"))).await;
        gateway.ask(&get(plain("TR_SECOND"))).await;
        gateway.ask(&get(plain("TR_NOBODY"))).await;
        gateway.ask(&get("/open/TR_NOBODY/x")).await;
    };
    ask(&gateway).await;
    let metrics = gateway.counted("rtms_requests_total", &[], 6).await;
    assert!(!metrics.has(REQUESTS, &[]) && !metrics.has(REJECTIONS, &[]), "off");

    let set = |per_app: &str| [("/telemetry/per_app", json!(per_app)), ("/telemetry/per_app_max", json!(1))];
    gateway.reload(&set("all"), "ok").await;
    ask(&gateway).await;
    let metrics = gateway.counted("rtms_requests_total", &[], 12).await;
    let of = |app| (metrics.count(REQUESTS, &[("app", app)]), metrics.count(REJECTIONS, &[("app", app)]));
    assert_eq!((of(APP), of("other"), of("TR_SECOND"), of("TR_NOBODY")), ((3, 1), (1, 1), (0, 0), (0, 0)));
    assert_eq!(metrics.count(REQUESTS, &[]), 4);
    assert_eq!(metrics.count(REJECTIONS, &[("app", APP), ("reason", "token_missing")]), 1);

    gateway.reload(&set("rejections"), "ok").await;
    ask(&gateway).await;
    let metrics = gateway.counted("rtms_requests_total", &[], 18).await;
    assert!(!metrics.has(REQUESTS, &[]), "what isn't counted any more is gone");
    assert_eq!(metrics.count(REJECTIONS, &[("app", APP)]), 1, "and the rest begins anew");
    gateway.reload(&set("off"), "ok").await;
    assert!(!gateway.metrics().await.has(REJECTIONS, &[]));
}

const ENDS: &str = "rtms_connections_without_request_total";

/// What is counted once no connection is open.
async fn quiet(gateway: &Gateway) -> Metrics {
    poll::until("all connections end", async || {
        let metrics = gateway.metrics().await;
        (metrics.count("rtms_connections", &[]) == 0).then_some(metrics)
    })
    .await
}

async fn send(gateway: &Gateway, bytes: &[u8]) -> Client {
    let mut client = gateway.connect().await;
    client.send(bytes).await;
    client
}

#[tokio::test]
async fn connections_that_end_without_a_request_are_counted_by_their_cause() {
    let upstream = Upstream::start().await;
    let limits = json!({ "head_read_timeout": "300ms", "client_idle": "600ms" });
    let gateway = gateway(&upstream).customer().set("/limits", limits).start().await;
    let listener = gateway.address().to_string();
    let counted = async |cause: &str, count: u64| {
        gateway.counted(ENDS, &[("listener", &listener), ("cause", cause)], count).await
    };
    drop(gateway.connect().await);
    counted("closed", 1).await;
    assert!(gateway.connect().await.closed().await);
    counted("idle", 1).await;
    drop(send(&gateway, b"GET / HT").await);
    counted("head_incomplete", 1).await;
    assert!(send(&gateway, b"GET / HT").await.closed().await);
    counted("head_timeout", 1).await;
    let mut client = send(&gateway, b"GET / HTTP/1.1\r\nHost h\r\n\r\n").await;
    assert_eq!(client.response().await.unwrap().status, 400);
    counted("head_malformed", 1).await;
    let mut client = send(&gateway, b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n").await;
    assert_eq!(client.response().await.unwrap().status, 405);
    counted("head_malformed", 2).await;
    // Nor is one counted that had a request and is closed, or ends after its idle time.
    let mut client = gateway.connect().await;
    client.ask(&get("/public/x")).await;
    drop(client);
    let mut client = gateway.connect().await;
    client.ask(&get("/public/x")).await;
    assert!(client.closed().await);
    let metrics = quiet(&gateway).await;
    assert_eq!(metrics.count(ENDS, &[]), 6);
}

#[tokio::test]
async fn handshakes_that_fail_and_those_that_never_begin_are_told_apart() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("a test authority");
    let identity = authority.identity("127.0.0.1");
    let gateway = gateway(&upstream)
        .customer()
        .file("server.pem", identity.cert)
        .file("server.key", identity.key)
        .set("/listeners/0/tls", json!({ "cert": "server.pem", "key": "server.key" }))
        .start()
        .await;
    drop(gateway.connect().await);
    gateway.counted(ENDS, &[("cause", "closed")], 1).await;
    let mut client = send(&gateway, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    while !client.take(1).await.unwrap_or_default().is_empty() {}
    gateway.counted(ENDS, &[("cause", "tls_failed")], 1).await;
    let stranger = Authority::new("another authority");
    let refused = Handshake::trusting(&stranger).connect(gateway.address()).await;
    assert!(refused.is_err());
    gateway.counted(ENDS, &[("cause", "tls_failed")], 2).await;
    let (mut client, _) = Handshake::trusting(&authority).connect(gateway.address()).await.unwrap();
    assert_eq!(client.ask(&get(plain(APP)).token(tokens::good())).await.status, 200);
    drop(client);
    let metrics = quiet(&gateway).await;
    assert_eq!(metrics.count(ENDS, &[]), 3);
}

#[tokio::test]
async fn kept_upstream_connections_and_the_process_are_counted() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let mut client = gateway.connect().await;
    for _ in 0..3 {
        client.ask(&get("/public/x")).await;
    }
    let metrics = gateway.counted("rtms_requests_total", &[], 3).await;
    let connections =
        |reused| metrics.count("rtms_upstream_connections_total", &[("upstream", "rtms"), ("reused", reused)]);
    assert_eq!((connections("false"), connections("true")), (1, 2));
    assert_eq!(metrics.count("rtms_runtime_workers", &[]), 2);
    assert!(metrics.count("rtms_runtime_tasks", &[]) >= 1, "the connection's");
    assert!(metrics.sum("rtms_runtime_busy_seconds_total", &[]) > 0.0);
    for name in ["process_open_fds", "process_max_fds", "process_threads", "process_start_time_seconds"] {
        assert!(metrics.sum(name, &[]) > 0.0, "{name}");
    }
    let at = metrics.sum("rtms_config_last_reload_timestamp_seconds", &[]);
    let successful = async || gateway.metrics().await.count("rtms_config_last_reload_successful", &[]);
    assert!(successful().await == 1 && at > 1.7e9);
    gateway.reload(&[("/auth/rejection", json!("html"))], "invalid").await;
    assert_eq!(successful().await, 0);
    gateway.reload(&[("/auth/rejection", json!("sdk"))], "ok").await;
    assert_eq!(successful().await, 1);
    assert!(gateway.metrics().await.sum("rtms_config_last_reload_timestamp_seconds", &[]) > at);
}
