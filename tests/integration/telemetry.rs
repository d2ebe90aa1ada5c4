//! What the gateway tells about itself: metrics, access log, admin pages.

use serde_json::{Value, json};

use crate::support::client::{get, post, set_user};
use crate::support::gateway::{Gateway, gateway};
use crate::support::upstream::Upstream;
use crate::support::{APP, SECRET, USER, plain, poll, tokens};

/// The families of the contract, with the labels that their samples carry.
const FAMILIES: [(&str, &str, &[&str]); 20] = [
    ("rtms_requests_total", "counter", &["route", "method", "status"]),
    ("rtms_request_duration_seconds", "histogram", &["route"]),
    ("rtms_rejections_total", "counter", &["route", "code", "reason"]),
    ("rtms_errors_total", "counter", &["route", "reason"]),
    ("rtms_auth_duration_seconds", "histogram", &[]),
    ("rtms_key_matches_total", "counter", &["key"]),
    ("rtms_upstream_requests_total", "counter", &["upstream", "peer", "outcome"]),
    ("rtms_upstream_duration_seconds", "histogram", &["upstream"]),
    ("rtms_upstream_retries_total", "counter", &["upstream"]),
    ("rtms_apps", "gauge", &["state"]),
    ("rtms_apps_changes_total", "counter", &["kind"]),
    ("rtms_apps_reloads_total", "counter", &["cause"]),
    ("rtms_apps_staleness_seconds", "gauge", &[]),
    ("rtms_apps_propagation_seconds", "histogram", &[]),
    ("rtms_connections", "gauge", &["listener"]),
    ("rtms_build_info", "gauge", &["version", "revision"]),
    ("process_cpu_seconds_total", "counter", &[]),
    ("process_resident_memory_bytes", "gauge", &[]),
    ("process_open_fds", "gauge", &[]),
    ("process_start_time_seconds", "gauge", &[]),
];

async fn busy(upstream: &Upstream) -> Gateway {
    let gateway = gateway(upstream).customer().document(json!({ "appId": "TR_OPEN" })).start().await;
    gateway.ask(&set_user(APP, USER).token(tokens::good())).await;
    gateway.ask(&set_user(APP, USER).token(tokens::good())).await;
    gateway.ask(&get(plain(APP))).await;
    gateway.ask(&get(plain("TR_OPEN"))).await;
    gateway.ask(&get("/public/x")).await;
    gateway
}

