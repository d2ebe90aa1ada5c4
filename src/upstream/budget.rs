//! How many attempts may be repeated: retries must not turn a sick upstream into a dead one.
//!
//! Each request saves a fifth of a retry, up to a thousand of them, as in linkerd's budgets: a peer that is killed
//! under load fails everything it had under way at once, and all of that can go elsewhere, while an upstream that fails
//! for long gets a fifth more requests at most. Where nothing is saved, a few at a time still pass, as in Envoy's, so
//! that a quiet gateway isn't left without.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Requests that save one retry.
const PRICE: u32 = 5;
/// The most that is saved.
const MOST: u32 = 1000 * PRICE;
/// Retries at a time that cost nothing.
const FREE: usize = 3;

/// The budget of one upstream; full at first.
#[derive(Debug)]
pub struct Budget {
    saved: AtomicU32,
    under_way: Arc<AtomicUsize>,
}

/// A retry under way.
#[derive(Debug)]
pub struct Retry(Arc<AtomicUsize>);

impl Default for Budget {
    fn default() -> Self {
        Self { saved: AtomicU32::new(MOST), under_way: Arc::default() }
    }
}

impl Budget {
    /// A request saves its part.
    pub fn save(&self) {
        // Mostly it is full: then nobody writes. Several threads may pass the bound by one each.
        if self.saved.load(Ordering::Relaxed) < MOST {
            self.saved.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A retry, to be kept as long as it is under way; `None`: there is nothing left for it.
    #[must_use]
    pub fn spend(&self) -> Option<Retry> {
        let pay = |saved: u32| saved.checked_sub(PRICE);
        let before = self.under_way.fetch_add(1, Ordering::Relaxed);
        let retry = Retry(Arc::clone(&self.under_way));
        let paid = self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay).is_ok();
        (paid || before < FREE).then_some(retry)
    }
}

impl Drop for Retry {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_in_the_long_run_a_fifth() {
        let budget = Budget::default();
        // All of these are under way at once.
        let burst: Vec<_> = std::iter::from_fn(|| budget.spend()).collect();
        assert_eq!(burst.len(), 1000);
        let mut long_run = Vec::new();
        for _ in 0..10_000 {
            budget.save();
            long_run.extend(budget.spend());
        }
        assert_eq!(long_run.len(), 2000);
    }

    #[test]
    fn three_at_a_time_are_free() {
        let budget = Budget { saved: AtomicU32::new(0), ..Budget::default() };
        for _ in 0..10 {
            let few: Vec<_> = std::iter::from_fn(|| budget.spend()).collect();
            assert_eq!(few.len(), FREE);
        }
        for _ in 0..3 * MOST {
            budget.save();
        }
        assert_eq!(budget.saved.load(Ordering::Relaxed), MOST);
    }
}
