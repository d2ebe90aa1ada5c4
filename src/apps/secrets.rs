//! The secrets of an app: the one in force, and what few apps have beside it.

use std::fmt;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;

use super::key::HmacKey;

/// The secrets of an app, as prepared keys.
pub struct Secrets {
    /// The secret in force.
    pub current: HmacKey,
    /// What few apps have.
    rare: Option<Box<Rare>>,
}

struct Rare {
    previous: Option<Previous>,
    valid_after: Option<i64>,
}

impl Secrets {
    /// `previous`: the secret before the current one. `valid_after`: tokens issued before this second (since the epoch)
    /// are revoked.
    #[must_use]
    pub fn new(current: HmacKey, previous: Option<Previous>, valid_after: Option<i64>) -> Self {
        let is_rare = previous.is_some() || valid_after.is_some();
        Self { current, rare: is_rare.then(|| Box::new(Rare { previous, valid_after })) }
    }

    /// The secret before the one in force, which may have ended.
    #[must_use]
    pub fn previous(&self) -> Option<&Previous> {
        self.rare.as_ref()?.previous.as_ref()
    }

    /// Tokens issued before this second (since the epoch) are revoked.
    #[must_use]
    pub fn valid_after(&self) -> Option<i64> {
        self.rare.as_ref()?.valid_after
    }
}

/// The secret before the one in force.
pub struct Previous {
    key: HmacKey,
    /// The moment its force ends, in milliseconds since the epoch.
    until: i64,
    /// The last second it verified a token in, since the epoch; 0: none yet.
    used: AtomicI64,
}

impl Previous {
    /// A secret that is good until `until`, in milliseconds since the epoch.
    #[must_use]
    pub const fn new(key: HmacKey, until: i64) -> Self {
        Self { key, until, used: AtomicI64::new(0) }
    }

    /// The key, while it lasts. `now` is in milliseconds since the epoch.
    #[must_use]
    pub fn key_at(&self, now: i64) -> Option<&HmacKey> {
        (now < self.until).then_some(&self.key)
    }

    /// The moment its force ends, in milliseconds since the epoch.
    #[must_use]
    pub const fn until(&self) -> i64 {
        self.until
    }

    /// Notes that it verified a token.
    pub fn verified(&self, now: i64) {
        let second = now.div_euclid(1000);
        // Written once a second at most: the line is shared by all threads.
        if self.used.load(Relaxed) < second {
            self.used.store(second, Relaxed);
        }
    }

    /// When it last verified a token, in milliseconds since the epoch, to the second.
    #[must_use]
    pub fn last_used(&self) -> Option<i64> {
        Some(self.used.load(Relaxed)).filter(|second| *second != 0).map(|second| second * 1000)
    }

    /// Takes over what `before` knows, if that is the same secret.
    pub(super) fn inherit(&self, before: &Self) {
        if self.key.is(&before.key) {
            self.used.store(before.used.load(Relaxed), Relaxed);
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("previous_until", &self.previous().map(|p| p.until))
            .field("valid_after", &self.valid_after())
            .finish_non_exhaustive()
    }
}
