//! Whether a peer is in use: one byte that every choice reads, and that health checks and ejection write.

use std::sync::atomic::{AtomicU8, Ordering};

/// Why a peer is out of use. Each reason comes and goes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Out {
    /// Its health checks failed.
    Unhealthy = 1,
}

/// The standing of one peer; in use at first.
#[derive(Debug, Default)]
pub struct Standing(AtomicU8);

impl Standing {
    /// Whether nothing speaks against it.
    #[must_use]
    pub fn is_in(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Takes the peer out of use.
    pub fn take_out(&self, why: Out) {
        self.0.fetch_or(why as u8, Ordering::Relaxed);
    }

    /// Takes a reason back; the peer is in use again if it was the only one.
    pub fn put_back(&self, why: Out) {
        self.0.fetch_and(!(why as u8), Ordering::Relaxed);
    }
}
