//! The counters of one app.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::IntCounter;

use crate::config::settings::CountedApps;
use crate::reason::Reason;
use crate::telemetry::families::PerAppFamilies;

/// No round has looked at it yet.
const FRESH: u64 = u64::MAX;

/// The counters of one app, and how busy it was.
pub(super) struct Series {
    app: Box<str>,
    /// `None`: only rejections are counted.
    requests: Option<IntCounter>,
    /// By reason, in the order of [`Reason::ALL`]; made when the first one comes.
    rejections: Box<[OnceLock<IntCounter>]>,
    /// The total at the round before.
    seen: AtomicU64,
    /// How much it got in a round, older ones counting less and less.
    score: AtomicU64,
}

impl Series {
    pub(super) fn new(app: &str, counted: CountedApps, families: &PerAppFamilies) -> Self {
        let requests = (counted == CountedApps::All).then(|| families.requests.with_label_values(&[app]));
        Self {
            app: app.into(),
            // One that comes back goes on where it stood.
            seen: AtomicU64::new(requests.as_ref().map_or(0, IntCounter::get)),
            requests,
            rejections: Reason::ALL.iter().map(|_| OnceLock::new()).collect(),
            score: AtomicU64::new(FRESH),
        }
    }

    pub(super) fn app(&self) -> &str {
        &self.app
    }

    /// Counts a request, and why it was turned away if it was.
    pub(super) fn count(&self, rejection: Option<Reason>, families: &PerAppFamilies) {
        if let Some(reason) = rejection
            && let Some(place) = self.rejections.get(usize::from(reason as u8))
        {
            place.get_or_init(|| families.rejections.with_label_values(&[&*self.app, reason.as_str()])).inc();
        }
        if let Some(requests) = &self.requests {
            requests.inc();
        }
    }

    /// How busy it is; closes a round.
    pub(super) fn score(&self) -> u64 {
        let rejections = || self.rejections.iter().filter_map(OnceLock::get).map(IntCounter::get).sum();
        let total = self.requests.as_ref().map_or_else(rejections, IntCounter::get);
        let got = total.saturating_sub(self.seen.swap(total, Ordering::Relaxed));
        let score = match self.score.load(Ordering::Relaxed) {
            FRESH => got,
            before => u64::midpoint(before, got),
        };
        self.score.store(score, Ordering::Relaxed);
        score
    }

    /// What it got before it had counters of its own.
    pub(super) fn set_score(&self, score: u64) {
        self.score.store(score, Ordering::Relaxed);
    }

    /// Takes its counters out of what is shown.
    pub(super) fn remove(&self, families: &PerAppFamilies) {
        // Errors: it was never there.
        let _ = families.requests.remove_label_values(&[&*self.app]);
        for reason in Reason::ALL {
            let _ = families.rejections.remove_label_values(&[&*self.app, reason.as_str()]);
        }
    }
}
