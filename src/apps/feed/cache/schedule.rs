//! When the cache file is written: a decision, no clock and no file of its own.
//!
//! At once after a full load; half a minute after a change, together with all changes until then; now and then
//! while nothing changes, so that the position and the age stay fresh. Never while there is nothing new to say.

use std::time::Duration;

use tokio::time::Instant;

/// Changes wait this long for others to come.
const AFTER_CHANGE: Duration = Duration::from_secs(30);
/// Between two writes while nothing changes.
const EVERY: Duration = Duration::from_mins(5);
/// After a write that failed.
const AGAIN: Duration = Duration::from_secs(30);
/// When a write falls due at a bad moment.
const BUSY: Duration = Duration::from_secs(5);

/// What a file holds, or would hold: how often the documents were published, and when they were last known to be
/// current.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::apps::feed) struct Mark {
    pub(in crate::apps::feed) revision: u64,
    pub(in crate::apps::feed) contact: i64,
}

/// The state of the decision.
#[derive(Debug, Default)]
pub(in crate::apps::feed) struct Schedule {
    /// What the file holds, and since when; `None`: nothing that we know.
    written: Option<(Mark, Instant)>,
    /// The last mark seen, and since when it differs from the file's by a change.
    seen: Mark,
    changed: Option<Instant>,
    /// A full load came into force that isn't written.
    loaded: Option<Instant>,
    /// Under way.
    writing: Option<Mark>,
    failed: Option<Instant>,
    busy: Option<Instant>,
}

impl Schedule {
    /// Takes note of what is in force.
    pub(in crate::apps::feed) fn see(&mut self, mark: Mark, now: Instant) {
        if mark.revision != self.seen.revision {
            self.changed.get_or_insert(now);
        }
        self.seen = mark;
    }

    /// A full load is in force.
    pub(in crate::apps::feed) fn loaded(&mut self, now: Instant) {
        self.loaded = Some(now);
    }

    /// What is in force came out of the file.
    pub(in crate::apps::feed) fn restored(&mut self, mark: Mark, now: Instant) {
        *self = Self { written: Some((mark, now)), seen: mark, ..Self::default() };
    }

    /// A write begins.
    pub(in crate::apps::feed) fn begin(&mut self) {
        self.writing = Some(self.seen);
        self.changed = None;
        self.loaded = None;
        self.busy = None;
    }

    /// It came to its end.
    pub(in crate::apps::feed) fn ended(&mut self, well: bool, now: Instant) {
        let Some(mark) = self.writing.take() else { return };
        if well {
            self.written = Some((mark, now));
            self.failed = None;
        } else {
            self.failed = Some(now);
        }
    }

    /// It was due, but what is in force was between two states.
    pub(in crate::apps::feed) fn busy(&mut self, now: Instant) {
        self.busy = Some(now);
    }

    /// Whether a write is under way.
    pub(in crate::apps::feed) const fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Whether there is something to write that the file doesn't hold.
    pub(in crate::apps::feed) fn is_behind(&self) -> bool {
        self.written.is_none_or(|(mark, _)| mark != self.seen)
    }

    /// When the next write is due.
    pub(in crate::apps::feed) fn due(&self) -> Option<Instant> {
        if self.writing.is_some() || !self.is_behind() {
            return None;
        }
        let regular = self.written.map(|(_, at)| at + EVERY);
        let due = match (self.failed, self.loaded, self.changed) {
            (Some(failed), ..) => failed + AGAIN,
            (None, Some(loaded), _) => loaded,
            (None, None, Some(changed)) => regular.unwrap_or(changed + AFTER_CHANGE).min(changed + AFTER_CHANGE),
            (None, None, None) => regular?,
        };
        Some(self.busy.map_or(due, |busy| due.max(busy + BUSY)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    const fn mark(revision: u64, contact: i64) -> Mark {
        Mark { revision, contact }
    }

    /// Loaded and written at the start.
    fn written(start: Instant) -> Schedule {
        let mut schedule = Schedule::default();
        schedule.loaded(start);
        schedule.see(mark(1, 0), start);
        assert_eq!(schedule.due(), Some(start));
        schedule.begin();
        assert_eq!(schedule.due(), None);
        schedule.ended(true, start);
        schedule
    }

    #[test]
    fn nothing_is_written_before_a_load_nor_without_news() {
        assert_eq!(Schedule::default().due(), None);
        assert_eq!(written(Instant::now()).due(), None);
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.restored(mark(1, -5_000), now);
        schedule.see(mark(1, -5_000), now + SECOND);
        assert_eq!((schedule.due(), schedule.is_behind()), (None, false));
    }

    #[test]
    fn changes_are_gathered_for_half_a_minute_from_the_first() {
        let start = Instant::now();
        let mut schedule = written(start);
        for n in 1..20 {
            schedule.see(mark(1 + n, 0), start + SECOND * n as u32);
            assert_eq!(schedule.due(), Some(start + SECOND + AFTER_CHANGE));
        }
        schedule.begin();
        schedule.see(mark(30, 0), start + SECOND * 32);
        assert_eq!(schedule.due(), None, "one write at a time");
        schedule.ended(true, start + SECOND * 33);
        assert_eq!(schedule.due(), Some(start + SECOND * 32 + AFTER_CHANGE), "what changed meanwhile isn't forgotten");
    }

    #[test]
    fn contact_alone_is_written_every_five_minutes_and_no_change_later_than_that() {
        let start = Instant::now();
        let mut schedule = written(start);
        schedule.see(mark(1, 1_000), start + SECOND);
        assert_eq!(schedule.due(), Some(start + EVERY));
        schedule.see(mark(2, 290_000), start + SECOND * 290);
        assert_eq!(schedule.due(), Some(start + EVERY));
    }

    #[test]
    fn a_failure_and_a_bad_moment_are_tried_again() {
        let start = Instant::now();
        let mut schedule = written(start);
        schedule.see(mark(2, 0), start);
        schedule.begin();
        schedule.ended(false, start);
        assert_eq!(schedule.due(), Some(start + AGAIN));
        schedule.busy(start + AGAIN);
        assert_eq!(schedule.due(), Some(start + AGAIN + BUSY));
        schedule.begin();
        schedule.ended(true, start + SECOND * 60);
        assert_eq!(schedule.due(), None);
    }
}
