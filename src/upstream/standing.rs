//! Whether a peer is in use: one byte that every choice reads, and that health checks and ejection write.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// Why a peer is out of use. Each reason comes and goes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Out {
    /// Its health checks failed.
    Unhealthy = 1,
    /// Its requests failed.
    Ejected = 2,
}

/// The standing of one peer; in use at first.
#[derive(Debug, Default)]
pub struct Standing {
    out: AtomicU8,
    /// Attempts in a row that failed.
    failures: AtomicU32,
}

impl Standing {
    /// Whether nothing speaks against it.
    #[must_use]
    pub fn is_in(&self) -> bool {
        self.out.load(Ordering::Relaxed) == 0
    }

    /// Whether this speaks against it.
    #[must_use]
    pub fn is_out(&self, why: Out) -> bool {
        self.out.load(Ordering::Relaxed) & why as u8 != 0
    }

    /// Takes the peer out of use.
    pub fn take_out(&self, why: Out) {
        self.out.fetch_or(why as u8, Ordering::Relaxed);
    }

    /// Takes a reason back; the peer is in use again if it was the only one.
    pub fn put_back(&self, why: Out) {
        self.out.fetch_and(!(why as u8), Ordering::Relaxed);
    }

    /// Counts an attempt that failed; how many did in a row. One that began before the peer was taken out, and fails
    /// after it, says nothing new: 0.
    pub fn failed(&self) -> u32 {
        if self.is_in() { self.failures.fetch_add(1, Ordering::Relaxed) + 1 } else { 0 }
    }

    /// An attempt was good: the count begins anew.
    pub fn succeeded(&self) {
        // Read first: a line of memory that nobody writes to is shared by all threads.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }
}
