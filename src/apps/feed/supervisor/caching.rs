//! When the cache file is used, and when it is written.
//!
//! It is used at start only, once it is clear that the source is out of reach, and never in the place of anything
//! that was loaded or is being loaded. After that it is written: always a state between two batches, with the token
//! up to which everything is in it or owed.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{Command, State, Supervisor};
use crate::apps::feed::backoff::up_to;
use crate::apps::feed::cache::schedule::{Mark, Schedule};
use crate::apps::feed::cache::{Cached, Image, Place, Refusal};
use crate::apps::feed::merge::Merge;
use crate::apps::feed::source::Documents;
use crate::apps::feed::status::LastLoad;
use crate::apps::feed::words::{Alarm, Phase, ReloadCause};

/// A source that gave no position in this time after the start is out of reach.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is known of the cache file.
#[derive(Default)]
pub(super) struct Keeper {
    fallback: Fallback,
    schedule: Schedule,
    /// What was asked for with [`Command::CacheIn`].
    asked: Option<Instant>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Fallback {
    #[default]
    Unread,
    Reading,
    /// Used, or of no use.
    Done,
}

/// Beside the documents that are being put in force.
pub(super) struct Restoring {
    place: Place,
    written: SystemTime,
}

impl Supervisor {
    /// With a cache file.
    pub(in crate::apps::feed) fn with_cache(mut self) -> Self {
        self.keeper = Some(Keeper::default());
        self
    }

    pub(super) fn wait_for_source(&self) -> Option<Command> {
        self.keeper.as_ref().map(|_| Command::CacheIn(PATIENCE))
    }

    /// The source is out of reach: reads the file, unless that was done or would be no use.
    pub(super) fn fall_back(&mut self) -> Option<Command> {
        let wanted = self.wants_fallback();
        let keeper = self.keeper.as_mut().filter(|keeper| wanted && keeper.fallback == Fallback::Unread)?;
        keeper.fallback = Fallback::Reading;
        Some(Command::ReadCache)
    }

    /// A load that is on its way goes first; a standalone server is a mistake that must not go unseen.
    fn wants_fallback(&self) -> bool {
        let waits = matches!(self.state, State::Waiting | State::Positioning);
        waits && !self.status().ready() && !self.status().alarm(Alarm::Standalone)
    }

    pub(super) fn cache_read(&mut self, read: Result<Option<Cached>, Refusal>) -> Vec<Command> {
        let wanted = self.wants_fallback();
        let Some(keeper) = &mut self.keeper else { return Vec::new() };
        keeper.fallback = Fallback::Done;
        match read {
            Ok(Some(cached)) if wanted => return self.restore(cached),
            // Should the load fail, it is read again.
            Ok(Some(_)) => keeper.fallback = Fallback::Unread,
            Ok(None) => tracing::info!("apps: there is no cache file yet to start from"),
            Err(refusal) => self.refused(&refusal),
        }
        Vec::new()
    }

    fn refused(&self, refusal: &Refusal) {
        let file = self.status().cache().unwrap_or_default().path;
        tracing::warn!(file = %file.display(), "apps: the cache file {refusal}; nothing of it is used");
        self.status().cache_refused(format!("{} {refusal}", file.display()));
        self.ledger.report.reloaded(ReloadCause::CacheRefused);
    }

    fn restore(&mut self, cached: Cached) -> Vec<Command> {
        let Cached { place, written, found } = cached;
        let newest = place.newest;
        self.merge = Some(Merge::new(Documents { found, at: place.horizon }, false));
        self.state = State::Restoring(Restoring { place, written });
        self.load_began = Some(Instant::now());
        self.status().enter(Phase::Restoring);
        // An attempt to reach the source may still be under way; the stream's is the next.
        vec![Command::Close, Command::NotBefore(newest)]
    }

