//! The course of the counters over the last minutes, so that a page that is opened now shows what happened before.
//!
//! A ring of whole steps, filled by a timer and bounded by its length; what was counted since the last step is added
//! by whoever looks. Nothing of it is on a request's path.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::telemetry::Totals;

/// Between two samples.
pub(super) const STEP: Duration = Duration::from_secs(10);
/// Whole steps that are kept: a quarter of an hour.
pub(super) const STEPS: usize = 90;

/// What was counted in each of the last steps.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    /// The counters at the end of the last whole step.
    last: Totals,
    steps: VecDeque<Totals>,
}

impl Recent {
    /// Samples `totals` at the end of every step, for ever.
    pub async fn run(&self, totals: impl Fn() -> Totals) {
        self.ring().last = totals();
        let mut timer = interval_at(Instant::now() + STEP, STEP);
        // After a pause of the machine: one long step, not many empty ones.
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            timer.tick().await;
            self.ring().close(&totals());
        }
    }

    /// The steps, oldest first; the last one is under way, and holds what was counted up to `now`.
    #[must_use]
    pub fn steps(&self, now: &Totals) -> Vec<Totals> {
        let ring = self.ring();
        ring.steps.iter().copied().chain([now.since(&ring.last)]).collect()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn close(&mut self, now: &Totals) {
        if self.steps.len() == STEPS {
            self.steps.pop_front();
        }
        self.steps.push_back(now.since(&self.last));
        self.last = *now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::time::sleep;

    fn requests(n: u64) -> Totals {
        Totals { requests: n, ..Totals::default() }
    }

    fn shown(recent: &Recent, now: u64) -> Vec<u64> {
        recent.steps(&requests(now)).iter().map(|step| step.requests).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn each_step_holds_its_own_and_the_last_one_what_is_counted_right_now() {
        let (recent, counter) = (Arc::new(Recent::default()), Arc::new(AtomicU64::new(5)));
        let (kept, read) = (Arc::clone(&recent), Arc::clone(&counter));
        tokio::spawn(async move { kept.run(|| requests(read.load(Ordering::SeqCst))).await });
        sleep(STEP / 2).await;
        // What was there before the first sample belongs to no step.
        assert_eq!(shown(&recent, 7), [2]);
        counter.store(8, Ordering::SeqCst);
        sleep(STEP).await;
        assert_eq!(shown(&recent, 8), [3, 0]);
        counter.store(12, Ordering::SeqCst);
        sleep(STEP).await;
        assert_eq!(shown(&recent, 13), [3, 4, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn old_steps_go_so_that_the_ring_stays_as_long_as_it_is() {
        let (recent, counter) = (Arc::new(Recent::default()), Arc::new(AtomicU64::new(0)));
        let (kept, read) = (Arc::clone(&recent), Arc::clone(&counter));
        tokio::spawn(async move { kept.run(|| requests(read.fetch_add(1, Ordering::SeqCst))).await });
        sleep(STEP * (STEPS as u32 + 50) + STEP / 2).await;
        let steps = shown(&recent, counter.load(Ordering::SeqCst));
        assert_eq!(steps.len(), STEPS + 1);
        assert!(steps.iter().all(|n| *n == 1), "{steps:?}");
    }
}
