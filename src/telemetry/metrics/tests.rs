//! Every family by its name, and what each event counts.

use std::collections::BTreeSet;

use super::*;
use crate::reason::Kind;

fn metrics() -> Arc<Metrics> {
    Metrics::new(&["setuserid", "rest"], &[("rtms", vec!["10.0.0.1:80", "10.0.0.2:80"])]).unwrap()
}

fn text(metrics: &Metrics) -> String {
    String::from_utf8(metrics.render()).unwrap()
}

/// The value of the line that starts with `series`.
fn value(metrics: &Metrics, series: &str) -> Option<f64> {
    let text = text(metrics);
    let line = text.lines().find(|l| l.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

const MS: Duration = Duration::from_millis(1);

/// What users rely on.
const FAMILIES: &[&str] = &[
    "rtms_access_log_dropped_total",
    "rtms_app_rejections_total",
    "rtms_app_requests_total",
    "rtms_apps",
    "rtms_apps_alarm",
    "rtms_apps_cache_age_seconds",
    "rtms_apps_changes_total",
    "rtms_apps_position_age_seconds",
    "rtms_apps_propagation_seconds",
    "rtms_apps_reloads_total",
    "rtms_apps_resumes_total",
    "rtms_apps_stale",
    "rtms_apps_staleness_seconds",
    "rtms_apps_weak",
    "rtms_auth_duration_seconds",
    "rtms_build_info",
    "rtms_certificate_expiry_timestamp_seconds",
    "rtms_certificate_reloads_total",
    "rtms_config_last_reload_successful",
    "rtms_config_last_reload_timestamp_seconds",
    "rtms_config_reloads_total",
    "rtms_connections",
    "rtms_connections_refused_total",
    "rtms_connections_without_request_total",
    "rtms_encrypted_bodies_total",
    "rtms_errors_total",
    "rtms_key_matches_total",
    "rtms_limited_total",
    "rtms_profiles_requests_total",
    "rtms_rejections_total",
    "rtms_request_duration_seconds",
    "rtms_requests_total",
    "rtms_runtime_busy_seconds_total",
    "rtms_runtime_tasks",
    "rtms_runtime_workers",
    "rtms_spans_total",
    "rtms_token_suspect_exp_total",
    "rtms_upgrades_total",
    "rtms_upstream_connections_total",
    "rtms_upstream_duration_seconds",
    "rtms_upstream_peer_healthy",
    "rtms_upstream_requests_total",
    "rtms_upstream_retries_refused_total",
    "rtms_upstream_retries_total",
];

#[test]
fn the_families_are_those_that_users_rely_on() {
    let metrics = metrics();
    assert_eq!(metrics.names().collect::<BTreeSet<_>>(), FAMILIES.iter().copied().collect());
    // A first scrape shows all of them, so that a query on a quiet gateway finds something.
    let _ = metrics.listener("0.0.0.0:8080");
    let counted = settings::PerApp { apps: settings::CountedApps::All, max: 1 };
    let with_apps = metrics.rebound(&[], &[("rtms", vec!["10.0.0.1:80"])], counted);
    with_apps.take_over(&metrics);
    with_apps.peer_healthy(0, 0, true);
    let apps = crate::apps::Apps::new(crate::apps::SecretEncoding::Raw).published();
    with_apps.app("nobody", Some(Reason::TokenMissing), &apps);
    assert!(value(&metrics, r#"rtms_app_requests_total{app="other"}"#) == Some(0.0));
    metrics.certificate_expires("listeners[0]", Some(1_800_000_000));
    let text = text(&metrics);
    // That of apps that were rejected has a sample with the first of them.
    for name in metrics.names().filter(|name| *name != "rtms_app_rejections_total") {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
    }
    if cfg!(target_os = "linux") {
        assert!(text.contains("process_resident_memory_bytes "), "{text}");
    }
}

#[test]
fn every_reason_has_its_series_of_the_right_family() {
    let metrics = metrics();
    for reason in Reason::ALL {
        metrics.not_forwarded(Some(0), *reason);
        let (word, code) = (reason.as_str(), reason.code().as_str());
        let rejection =
            value(&metrics, &format!(r#"rtms_rejections_total{{code="{code}",reason="{word}",route="setuserid"}}"#));
        let error = value(&metrics, &format!(r#"rtms_errors_total{{reason="{word}",route="setuserid"}}"#));
        let expected = match reason.kind() {
            Kind::Rejection => (Some(1.0), None),
            Kind::Error => (None, Some(1.0)),
            Kind::ClientClosed => (None, None),
        };
        assert_eq!((rejection, error), expected, "{reason}");
    }
}

#[test]
fn requests_are_counted_by_route_method_and_status() {
    let metrics = metrics();
    let purge = Method::from_bytes(b"PURGE").unwrap();
    metrics.request(Some(1), &Method::POST, 200, MS);
    metrics.request(Some(1), &Method::POST, 200, MS);
    metrics.request(Some(1), &purge, 200, MS);
    metrics.request(Some(1), &Method::HEAD, 418, MS);
    metrics.request(None, &Method::GET, 404, MS);
    let of = |route: &str, method: &str, status: &str| {
        let labels = format!(r#"method="{method}",route="{route}",status="{status}""#);
        value(&metrics, &format!("rtms_requests_total{{{labels}}}"))
    };
    assert_eq!(of("rest", "POST", "200"), Some(2.0));
    assert_eq!(of("rest", "OTHER", "200"), Some(1.0));
    assert_eq!(of("rest", "HEAD", "418"), Some(1.0));
    assert_eq!(of("none", "GET", "404"), Some(1.0));
    assert_eq!(of("setuserid", "POST", "200"), None);
    assert_eq!(value(&metrics, r#"rtms_request_duration_seconds_count{route="rest"}"#), Some(4.0));
    assert_eq!(value(&metrics, r#"rtms_request_duration_seconds_bucket{route="rest",le="0.0005"}"#), Some(0.0));
    assert_eq!(value(&metrics, r#"rtms_request_duration_seconds_bucket{route="rest",le="0.001"}"#), Some(4.0));
}

#[test]
fn attempts_are_counted_by_peer_and_every_outcome_exists_from_the_start() {
    let metrics = metrics();
    let of = |peer: &str, outcome: Outcome| {
        let labels = format!(r#"outcome="{}",peer="{peer}",upstream="rtms""#, outcome.as_str());
        value(&metrics, &format!("rtms_upstream_requests_total{{{labels}}}"))
    };
    assert!(Outcome::ALL.iter().all(|o| of("10.0.0.1:80", *o) == Some(0.0)));
    metrics.upstream(0, 1, Outcome::ConnectFailed, MS);
    metrics.retried(0);
    metrics.upstream(0, 0, Outcome::Ok, MS);
    metrics.upstream(7, 7, Outcome::Ok, MS);
    assert_eq!(of("10.0.0.2:80", Outcome::ConnectFailed), Some(1.0));
    assert_eq!(of("10.0.0.1:80", Outcome::Ok), Some(1.0));
    assert_eq!(value(&metrics, r#"rtms_upstream_retries_total{upstream="rtms"}"#), Some(1.0));
    assert_eq!(value(&metrics, r#"rtms_upstream_duration_seconds_count{upstream="rtms"}"#), Some(2.0));
}

#[test]
fn errors_start_at_zero_so_that_the_first_one_has_a_rate() {
    let metrics = metrics();
    assert_eq!(value(&metrics, r#"rtms_errors_total{reason="no_healthy_peer",route="rest"}"#), Some(0.0));
    assert_eq!(value(&metrics, r#"rtms_errors_total{reason="internal",route="none"}"#), Some(0.0));
    let absent = r#"rtms_rejections_total{code="4",reason="route_unknown",route="none"}"#;
    assert_eq!(value(&metrics, absent), Some(0.0));
}

#[test]
fn keys_and_oddities_are_told() {
    let metrics = metrics();
    metrics.key_matched(true);
    metrics.suspect_exp();
    metrics.encrypted_body();
    metrics.judged(Duration::from_micros(3));
    assert_eq!(value(&metrics, r#"rtms_key_matches_total{key="previous"}"#), Some(1.0));
    assert_eq!(value(&metrics, r#"rtms_key_matches_total{key="current"}"#), Some(0.0));
    assert_eq!(value(&metrics, "rtms_token_suspect_exp_total"), Some(1.0));
    assert_eq!(value(&metrics, "rtms_encrypted_bodies_total"), Some(1.0));
    assert_eq!(value(&metrics, r#"rtms_auth_duration_seconds_bucket{le="0.000005"}"#), Some(1.0));
}
