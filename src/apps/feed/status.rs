//! How the feed is doing: what `/readyz`, `/status` and the gauges read.
//!
//! Staleness is the age of the last moment at which the snapshot was known to be current, by the monotonic clock;
//! wall-clock times are for display only. [`Status::stale`] is an atomic load, so a request may ask it.

mod alarms;
mod cache;
mod progress;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

pub use self::cache::CacheStatus;
use self::progress::Progress;
use super::words::{Phase, ReloadCause, SourceKind};
use crate::apps::Counts;

/// A full load that is in force.
#[derive(Clone, Copy, Debug)]
pub struct LastLoad {
    /// When it was put in force.
    pub at: SystemTime,
    /// Why everything was read.
    pub cause: ReloadCause,
    /// How many documents there were.
    pub documents: usize,
    /// How long reading and applying took.
    pub took: Duration,
}

/// A document that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Its appId, or its `_id` where it has none.
    pub app: String,
    /// What is wrong with it.
    pub fault: String,
}

#[derive(Default)]
struct Details {
    phase: Option<Phase>,
    server: Option<String>,
    ready_since: Option<SystemTime>,
    error: Option<(String, SystemTime)>,
    load: Option<LastLoad>,
    counts: Counts,
    unusable: Vec<Unusable>,
    lag: Option<Duration>,
    published: Option<SystemTime>,
    resumes: u64,
    failures: u64,
    cache: Option<CacheStatus>,
}

/// How the feed is doing. Written by the feed, read by anybody.
pub struct Status {
    source: SourceKind,
    born: Instant,
    /// Milliseconds after `born`; before it, where the apps came out of the cache.
    contact: AtomicI64,
    /// The same.
    moved: AtomicI64,
    ready: AtomicBool,
    alarms: AtomicU8,
    progress: Progress,
    details: Mutex<Details>,
}

impl Status {
    pub(super) fn new(source: SourceKind) -> Self {
        Self {
            source,
            born: Instant::now(),
            contact: AtomicI64::new(0),
            moved: AtomicI64::new(0),
            ready: AtomicBool::new(false),
            alarms: AtomicU8::new(0),
            progress: Progress::default(),
            details: Mutex::default(),
        }
    }

    /// Where the documents come from.
    #[must_use]
    pub const fn source(&self) -> SourceKind {
        self.source
    }

    /// What the server turned out to be, once known.
    #[must_use]
    pub fn server(&self) -> Option<String> {
        self.details().server.clone()
    }

    /// Whether a full load is in force, or the cache in its place; never false again once true.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Since when that is so.
    #[must_use]
    pub fn ready_since(&self) -> Option<SystemTime> {
        self.details().ready_since
    }

    /// Why that isn't so yet; `None`: it is.
    #[must_use]
    pub fn not_ready(&self) -> Option<String> {
        if self.ready() {
            return None;
        }
        let details = self.details();
        let refused = details.cache.as_ref().and_then(|cache| cache.refused.as_deref());
        let cache = refused.map(|why| format!("; the cache file {why}")).unwrap_or_default();
        Some(match &details.error {
            Some((text, _)) => format!("apps are not loaded yet: {text}; trying again{cache}"),
            None => format!("apps are not loaded yet: {} ({}){cache}", details.phase().as_str(), self.source.as_str()),
        })
    }

    /// For how long the snapshot hasn't been known to be current; before the first load: since the start.
    #[must_use]
    pub fn staleness(&self) -> Duration {
        self.age(&self.contact)
    }

    /// Whether that is longer than `max`.
    #[must_use]
    pub fn stale(&self, max: Duration) -> bool {
        self.staleness() > max
    }

    /// For how long the position in the stream hasn't moved. An idle store moves it too, every few seconds; one
    /// without a majority doesn't, and that is no error. The file source has no position.
    #[must_use]
    pub fn position_age(&self) -> Option<Duration> {
        (self.source == SourceKind::MongoDb && self.ready()).then(|| self.age(&self.moved))
    }

