//! A rate, and the arithmetic of one budget.

use std::time::Duration;

/// So many a second in the long run, so many at once after a quiet time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The time in which one comes back, in nanoseconds.
    interval: u64,
    /// The time in which all of them come back, in nanoseconds.
    whole: u64,
}

impl Rate {
    /// `per_second` in the long run, up to `burst` at once. What is too small or too large is brought into range: one
    /// in 11 days to a thousand million a second, at least one at once.
    #[must_use]
    #[expect(clippy::cast_sign_loss, reason = "clamped to positive numbers")]
    pub fn new(per_second: f64, burst: u32) -> Self {
        let interval = (1e9 / per_second.clamp(1e-6, 1e9)) as u64;
        Self { interval, whole: interval.saturating_mul(u64::from(burst.max(1))) }
    }

    /// Takes one. `full_at` is the moment at which the whole budget is back, in nanoseconds of any clock whose `now`
    /// is given; the new moment, or how long until there is one to take.
    pub(super) fn take(self, full_at: u64, now: u64) -> Result<u64, Duration> {
        let next = full_at.max(now).saturating_add(self.interval);
        match next.saturating_sub(now).checked_sub(self.whole) {
            None | Some(0) => Ok(next),
            Some(missing) => Err(Duration::from_nanos(missing)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// How many can be taken at this moment.
    fn drain(rate: Rate, full_at: &mut u64, now: u64) -> u32 {
        let mut taken = 0;
        while let Ok(next) = rate.take(*full_at, now) {
            *full_at = next;
            taken += 1;
            assert!(taken < 1_000_000, "never ends");
        }
        taken
    }

    #[test]
    fn a_burst_at_once_and_then_the_rate() {
        let rate = Rate::new(50.0, 200);
        let mut full_at = 0;
        assert_eq!(drain(rate, &mut full_at, 7), 200);
        assert_eq!(rate.take(full_at, 7), Err(Duration::from_millis(20)));
        assert_eq!(drain(rate, &mut full_at, 7 + SECOND), 50);
        assert_eq!(drain(rate, &mut full_at, 7 + SECOND), 0);
        assert_eq!(drain(rate, &mut full_at, 7 + 3600 * SECOND), 200, "no more is saved up than a burst");
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let rate = Rate::new(1.0, 1);
        let full_at = rate.take(0, 0).unwrap();
        for now in [0, SECOND / 2, SECOND - 1] {
            assert_eq!(rate.take(full_at, now), Err(Duration::from_nanos(SECOND - now)));
        }
        assert!(rate.take(full_at, SECOND).is_ok());
    }

    #[test]
    fn extremes_neither_overflow_nor_divide_by_zero() {
        for (per_second, burst) in [(0.0, 0), (f64::NAN, 1), (1e-300, u32::MAX), (1e300, u32::MAX), (0.5, 1)] {
            let rate = Rate::new(per_second, burst);
            assert!(rate.take(0, 0).is_ok(), "{per_second} {burst}");
            let _ = rate.take(u64::MAX, u64::MAX);
            let _ = rate.take(u64::MAX, 0);
        }
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_gives_nothing_away() {
        let rate = Rate::new(10.0, 2);
        let mut full_at = 0;
        assert_eq!(drain(rate, &mut full_at, 5 * SECOND), 2);
        assert_eq!(drain(rate, &mut full_at, 4 * SECOND), 0);
    }
}
