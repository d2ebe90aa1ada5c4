//! The metrics as the rest of the program sees them: one method for each thing that can happen.
//!
//! [`Metrics::new`] resolves the series of a configuration's routes and upstreams; afterwards a count is an index
//! and an atomic addition.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http::Method;
use prometheus::{IntCounter, TextEncoder};

use super::connections::ListenerSeries;
use super::families::Families;
use super::limited::{Limit, Limited};
use super::per_app::PerApp;
use super::requests::Requests;
use super::trace::SpanCounts;
use super::upstreams::{Outcome, Upstreams};
use crate::apps::Snapshot;
use crate::config::settings;
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

/// All metrics of the process, with handles for one configuration's routes and upstreams.
pub struct Metrics {
    pub(super) families: Arc<Families>,
    requests: Requests,
    upstreams: Upstreams,
    limited: Limited,
    current_key: IntCounter,
    previous_key: IntCounter,
    /// `None`: single apps aren't counted.
    per_app: Option<Arc<PerApp>>,
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
        // The series exist from the start.
        let _ = SpanCounts::new(&families.spans);
        let _ = families.profiles_requests.with_label_values(&["list", "200"]);
        Ok(Arc::new(Self::bind(Arc::new(families), routes, upstreams, None)))
    }

    /// The same metrics, for another configuration's routes and upstreams. Series that are counted already go on. Peers that are
    /// gone leave their gauge, and single apps are counted, from [`Metrics::take_over`] on.
    #[must_use]
    pub fn rebound(&self, routes: &[&str], upstreams: &[(&str, Vec<&str>)], per_app: settings::PerApp) -> Arc<Self> {
        let same = self.per_app.clone().filter(|before| before.settings() == per_app);
        let per_app = same.or_else(|| PerApp::new(per_app, &self.families.per_app, Instant::now()));
        Arc::new(Self::bind(Arc::clone(&self.families), routes, upstreams, per_app))
    }

    /// These are in force from now on, in the place of `before`.
    pub fn take_over(&self, before: &Self) {
        let is_same = match (&self.per_app, &before.per_app) {
            (Some(here), Some(there)) => Arc::ptr_eq(here, there),
            (here, there) => here.is_none() && there.is_none(),
        };
        self.upstreams.take_over(&before.upstreams);
        if !is_same {
            before.per_app.iter().for_each(|per_app| per_app.close());
            self.families.per_app.reset();
        }
        self.per_app.iter().for_each(|per_app| per_app.open());
    }

    /// A request that names an app ended.
    pub fn app(&self, app: &str, reason: Option<Reason>, apps: &ArcSwap<Snapshot>) {
        if let Some(per_app) = &self.per_app {
            per_app.count(app, reason, || apps.load().get(app).is_some());
        }
    }

    /// Decides which apps have counters of their own, if it is time for that. Called just before [`Metrics::render`].
    pub fn settle_apps(&self, apps: &ArcSwap<Snapshot>) {
        if let Some(per_app) = &self.per_app {
            per_app.settle(Instant::now(), &apps.load_full());
        }
    }

    fn bind(
        families: Arc<Families>,
        routes: &[&str],
        upstreams: &[(&str, Vec<&str>)],
        per_app: Option<Arc<PerApp>>,
    ) -> Self {
        Self {
            requests: Requests::new(&families.requests, routes),
            upstreams: Upstreams::new(&families.upstreams, upstreams),
            limited: Limited::new(&families.requests.limited),
            current_key: families.requests.key_matches.with_label_values(&["current"]),
            previous_key: families.requests.key_matches.with_label_values(&["previous"]),
            per_app,
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

    /// A request was turned away by a limit.
    pub fn limited(&self, limit: Limit) {
        self.limited.count(limit);
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

    /// A request is sent on a connection; `reused`: one that was kept from a request before.
    pub fn upstream_connected(&self, upstream: usize, reused: bool) {
        self.upstreams.connected(upstream, reused);
    }

    /// An attempt to forward a request is repeated.
    pub fn retried(&self, upstream: usize) {
        self.upstreams.retried(upstream);
    }

    /// An attempt to forward a request would be repeated, but for the budget.
    pub fn retry_refused(&self, upstream: usize) {
        self.upstreams.retry_refused(upstream);
    }

    /// A request of the app profiles API was answered. `call` is one of a few words.
    pub fn profiles_answered(&self, call: &'static str, status: u16) {
        self.families.profiles_requests.with_label_values(&[call, &status.to_string()]).inc();
    }

    /// Says whether a peer gets requests; told just before [`Metrics::render`].
    pub fn peer_healthy(&self, upstream: usize, peer: usize, healthy: bool) {
        self.upstreams.set_healthy(upstream, peer, healthy);
    }

    /// The series of a listener's connections, labelled with its address; ask once, at start.
    #[must_use]
    pub fn listener(&self, address: &str) -> ListenerSeries {
        ListenerSeries::new(&self.families.connections, address)
    }

    /// The counter for [`AccessLog::open`](super::AccessLog::open).
    #[must_use]
    pub fn access_log_dropped(&self) -> IntCounter {
        self.families.process.access_log_dropped.clone()
    }

    /// The counters for [`Tracing::start`](super::Tracing::start).
    #[must_use]
    pub fn spans(&self) -> SpanCounts {
        SpanCounts::new(&self.families.spans)
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
mod tests;
