//! How the cache file is doing, as `/status` and the gauges show it.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::super::words::Alarm;
use super::Status;

/// The cache file, as far as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheStatus {
    /// The file.
    pub path: PathBuf,
    /// When it was last written, by this process or, where it was used, by the one before.
    pub written_at: Option<SystemTime>,
    /// Why it couldn't be written, and when; `None` once it could.
    pub write_error: Option<(String, SystemTime)>,
    /// Why it couldn't be used at start; `None` once it was written anew.
    pub refused: Option<String>,
    /// Since when what it held is in force, without contact to the source since.
    pub in_use_since: Option<SystemTime>,
}

impl Status {
    /// The cache file; `None`: there is none.
    #[must_use]
    pub fn cache(&self) -> Option<CacheStatus> {
        self.details().cache.clone()
    }

    /// How long ago the cache file was written, or was to be written for the first time; `None`: there is none.
    #[must_use]
    pub fn cache_age(&self) -> Option<Duration> {
        let written_at = self.details().cache.as_ref()?.written_at;
        Some(written_at.map_or(self.born.elapsed(), age))
    }
}

/// The time since then; none, where the clock was set back meanwhile.
fn age(at: SystemTime) -> Duration {
    SystemTime::now().duration_since(at).unwrap_or_default()
}

/// The feed's side.
impl Status {
    pub(in crate::apps::feed) fn has_cache(&self, path: PathBuf) {
        self.details().cache = Some(CacheStatus { path, ..CacheStatus::default() });
    }

    /// When contact was last, to compare with other such moments.
    pub(in crate::apps::feed) fn contact_mark(&self) -> i64 {
        self.contact.load(Ordering::Relaxed)
    }

    fn with_cache(&self, change: impl FnOnce(&mut CacheStatus)) {
        if let Some(cache) = &mut self.details().cache {
            change(cache);
        }
    }

    /// What the file holds, known to be current up to `contact`, is in force.
    pub(in crate::apps::feed) fn restored(&self, contact: SystemTime, written: SystemTime) {
        self.known_since(age(contact));
        self.raise(Alarm::FromCache);
        self.with_cache(|cache| {
            cache.written_at = Some(written);
            cache.in_use_since = Some(SystemTime::now());
        });
    }

    /// The source was reached: what is in force is its state. True if it came out of the cache until now.
    pub(in crate::apps::feed) fn reached(&self) -> bool {
        let was = self.alarm(Alarm::FromCache);
        if was {
            self.clear(Alarm::FromCache);
            self.with_cache(|cache| cache.in_use_since = None);
        }
        was
    }

    /// The file can't be used.
    pub(in crate::apps::feed) fn cache_refused(&self, why: String) {
        self.raise(Alarm::CacheBroken);
        self.with_cache(|cache| cache.refused = Some(why));
    }

    /// The file was written. True if something was wrong with it before.
    pub(in crate::apps::feed) fn cache_written(&self, at: SystemTime) -> bool {
        self.with_cache(|cache| {
            let path = std::mem::take(&mut cache.path);
            let in_use_since = cache.in_use_since;
            *cache = CacheStatus { path, written_at: Some(at), in_use_since, ..CacheStatus::default() };
        });
        let was = self.alarm(Alarm::CacheBroken);
        self.clear(Alarm::CacheBroken);
        was
    }

    /// The file can't be written. True if it could the last time.
    pub(in crate::apps::feed) fn cache_unwritten(&self, why: String) -> bool {
        self.raise(Alarm::CacheBroken);
        let mut first = false;
        self.with_cache(|cache| first = cache.write_error.replace((why, SystemTime::now())).is_none());
        first
    }
}
