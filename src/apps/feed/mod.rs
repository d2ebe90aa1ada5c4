//! The apps feed: what keeps the snapshot current, and tells how current it is.
//!
//! ```text
//!  MongoDB room      driver            supervisor           ledger          apps::snapshot
//!  (translates) ---> (runs tasks, ---> (decides: inputs --> (applies,  ---> one publish
//!                     timers)           in, commands out)    re-reads)       per batch
//! ```
//!
//! The way of a start, and of every full reload: **position** (open a stream, take its token T0), **load**
//! (read the whole collection, note the server's time T1), **follow** (resume after T0). An event up to T1 may be
//! older than what the load read, so its document is read again instead; later events are applied as they are.
//! Nothing is published before a load is complete, and the last snapshot serves through every failure. A cache
//! file, where there is one, takes the place of the first load while the store is out of reach at start.
//!
//! The file source has no stream: [`file`] compares the file on disk with what is in force.

mod backoff;
mod cache;
mod driver;
mod failure;
mod file;
mod guard;
mod ledger;
mod merge;
mod mongodb;
mod report;
mod source;
mod status;
mod supervisor;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use self::cache::CacheFile;
pub use self::cache::{CacheKey, is_free_for_cache};
pub(crate) use self::mongodb::{Connected, Connection, document};
pub use self::mongodb::{UriFault, check_uri};
use self::report::Report;
pub use self::source::OpTime;
pub use self::status::{CacheStatus, LastLoad, Status, Unusable};
pub use self::words::{Alarm, Change, Phase, ReloadCause, SourceKind};
use super::{Apps, Counts, SecretEncoding, Snapshot};
use crate::config::settings;

/// Who is told what the feed does. Called from the feed's task alone; must not block.
pub trait Events: Send + Sync {
    /// A change of a document was applied, or needed no applying.
    fn changed(&self, kind: Change);
    /// A full load was put in force, or a broken file was refused ([`ReloadCause::FileBroken`]).
    fn reloaded(&self, cause: ReloadCause);
    /// A change is in force, this long after it was written in the store (by the two wall clocks, at least zero).
    fn propagated(&self, lag: std::time::Duration);
    /// How many documents are in which state, after every publish.
    fn counts(&self, counts: Counts);
    /// The driver resumed the stream by itself.
    fn resumed(&self);
    /// A document makes no sense: `app` is its appId, or its `_id` where it has none. Already logged.
    fn unusable(&self, app: &str, fault: &str);
}

/// Nobody is told.
impl Events for () {
    fn changed(&self, _: Change) {}
    fn reloaded(&self, _: ReloadCause) {}
    fn propagated(&self, _: std::time::Duration) {}
    fn counts(&self, _: Counts) {}
    fn resumed(&self) {}
    fn unusable(&self, _: &str, _: &str) {}
}

/// The feed of one process. Made once, run once.
pub struct Feed {
    source: settings::AppsSource,
    cache: Option<settings::AppsCache>,
    pace: supervisor::Pace,
    apps: Apps,
    status: Arc<Status>,
    events: Arc<dyn Events>,
}

impl Feed {
    /// A feed that has not read anything yet. `encoding` is `auth.secret_encoding`.
    #[must_use]
    pub fn new(settings: &settings::Apps, encoding: SecretEncoding, events: Arc<dyn Events>) -> Self {
        let kind = match settings.source {
            settings::AppsSource::MongoDb { .. } => SourceKind::MongoDb,
            settings::AppsSource::File { .. } => SourceKind::File,
        };
        let status = Status::new(kind);
        if let Some(cache) = &settings.cache {
            status.has_cache(cache.path.clone());
        }
        Self {
            source: settings.source.clone(),
            cache: settings.cache.clone(),
            pace: supervisor::Pace {
                resync_delay: settings.resync_delay,
                min_interval: settings.resync_min_interval,
                reconcile_every: settings.reconcile_every,
            },
            apps: Apps::new(encoding),
            status: Arc::new(status),
            events,
        }
    }

    /// Where requests find the snapshot in force; empty until [`Status::ready`].
    #[must_use]
    pub fn published(&self) -> Arc<ArcSwap<Snapshot>> {
        self.apps.published()
    }

    /// How the feed is doing.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    /// Runs until `stop` is true or its sender is gone. Calls `ready` once, when the first full load, or the cache in
    /// its place, is in force; failures before and after are shown in [`Status`], logged, and tried again.
    pub async fn run(self, stop: watch::Receiver<bool>, ready: impl FnOnce() + Send) {
        let Self { source, cache, pace, apps, status, events } = self;
        match source {
            settings::AppsSource::File { path } => {
                let report = Report::new(status, events, Box::new(file::name));
                file::run(file::Watch::new(path, apps, report), stop, ready).await;
            }
            settings::AppsSource::MongoDb { uri, database, collection } => {
                let report = Report::new(status, events, Box::new(mongodb::name));
                let origin = mongodb::origin(&uri, &database, &collection);
                let cache = cache.map(|cache| CacheFile::new(cache.path, cache.key, origin));
                let source = mongodb::MongoSource::new(&uri, database, collection);
                let supervisor = supervisor::Supervisor::new(apps, report, pace);
                let supervisor = if cache.is_some() { supervisor.with_cache() } else { supervisor };
                driver::drive(Arc::new(source), supervisor, cache, stop, ready).await;
            }
        }
    }
}
