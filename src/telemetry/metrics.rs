//! The metrics as the rest of the program sees them: one method for each thing that can happen.
//!
//! [`Metrics::new`] resolves the series of a configuration's routes and upstreams; afterwards a count is an index
//! and an atomic addition.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use prometheus::{IntCounter, IntGauge, TextEncoder};

use super::families::Families;
use super::requests::Requests;
use super::upstreams::{Outcome, Upstreams};
use crate::reason::Reason;

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The source revision, where the build was told (`RTMS_REVISION` in its environment).
pub const REVISION: &str = match option_env!("RTMS_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// What came of a reload of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadResult {
    /// It is in force.
    Ok,
    /// It has mistakes, or could not be put in force; the one before it stays.
    Invalid,
    /// It changes what only a restart can; the one before it stays.
    RestartNeeded,
}

impl ReloadResult {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Invalid, Self::RestartNeeded];

    /// The label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Invalid => "invalid",
            Self::RestartNeeded => "restart_needed",
        }
    }
}

/// All metrics of the process, with handles for one configuration's routes and upstreams.
pub struct Metrics {
    pub(super) families: Arc<Families>,
    requests: Requests,
    upstreams: Upstreams,
    current_key: IntCounter,
    previous_key: IntCounter,
}

impl Metrics {
    /// Registers all families. `routes` are the labels of the routes, in their order; `upstreams` the names and the
    /// addresses of their peers, in theirs.
    ///
    /// # Errors
    /// Two families of one name, which only a mistake in this crate can cause.
    pub fn new(routes: &[&str], upstreams: &[(&str, Vec<&str>)]) -> prometheus::Result<Arc<Self>> {
        let families = Families::register()?;
        super::feed::start_at_zero(&families.apps);
        for result in ReloadResult::ALL {
            families.config_reloads.with_label_values(&[result.as_str()]);
        }
        let _ = families.profiles_requests.with_label_values(&["list", "200"]);
        Ok(Arc::new(Self::bind(Arc::new(families), routes, upstreams)))
    }

    /// The same metrics, for another configuration's routes and upstreams. Series that are counted already go on; the gauges
    /// of peers begin anew, so that those that are gone leave them.
    #[must_use]
    pub fn rebound(&self, routes: &[&str], upstreams: &[(&str, Vec<&str>)]) -> Arc<Self> {
        self.families.upstreams.healthy.reset();
        Arc::new(Self::bind(Arc::clone(&self.families), routes, upstreams))
    }

    /// A reload of the configuration was asked for.
    pub fn config_reloaded(&self, result: ReloadResult) {
        self.families.config_reloads.with_label_values(&[result.as_str()]).inc();
    }

    fn bind(families: Arc<Families>, routes: &[&str], upstreams: &[(&str, Vec<&str>)]) -> Self {
        Self {
            requests: Requests::new(&families.requests, routes),
            upstreams: Upstreams::new(&families.upstreams, upstreams),
            current_key: families.requests.key_matches.with_label_values(&["current"]),
            previous_key: families.requests.key_matches.with_label_values(&["previous"]),
            families,
        }
    }

    /// A request was answered. `route` is `None` where no route was found; status 499: the client left first.
    pub fn request(&self, route: Option<usize>, method: &Method, status: u16, elapsed: Duration) {
        self.requests.answered(route, method, status, elapsed);
    }

    /// A request was not forwarded, or not answered by its upstream. A rejection or an error, by the reason's kind;
    /// a client that left is neither.
    pub fn not_forwarded(&self, route: Option<usize>, reason: Reason) {
        self.requests.not_forwarded(route, reason);
    }

    /// A request was judged; `elapsed` leaves out the time its body took to arrive.
    pub fn judged(&self, elapsed: Duration) {
        self.families.requests.auth_seconds.observe(elapsed.as_secs_f64());
    }

    /// A signature was verified, by the current or the previous secret.
    pub fn key_matched(&self, previous: bool) {
        if previous { &self.previous_key } else { &self.current_key }.inc();
    }

    /// A good token expires so far ahead that its `exp` was probably minted in milliseconds.
    pub fn suspect_exp(&self) {
        self.families.requests.suspect_exp.inc();
    }

    /// A body of the form `{"encrypted": ".."}` came where the route reads bodies.
    pub fn encrypted_body(&self) {
        self.families.requests.encrypted_bodies.inc();
    }

    /// An attempt to forward a request ended.
    pub fn upstream(&self, upstream: usize, peer: usize, outcome: Outcome, elapsed: Duration) {
        self.upstreams.attempted(upstream, peer, outcome, elapsed);
    }

    /// An attempt to forward a request is repeated.
    pub fn retried(&self, upstream: usize) {
        self.upstreams.retried(upstream);
    }

    /// A request of the app profiles API was answered. `call` is one of a few words.
    pub fn profiles_answered(&self, call: &'static str, status: u16) {
        self.families.profiles_requests.with_label_values(&[call, &status.to_string()]).inc();
    }

    /// Says whether a peer gets requests; told just before [`Metrics::render`].
    pub fn peer_healthy(&self, upstream: usize, peer: usize, healthy: bool) {
        self.upstreams.set_healthy(upstream, peer, healthy);
    }

    /// The gauge of a listener's open connections, labelled with its address; ask once, at start.
    #[must_use]
    pub fn connections(&self, listener: &str) -> IntGauge {
        self.families.requests.connections.with_label_values(&[listener])
    }

    /// The counter for [`AccessLog::open`](super::AccessLog::open).
    #[must_use]
    pub fn access_log_dropped(&self) -> IntCounter {
        self.families.access_log_dropped.clone()
    }

    /// Everything in Prometheus' text format, see [`CONTENT_TYPE`].
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let families = self.families.registry.gather();
        let mut text = String::with_capacity(64 * 1024);
        for family in &families {
            // One family that can't be written must not take the others along.
            if let Err(e) = TextEncoder::new().encode_utf8(std::slice::from_ref(family), &mut text) {
                tracing::error!(family = family.name(), "a metric could not be rendered: {e}");
            }
        }
        text.into_bytes()
    }

    /// The names of all registered families, `process_*` aside.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.families.names.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn the_families_are_those_that_users_rely_on() {
        let expected = [
            "rtms_access_log_dropped_total",
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
            "rtms_config_reloads_total",
            "rtms_connections",
            "rtms_encrypted_bodies_total",
            "rtms_errors_total",
            "rtms_key_matches_total",
            "rtms_profiles_requests_total",
            "rtms_rejections_total",
            "rtms_request_duration_seconds",
            "rtms_requests_total",
            "rtms_token_suspect_exp_total",
            "rtms_upstream_duration_seconds",
            "rtms_upstream_peer_healthy",
            "rtms_upstream_requests_total",
            "rtms_upstream_retries_total",
        ];
        let metrics = metrics();
        assert_eq!(metrics.names().collect::<BTreeSet<_>>(), BTreeSet::from(expected));
        // A first scrape shows all of them, so that a query on a quiet gateway finds something.
        let _ = metrics.connections("0.0.0.0:8080");
        let text = text(&metrics);
        for name in metrics.names() {
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
            let rejection = value(
                &metrics,
                &format!(r#"rtms_rejections_total{{code="{code}",reason="{word}",route="setuserid"}}"#),
            );
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
}
