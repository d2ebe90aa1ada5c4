//! The `/status` page: what is running, since when, with what, and how the apps are doing.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::http::AdminState;
use super::listener::ListenerSummary;
use super::live::{CertificatePage, UpstreamPage};
use super::upgrade::UpgradePage;
use crate::apps::feed::{CacheStatus, Status};
use crate::config::settings::Settings;
use crate::telemetry::metrics::{REVISION, VERSION};

/// The configuration in force, as far as it is shown.
#[derive(Clone, Debug)]
pub struct About {
    started: (Instant, SystemTime),
    configuration: Configuration,
    last_reload: Option<LastReload>,
    /// `apps.max_staleness`.
    pub max_staleness: Duration,
    apps_from: String,
    when_stale: &'static str,
}

impl About {
    /// What is shown of `settings`, read from `file`. The uptime counts from this call.
    #[must_use]
    pub fn new(settings: &Settings, file: &Path) -> Self {
        Self {
            started: (Instant::now(), SystemTime::now()),
            configuration: Configuration::new(settings, file),
            last_reload: None,
            max_staleness: settings.apps.max_staleness,
            // Its `Debug` leaves the connection string out.
            apps_from: format!("{:?}", settings.apps.source),
            when_stale: if settings.apps.reject_when_stale { "reject" } else { "serve" },
        }
    }

    /// The same process, after a reload was asked for.
    #[must_use]
    pub fn after(&self, settings: &Settings, file: &Path, last: LastReload) -> Self {
        Self { started: self.started, last_reload: Some(last), ..Self::new(settings, file) }
    }
}

/// The last time somebody asked for the configuration to be reloaded.
#[derive(Clone, Debug)]
pub struct LastReload {
    /// When.
    pub at: SystemTime,
    /// What came of it: the label of `rtms_config_reloads_total`.
    pub result: &'static str,
    /// Why it isn't in force.
    pub problem: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Configuration {
    file: String,
    listeners: Vec<ListenerSummary>,
    routes: usize,
    upstreams: Vec<UpstreamSummary>,
}

#[derive(Clone, Debug, Serialize)]
struct UpstreamSummary {
    name: String,
    protocol: &'static str,
    tls: bool,
    peers: Vec<PeerSummary>,
}

#[derive(Clone, Debug, Serialize)]
struct PeerSummary {
    address: String,
    weight: u32,
}

impl Configuration {
    fn new(settings: &Settings, file: &Path) -> Self {
        let listeners = settings.listeners.iter();
        let upstreams = settings.upstreams.iter().map(|upstream| UpstreamSummary {
            name: upstream.name.clone(),
            protocol: if upstream.http2 { "http2" } else { "http1" },
            tls: upstream.tls.is_some(),
            peers: upstream
                .peers
                .iter()
                .map(|peer| PeerSummary { address: peer.address.clone(), weight: peer.weight })
                .collect(),
        });
        Self {
            file: file.display().to_string(),
            listeners: listeners.map(ListenerSummary::new).collect(),
            routes: settings.routes.len(),
            upstreams: upstreams.collect(),
        }
    }
}

/// The page. Field order is what people read first.
#[derive(Serialize)]
pub(super) struct Page<'a> {
    version: &'static str,
    revision: &'static str,
    started: Option<String>,
    uptime_seconds: f64,
    ready: bool,
    /// Why not, if it isn't.
    not_ready: Option<String>,
    configuration: &'a Configuration,
    /// `null`: nobody asked for one.
    last_reload: Option<ReloadPage<'a>>,
    upstreams: Vec<UpstreamPage>,
    certificates: Vec<CertificatePage>,
    upgrade: UpgradePage,
    apps: AppsPage<'a>,
}

#[derive(Serialize)]
struct ReloadPage<'a> {
    at: Option<String>,
    result: &'static str,
    problem: Option<&'a str>,
}

#[derive(Serialize)]
struct AppsPage<'a> {
    source: &'static str,
    /// Database and collection, or the file.
    from: &'a str,
    server: Option<String>,
    phase: &'static str,
    counts: CountsPage,
    /// Secrets that work but should not be used.
    weak: WeakPage,
    ready_since: Option<String>,
    staleness_seconds: f64,
    stale: bool,
    max_staleness_seconds: f64,
    when_stale: &'static str,
    position_age_seconds: Option<f64>,
    last_lag_seconds: Option<f64>,
    last_load: Option<LoadPage>,
    /// Full loads since the start, by cause.
    reloads: BTreeMap<&'static str, u64>,
    resumes: u64,
    failures: u64,
    alarms: Vec<&'static str>,
    last_error: Option<ErrorPage>,
    /// The cache file, where there is one.
    cache: Option<CachePage>,
    /// The first of them; `counts.unusable` has their number.
    unusable: Vec<UnusablePage>,
}

