//! What people are told of certificates: on `/status`.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;

use super::expiry::Expiry;

/// Where the watcher writes what it knows, and pages read it.
pub type Board = Arc<ArcSwap<Vec<Shown>>>;

/// One certificate, or the authorities of one place, as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Where the configuration names it: `listeners[0]`, `profiles`, `upstreams.rtms`.
    pub name: String,
    /// When it expires; `None`: there are authorities alone.
    pub expiry: Option<Expiry>,
    /// When it was last replaced; `None`: not since the start.
    pub replaced: Option<SystemTime>,
    /// Why what is on disk isn't in force.
    pub problem: Option<Problem>,
}

/// Why what is on disk isn't in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// When that was found.
    pub at: SystemTime,
    /// For people.
    pub text: String,
}
