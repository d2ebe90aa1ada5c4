//! `/status` as JSON: what is running, since when, with what, and how the apps, the upstreams and the requests are doing.
//!
//! Names of fields are an interface, listed in docs/operations.md: added to, never renamed. The page for people reads the same.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::about::{About, Configuration, LastReload};
use super::apps::{self, AppsPage};
use super::http::AdminState;
use super::live::{CertificatePage, UpstreamPage};
use super::traffic::{self, RecentPage, TrafficPage};
use super::upgrade::UpgradePage;
use crate::telemetry::metrics::{REVISION, VERSION};

/// The page. Field order is what people read first.
#[derive(Serialize)]
pub(super) struct Page<'a> {
    /// The server's clock, so that ages can be told whatever the reader's says.
    now: Option<String>,
    version: &'static str,
    revision: &'static str,
    started: Option<String>,
    uptime_seconds: f64,
    verdict: Verdict,
    ready: bool,
    /// Why not, if it isn't.
    not_ready: Option<String>,
    configuration: &'a Configuration,
    /// `null`: nobody asked for one.
    last_reload: Option<ReloadPage<'a>>,
    /// The last ones, newest first, `last_reload` included.
    reloads: Vec<ReloadPage<'a>>,
    upstreams: Vec<UpstreamPage>,
    certificates: Vec<CertificatePage>,
    upgrade: UpgradePage,
    apps: AppsPage<'a>,
    traffic: TrafficPage,
    recent: RecentPage,
}

#[derive(Serialize)]
struct ReloadPage<'a> {
    at: Option<String>,
    result: &'static str,
    problem: Option<&'a str>,
    /// The first mistakes of the file, where that is why.
    mistakes: &'a [String],
}

/// The page's first line in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// Serving, with apps that are current.
    Ready,
    /// The apps are older than `apps.max_staleness`; `ready` says whether they serve all the same.
    Stale,
    /// Asked to stop.
    Draining,
    /// Not serving yet.
    NotReady,
}

impl Verdict {
    const fn new(ready: bool, stale: bool, draining: bool) -> Self {
        match (ready, stale, draining) {
            (_, _, true) => Self::Draining,
            (_, true, _) => Self::Stale,
            (true, ..) => Self::Ready,
            (false, ..) => Self::NotReady,
        }
    }
}

impl<'a> ReloadPage<'a> {
    fn new(reload: &'a LastReload) -> Self {
        Self {
            at: date(reload.at),
            result: reload.result,
            problem: reload.problem.as_deref(),
            mistakes: &reload.mistakes,
        }
    }
}

#[derive(Serialize)]
pub(super) struct ErrorPage {
    pub(super) at: Option<String>,
    pub(super) text: String,
}

/// The page at this moment.
pub(super) fn page<'a>(state: &AdminState, about: &'a About) -> Page<'a> {
    let ready = (state.ready)();
    let outdated = state.feed.ready() && state.feed.stale(about.max_staleness);
    let verdict = Verdict::new(ready.is_ok(), outdated, state.draining.load(Ordering::Relaxed));
    let (traffic, recent) = traffic::pages(&state.metrics, &state.recent);
    Page {
        now: date(SystemTime::now()),
        version: VERSION,
        revision: REVISION,
        started: date(about.started.1),
        uptime_seconds: seconds(about.started.0.elapsed()),
        verdict,
        ready: ready.is_ok(),
        not_ready: ready.err(),
        configuration: &about.configuration,
        last_reload: about.reloads.front().map(ReloadPage::new),
        reloads: about.reloads.iter().map(ReloadPage::new).collect(),
        upstreams: (state.clusters)().iter().map(|cluster| UpstreamPage::new(cluster, &state.metrics)).collect(),
        certificates: state.certificates.load().iter().map(CertificatePage::new).collect(),
        upgrade: state.upgrade.page(),
        apps: apps::page(&state.feed, &state.metrics, about),
        traffic,
        recent,
    }
}

/// RFC 3339 in UTC, to the millisecond.
pub(super) fn date(at: SystemTime) -> Option<String> {
    OffsetDateTime::from(at).truncate_to_millisecond().format(&Rfc3339).ok()
}

/// Seconds, to the millisecond.
pub(super) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_names_the_weightiest_of_what_is_the_case() {
        for (ready, stale, draining, verdict) in [
            (true, false, false, Verdict::Ready),
            (true, true, false, Verdict::Stale),
            (false, true, false, Verdict::Stale),
            (false, false, false, Verdict::NotReady),
            (false, true, true, Verdict::Draining),
        ] {
            assert_eq!(Verdict::new(ready, stale, draining), verdict, "{ready} {stale} {draining}");
        }
    }
}
