//! The part of `/status` about the apps: how many are in which state, how current they are, and what is wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::about::About;
use super::status::{ErrorPage, date, seconds};
use crate::apps::feed::{CacheStatus, Status};
use crate::telemetry::Metrics;

#[derive(Serialize)]
pub(super) struct AppsPage<'a> {
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
    /// When a snapshot was last put in force.
    last_published: Option<String>,
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

/// The apps at this moment.
pub(super) fn page<'a>(feed: &Status, metrics: &Metrics, about: &'a About) -> AppsPage<'a> {
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
        last_published: feed.last_published().and_then(date),
        last_load: feed.last_load().map(|load| LoadPage {
            at: date(load.at),
            cause: load.cause.as_str(),
            documents: load.documents,
            took_seconds: seconds(load.took),
        }),
        reloads: metrics.reloads().map(|(cause, n)| (cause.as_str(), n)).collect(),
        resumes: feed.resumes(),
        failures: feed.failures(),
        alarms: feed.alarms().into_iter().map(crate::apps::feed::Alarm::as_str).collect(),
        last_error: feed.last_error().map(|(text, at)| ErrorPage { at: date(at), text }),
        cache: feed.cache().map(|cache| CachePage::new(cache, feed.cache_age())),
        unusable: feed.unusable().into_iter().map(|u| UnusablePage { app: u.app, fault: u.fault }).collect(),
    }
}