    /// What the file held is published: the stream is taken up where it left off.
    pub(super) fn restored(&mut self, merge: &Merge) -> Vec<Command> {
        let State::Restoring(restoring) = std::mem::replace(&mut self.state, State::Waiting) else { return Vec::new() };
        let Restoring { place, written } = restoring;
        self.ledger.restored(place.newest, place.owed);
        self.token = Some(place.token);
        self.status().restored(place.contact, written);
        let took = self.load_began.map(|began| began.elapsed()).unwrap_or_default();
        let (at, documents) = (SystemTime::now(), merge.len());
        self.status().in_force(LastLoad { at, cause: ReloadCause::Cache, documents, took });
        self.ledger.report.reloaded(ReloadCause::Cache);
        let (age, ms) = (self.status().staleness().as_secs(), took.as_millis());
        tracing::warn!(documents, age_s = age, took_ms = ms, "apps: the source is out of reach; the cache is in force");
        let mark = self.mark();
        if let Some(keeper) = &mut self.keeper {
            keeper.schedule.restored(mark, Instant::now());
        }
        let mut commands = self.go_on();
        // A database that was away may come back restored, or be another one of the same name: the stream tells of neither.
        commands.extend(self.next_comparison().map(|_| Command::CompareIn(up_to(self.pace.resync_delay))));
        commands
    }

    /// What is in force is the source's state.
    pub(super) fn reached(&self) {
        if self.status().reached() {
            tracing::info!("apps: the source is reached, what came out of the cache is current again");
        }
    }

    pub(super) fn load_to_cache(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            keeper.fallback = Fallback::Done;
            keeper.schedule.loaded(Instant::now());
        }
    }

    fn mark(&self) -> Mark {
        Mark { revision: self.ledger.revision(), contact: self.status().contact_mark() }
    }

    /// Takes note of what is in force, and asks to be woken when it is to be written.
    pub(super) fn keep_cache(&mut self) -> Option<Command> {
        if !self.status().ready() {
            return None;
        }
        let (mark, now) = (self.mark(), Instant::now());
        let keeper = self.keeper.as_mut()?;
        keeper.schedule.see(mark, now);
        let due = keeper.schedule.due();
        if due == keeper.asked {
            return None;
        }
        keeper.asked = due;
        due.map(|due| Command::CacheIn(due.saturating_duration_since(now)))
    }

    pub(super) fn cache_due(&mut self) -> Vec<Command> {
        if !self.status().ready() {
            return self.fall_back().into_iter().collect();
        }
        let (whole, now) = (self.is_whole(), Instant::now());
        let Some(keeper) = &mut self.keeper else { return Vec::new() };
        keeper.asked = None;
        if keeper.schedule.due().is_none_or(|due| due > now) {
            return Vec::new();
        }
        if !whole {
            keeper.schedule.busy(now);
            return Vec::new();
        }
        keeper.schedule.begin();
        vec![Command::WriteCache]
    }

    /// Whether what is in force stands at our token.
    fn is_whole(&self) -> bool {
        self.merge.is_none() && self.token.is_some()
    }

    /// What is in force, to be written; `None`: it is between two states.
    pub(in crate::apps::feed) fn image(&self) -> Option<Image> {
        let token = self.token.clone().filter(|_| self.is_whole())?;
        let contact = SystemTime::now().checked_sub(self.status().staleness())?;
        Some(self.ledger.image(token, contact))
    }

    pub(super) fn cache_written(&mut self, written: Result<SystemTime, String>) -> Vec<Command> {
        if let Some(keeper) = &mut self.keeper {
            keeper.schedule.ended(written.is_ok(), Instant::now());
        }
        match written {
            Ok(at) if self.status().cache_written(at) => tracing::info!("apps: the cache file is written again"),
            Ok(_) => tracing::debug!("apps: the cache file is written"),
            Err(error) if self.status().cache_unwritten(error.clone()) => {
                let file = self.status().cache().unwrap_or_default().path;
                tracing::error!(file = %file.display(), error, "apps: the cache file can't be written; trying again");
            }
            Err(_) => {}
        }
        Vec::new()
    }

    /// Whether the file is being written.
    pub(in crate::apps::feed) fn writes_cache(&self) -> bool {
        self.keeper.as_ref().is_some_and(|keeper| keeper.schedule.is_writing())
    }

    /// The process is about to stop: whether something is to be written before.
    pub(in crate::apps::feed) fn last_write(&mut self) -> bool {
        let (mark, whole) = (self.mark(), self.is_whole());
        let Some(keeper) = &mut self.keeper else { return false };
        keeper.schedule.see(mark, Instant::now());
        let wanted = whole && keeper.schedule.is_behind();
        if wanted {
            keeper.schedule.begin();
        }
        wanted
    }
}
