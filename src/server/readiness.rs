//! Whether this gateway should be sent traffic (`/readyz`), and why not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::apps::feed::Status;

/// What the process is doing, as its services tell each other.
#[derive(Clone, Default)]
pub struct Flags {
    /// Asked to stop.
    pub draining: Arc<AtomicBool>,
    /// Asked to stop, or another process serves: connections aren't kept open any longer.
    pub leaving: Arc<AtomicBool>,
    /// The listeners are open.
    pub listening: Arc<AtomicBool>,
    /// The app profiles API has calls to finish, or may come to have some.
    pub profiles: Arc<AtomicBool>,
}

/// The answer to `/readyz`.
#[derive(Clone)]
pub struct Readiness {
    flags: Flags,
    apps: Arc<Status>,
    /// Staleness takes the gateway out only under `when_stale: reject`: otherwise a database that is down would
    /// take every gateway with it.
    reject_after: Option<Duration>,
}

impl Readiness {
    /// Readiness of a gateway whose apps are described by `apps`.
    #[must_use]
    pub const fn new(flags: Flags, apps: Arc<Status>, reject_after: Option<Duration>) -> Self {
        Self { flags, apps, reject_after }
    }

    /// Ready, or why not.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn check(&self) -> Result<(), String> {
        if self.flags.draining.load(Ordering::Relaxed) {
            return Err("draining: asked to stop".to_owned());
        }
        if let Some(why) = self.apps.not_ready() {
            return Err(why);
        }
        if !self.flags.listening.load(Ordering::Acquire) {
            return Err("the listeners are about to open".to_owned());
        }
        match self.reject_after {
            Some(limit) if self.apps.stale(limit) => {
                Err(format!("the apps are stale: no contact with their source for more than {}s", limit.as_secs()))
            }
            _ => Ok(()),
        }
    }
}
