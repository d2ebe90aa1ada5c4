//! Who has a place: found by hash, without a lock. Places are only ever taken; a table in which others have them is
//! another table.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::series::Series;

/// Room for each place, so that few apps share one.
const SPARSE: usize = 4;

/// The apps with series of their own.
pub(super) struct Table {
    /// A power of two of them, never all taken.
    cells: Box<[OnceLock<Entry>]>,
    used: AtomicUsize,
    max: usize,
}

struct Entry {
    hash: u64,
    series: Arc<Series>,
}

impl Entry {
    fn is(&self, hash: u64, app: &str) -> bool {
        self.hash == hash && self.series.app() == app
    }
}

impl Table {
    /// Room for `max` apps.
    pub(super) fn new(max: usize) -> Self {
        let cells = (max.max(1) * SPARSE).next_power_of_two();
        let cells = std::iter::repeat_with(OnceLock::new).take(cells).collect();
        Self { cells, used: AtomicUsize::new(0), max }
    }

    /// These have a place, `max` of them at most.
    pub(super) fn with(max: usize, all: impl Iterator<Item = (u64, Arc<Series>)>) -> Self {
        let table = Self::new(max);
        for (hash, series) in all {
            let app = Arc::clone(&series);
            table.enter(hash, app.app(), || series);
        }
        table
    }

    /// The series of an app that has a place.
    pub(super) fn find(&self, hash: u64, app: &str) -> Option<&Arc<Series>> {
        self.probe(hash).map_while(OnceLock::get).find(|entry| entry.is(hash, app)).map(|entry| &entry.series)
    }

    /// Gives an app a place, if one is free.
    pub(super) fn enter(&self, hash: u64, app: &str, make: impl FnOnce() -> Arc<Series>) -> Option<&Arc<Series>> {
        let free = |used: usize| (used < self.max).then_some(used + 1);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).ok()?;
        let mut entry = Entry { hash, series: make() };
        for cell in self.probe(hash) {
            match cell.set(entry) {
                Ok(()) => return cell.get().map(|entry| &entry.series),
                Err(same) => entry = same,
            }
            if let Some(there) = cell.get().filter(|there| there.is(hash, app)) {
                // Another request of it was faster.
                self.used.fetch_sub(1, Ordering::Relaxed);
                return Some(&there.series);
            }
        }
        None
    }

    /// All that have a place.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Series>> {
        self.cells.iter().filter_map(OnceLock::get).map(|entry| &entry.series)
    }

    fn probe(&self, hash: u64) -> impl Iterator<Item = &OnceLock<Entry>> {
        let home = usize::try_from(hash).unwrap_or_default() & (self.cells.len() - 1);
        let (before, after) = self.cells.split_at_checked(home).unwrap_or_default();
        after.iter().chain(before)
    }
}