#[tokio::test]
async fn metrics_are_named_and_labelled_as_documented() {
    let upstream = Upstream::start().await;
    let gateway = busy(&upstream).await;
    // An error, so that its family has a sample.
    drop(upstream);
    gateway.ask(&get("/public/x")).await;
    let metrics = gateway.counted("rtms_requests_total", &[], 6).await;
    for (name, kind, labels) in FAMILIES {
        assert_eq!(metrics.families.get(name).map(String::as_str), Some(kind), "{name}");
        let sample = if kind == "histogram" { format!("{name}_count") } else { name.to_owned() };
        if !metrics.has(&sample, &[]) {
            continue;
        }
        let expected = labels.iter().map(|label| (*label).to_owned()).collect();
        assert_eq!(metrics.labels(&sample), expected, "{name}");
    }
    let unknown: Vec<_> =
        metrics.families.keys().filter(|n| !n.starts_with("rtms_") && !n.starts_with("process_")).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[tokio::test]
async fn every_request_is_counted_once_where_it_belongs() {
    let upstream = Upstream::start().await;
    let gateway = busy(&upstream).await;
    let metrics = gateway.counted("rtms_requests_total", &[], 5).await;
    let requests = |labels: &[(&str, &str)]| metrics.count("rtms_requests_total", labels);
    assert_eq!(requests(&[("route", "setuserid"), ("method", "POST"), ("status", "200")]), 2);
    assert_eq!(requests(&[("route", "plain"), ("method", "GET"), ("status", "401")]), 1);
    assert_eq!(requests(&[("route", "plain"), ("method", "GET"), ("status", "200")]), 1);
    assert_eq!(requests(&[("route", "public"), ("status", "200")]), 1);
    assert_eq!(metrics.count("rtms_request_duration_seconds_count", &[]), 5);
    assert_eq!(metrics.count("rtms_key_matches_total", &[("key", "current")]), 2);
    assert_eq!(metrics.count("rtms_upstream_requests_total", &[("outcome", "ok")]), 4);
    assert_eq!(metrics.count("rtms_upstream_duration_seconds_count", &[("upstream", "rtms")]), 4);
    assert_eq!(metrics.count("rtms_apps", &[("state", "jwt")]), 1);
    assert_eq!(metrics.count("rtms_apps", &[("state", "open")]), 1);
    assert!(metrics.count("rtms_apps_reloads_total", &[]) >= 1, "the load at the start");
    let judged = metrics.count("rtms_auth_duration_seconds_count", &[]);
    assert!((3..=5).contains(&judged), "{judged}");
    assert_eq!(metrics.count("rtms_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1);
}

/// Waits for so many lines of access log.
async fn lines(gateway: &Gateway, count: usize) -> Vec<Value> {
    poll::until("the access log", async || Some(gateway.access_log()).filter(|lines| lines.len() >= count)).await
}

#[tokio::test]
async fn the_access_log_tells_each_request_in_one_line_and_no_secret() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let good = tokens::good();
    let asked = format!("{}?apikey=very-secret", plain(APP));
    gateway.ask(&get(&asked).token(&good).header("X-Request-Id: request-one")).await;
    // A line is written once its answer was sent: two connections may write theirs in any order.
    lines(&gateway, 1).await;
    gateway.ask(&post(&asked, "x").token(tokens::expired())).await;
    lines(&gateway, 2).await;
    gateway.ask(&get("/nowhere?apikey=very-secret")).await;
    let lines = lines(&gateway, 3).await;
    assert_eq!(lines.len(), 3, "{lines:#?}");
    let [first, second, third] = [&lines[0], &lines[1], &lines[2]];
    assert_eq!(
        (&first["request_id"], &first["method"], &first["status"]),
        (&json!("request-one"), &json!("GET"), &json!(200))
    );
    assert_eq!((&first["path"], &first["route"]), (&json!(plain(APP)), &json!("plain")));
    assert!(first.get("reason").is_none_or(Value::is_null), "{first}");
    assert_eq!((&second["reason"], &second["status"]), (&json!("token_expired"), &json!(401)));
    assert_eq!((&third["reason"], &third["status"]), (&json!("route_unknown"), &json!(404)));
    let printed = gateway.printed();
    for secret in [good.as_str(), good.rsplit('.').next().unwrap(), SECRET, "very-secret"] {
        assert!(!printed.contains(secret), "{secret} in: {printed}");
    }
}

#[tokio::test]
async fn the_access_log_may_go_to_a_file_or_be_thinned_out() {
    let upstream = Upstream::start().await;
    let to_file = gateway(&upstream).customer().set("/telemetry/access_log/path", "access.log".into()).start().await;
    to_file.ask(&get(plain(APP))).await;
    let path = to_file.dir().join("access.log");
    poll::until_true("a line in the file", async || {
        std::fs::read_to_string(&path).is_ok_and(|text| text.contains("token_missing") && text.ends_with('\n'))
    })
    .await;
    assert!(to_file.access_log().is_empty(), "nothing on standard output");

    let none = gateway(&upstream).customer().set("/telemetry/access_log/sample", json!(0.0)).start().await;
    none.ask(&get(plain(APP))).await;
    none.counted("rtms_requests_total", &[], 1).await;
    assert!(none.access_log().is_empty());
}

#[tokio::test]
async fn the_admin_pages_answer_and_tell_no_secret() {
    let upstream = Upstream::start().await;
    let gateway = busy(&upstream).await;
    assert_eq!(gateway.page("/livez").await.status, 200);
    assert_eq!(gateway.page("/readyz").await.status, 200);
    let metrics = gateway.page("/metrics").await;
    assert!(metrics.header("Content-Type").is_some_and(|kind| kind.starts_with("text/plain")), "{:?}", metrics.head);
    let status = gateway.status().await;
    assert!(status.is_object(), "{status}");
    assert!(!status.to_string().contains(SECRET));
    assert_eq!(gateway.page("/nothing").await.status, 404);
    // They are not for the listeners, nor the listeners' routes for them.
    assert_eq!(gateway.ask(&get("/metrics")).await.status, 404);
    assert_eq!(gateway.page("/public/x").await.status, 404);
}