    /// The time the last change took from its write to being in force.
    #[must_use]
    pub fn last_lag(&self) -> Option<Duration> {
        self.details().lag
    }

    /// When a snapshot was last put in force.
    #[must_use]
    pub fn last_published(&self) -> Option<SystemTime> {
        self.details().published
    }

    /// What the feed is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.details().phase()
    }

    /// The last failure and when it happened; `None` once all is well again.
    #[must_use]
    pub fn last_error(&self) -> Option<(String, SystemTime)> {
        self.details().error.clone()
    }

    /// The last full load in force.
    #[must_use]
    pub fn last_load(&self) -> Option<LastLoad> {
        self.details().load
    }

    /// How many documents are in which state.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.details().counts
    }

    /// Documents that make no sense, the first hundred of them ([`Counts::unusable`] has their number).
    #[must_use]
    pub fn unusable(&self) -> Vec<Unusable> {
        self.details().unusable.clone()
    }

    /// How often the driver resumed the stream by itself.
    #[must_use]
    pub fn resumes(&self) -> u64 {
        self.details().resumes
    }

    /// How often an exchange with the source failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.details().failures
    }

    fn age(&self, since: &AtomicI64) -> Duration {
        let (since, elapsed) = (since.load(Ordering::Relaxed), self.born.elapsed());
        let distance = Duration::from_millis(since.unsigned_abs());
        if since < 0 { elapsed.saturating_add(distance) } else { elapsed.saturating_sub(distance) }
    }

    fn details(&self) -> MutexGuard<'_, Details> {
        self.details.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds after `born`.
    fn now(&self) -> i64 {
        i64::try_from(self.born.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// The feed's side.
impl Status {
    pub(super) fn contact(&self) {
        self.contact.store(self.now(), Ordering::Relaxed);
    }

    /// What is in force was the source's state, and the position where it stood, this long ago.
    fn known_since(&self, age: Duration) {
        let mark = self.now().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        self.contact.store(mark, Ordering::Relaxed);
        self.moved.store(mark, Ordering::Relaxed);
    }

    pub(super) fn position_moved(&self) {
        self.moved.store(self.now(), Ordering::Relaxed);
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.details().phase = Some(phase);
    }

    pub(super) fn found_server(&self, server: String) {
        self.details().server = Some(server);
    }

    pub(super) fn failed(&self, text: String) {
        let mut details = self.details();
        details.failures += 1;
        details.error = Some((text, SystemTime::now()));
    }

    /// All is well again; true if it wasn't.
    pub(super) fn recovered(&self) -> bool {
        self.details().error.take().is_some()
    }

    pub(super) fn resumed(&self) {
        self.details().resumes += 1;
    }

    /// A full load is in force. What it read first is as old as its beginning.
    pub(super) fn loaded(&self, load: LastLoad) {
        self.details().error = None;
        self.known_since(load.took);
        self.in_force(load);
    }

    /// What was read is in force, wherever it came from.
    pub(super) fn in_force(&self, load: LastLoad) {
        let mut details = self.details();
        details.load = Some(load);
        details.ready_since.get_or_insert(load.at);
        drop(details);
        self.ready.store(true, Ordering::Release);
    }

    /// A snapshot was published; `unusable` where that list differs from before.
    pub(super) fn published(&self, counts: Counts, unusable: Option<Vec<Unusable>>, lag: Option<Duration>) {
        let mut details = self.details();
        details.counts = counts;
        if let Some(unusable) = unusable {
            details.unusable = unusable;
        }
        details.lag = lag.or(details.lag);
        details.published = Some(SystemTime::now());
        drop(details);
        self.progress.tick();
    }
}

impl Details {
    fn phase(&self) -> Phase {
        self.phase.unwrap_or(Phase::Waiting)
    }
}