#[derive(Serialize)]
struct CountsPage {
    total: usize,
    jwt: usize,
    open: usize,
    disabled: usize,
    unusable: usize,
}

#[derive(Serialize)]
struct WeakPage {
    short: usize,
    trailing_nul: usize,
}

#[derive(Serialize)]
struct LoadPage {
    at: Option<String>,
    cause: &'static str,
    documents: usize,
    took_seconds: f64,
}

#[derive(Serialize)]
pub(super) struct ErrorPage {
    pub(super) at: Option<String>,
    pub(super) text: String,
}

#[derive(Serialize)]
struct CachePage {
    path: String,
    written_at: Option<String>,
    age_seconds: Option<f64>,
    write_error: Option<ErrorPage>,
    /// Why it could not be used at start.
    refused: Option<String>,
    /// Since when the apps in force are those of the file, without contact to their source since.
    in_use_since: Option<String>,
}

impl CachePage {
    fn new(cache: CacheStatus, age: Option<Duration>) -> Self {
        Self {
            path: cache.path.display().to_string(),
            written_at: cache.written_at.and_then(date),
            age_seconds: cache.written_at.and(age).map(seconds),
            write_error: cache.write_error.map(|(text, at)| ErrorPage { at: date(at), text }),
            refused: cache.refused,
            in_use_since: cache.in_use_since.and_then(date),
        }
    }
}

#[derive(Serialize)]
struct UnusablePage {
    app: String,
    fault: String,
}

/// The page at this moment.
pub(super) fn page<'a>(state: &AdminState, about: &'a About) -> Page<'a> {
    let ready = (state.ready)();
    Page {
        version: VERSION,
        revision: REVISION,
        started: date(about.started.1),
        uptime_seconds: seconds(about.started.0.elapsed()),
        ready: ready.is_ok(),
        not_ready: ready.err(),
        configuration: &about.configuration,
        last_reload: about.last_reload.as_ref().map(|last| ReloadPage {
            at: date(last.at),
            result: last.result,
            problem: last.problem.as_deref(),
        }),
        upstreams: (state.clusters)().iter().map(|cluster| UpstreamPage::new(cluster)).collect(),
        certificates: state.certificates.load().iter().map(CertificatePage::new).collect(),
        upgrade: state.upgrade.page(),
        apps: apps(&state.feed, state, about),
    }
}

fn apps<'a>(feed: &Status, state: &AdminState, about: &'a About) -> AppsPage<'a> {
    let counts = feed.counts();
    AppsPage {
        source: feed.source().as_str(),
        from: &about.apps_from,
        server: feed.server(),
        phase: feed.phase().as_str(),
        counts: CountsPage {
            total: counts.total(),
            jwt: counts.jwt,
            open: counts.open,
            disabled: counts.disabled,
            unusable: counts.unusable,
        },
        weak: WeakPage { short: counts.short_keys, trailing_nul: counts.nul_keys },
        ready_since: feed.ready_since().and_then(date),
        staleness_seconds: seconds(feed.staleness()),
        stale: feed.stale(about.max_staleness),
        max_staleness_seconds: seconds(about.max_staleness),
        when_stale: about.when_stale,
        position_age_seconds: feed.position_age().map(seconds),
        last_lag_seconds: feed.last_lag().map(seconds),
        last_load: feed.last_load().map(|load| LoadPage {
            at: date(load.at),
            cause: load.cause.as_str(),
            documents: load.documents,
            took_seconds: seconds(load.took),
        }),
        reloads: state.metrics.reloads().map(|(cause, n)| (cause.as_str(), n)).collect(),
        resumes: feed.resumes(),
        failures: feed.failures(),
        alarms: feed.alarms().into_iter().map(crate::apps::feed::Alarm::as_str).collect(),
        last_error: feed.last_error().map(|(text, at)| ErrorPage { at: date(at), text }),
        cache: feed.cache().map(|cache| CachePage::new(cache, feed.cache_age())),
        unusable: feed.unusable().into_iter().map(|u| UnusablePage { app: u.app, fault: u.fault }).collect(),
    }
}

/// RFC 3339 in UTC, to the millisecond.
pub(super) fn date(at: SystemTime) -> Option<String> {
    OffsetDateTime::from(at).truncate_to_millisecond().format(&Rfc3339).ok()
}

/// Seconds, to the millisecond.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
