//! What `/status` says about upgrades: whom this process took over from, and whether it is being relieved itself.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::Serialize;

use super::status::date;

/// Upgrades as this process sees them.
#[derive(Debug, Default)]
pub struct Upgrade(Mutex<Seen>);

#[derive(Clone, Debug, Default)]
struct Seen {
    from: Option<i32>,
    taken_over: Option<SystemTime>,
    pending: Option<SystemTime>,
    failure: Option<String>,
}

/// The part of the page.
#[derive(Serialize)]
pub struct UpgradePage {
    /// When it took the place of another process; `null`: it was started afresh.
    pub took_over_at: Option<String>,
    /// That process's id.
    pub took_over_from: Option<i32>,
    /// Since when it waits for a new process to serve; `null`: it doesn't.
    pub pending_since: Option<String>,
    /// Why the last attempt to hand over came to nothing.
    pub last_failure: Option<String>,
}

impl Upgrade {
    /// This process serves in the place of another.
    pub fn took_over(&self, from: Option<i32>) {
        self.change(|seen| (seen.from, seen.taken_over) = (from, Some(SystemTime::now())));
    }

    /// A handover begins.
    pub fn begin(&self) {
        self.change(|seen| seen.pending = Some(SystemTime::now()));
    }

    /// It is over, well or not.
    pub fn end(&self, failure: Option<String>) {
        self.change(|seen| (seen.pending, seen.failure) = (None, failure));
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What is shown now.
    #[must_use]
    pub fn page(&self) -> UpgradePage {
        let Seen { from, taken_over, pending, failure } = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        UpgradePage {
            took_over_at: taken_over.and_then(date),
            took_over_from: from,
            pending_since: pending.and_then(date),
            last_failure: failure,
        }
    }
}
