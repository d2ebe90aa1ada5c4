//! How long to wait before the next attempt, by kind of failure.
//!
//! Re-opening backs off from 0.5 s, doubling to 30 s, with full jitter, so that a thousand gateways don't come
//! back at once. Only a re-opened stream that delivered two batches proves that all is well again.

use std::time::Duration;

use super::failure::FailureKind;

const FIRST: Duration = Duration::from_millis(500);
const LAST: Duration = Duration::from_secs(30);
/// Waits after "not authorised"; the last one repeats.
const UNAUTHORISED: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(30)];
/// Between looks at a server that isn't a replica set.
const STANDALONE: Duration = Duration::from_secs(5);
/// Errors in a row, of kinds nobody has thought of, before a token counts as the reason.
const STRIKES: u32 = 5;

/// A random time up to `most`.
pub(super) fn up_to(most: Duration) -> Duration {
    most.mul_f64(fastrand::f64())
}

/// `around` give or take a quarter.
pub(super) fn jittered(around: Duration) -> Duration {
    around.mul_f64(0.75 + fastrand::f64() / 2.0)
}

/// The bounds of full jitter: doubling, capped.
#[derive(Debug, Default)]
struct Backoff {
    doublings: u32,
}

impl Backoff {
    fn bound(&mut self) -> Duration {
        let bound = FIRST.saturating_mul(1 << self.doublings.min(16)).min(LAST);
        self.doublings = self.doublings.saturating_add(1);
        bound
    }
}

/// What the attempts so far have taught.
#[derive(Debug, Default)]
pub(super) struct Retry {
    backoff: Backoff,
    refusals: usize,
    strikes: u32,
    /// The one attempt without a wait has been made.
    hurried: bool,
    /// Full reloads since a stream last proved itself.
    reloads: u32,
    /// Batches since the stream was opened.
    batches: u8,
}

impl Retry {
    /// The wait after a failure.
    pub(super) fn after(&mut self, kind: FailureKind) -> Duration {
        match kind {
            FailureKind::Unauthorised => {
                let wait = UNAUTHORISED.get(self.refusals).or(UNAUTHORISED.last()).copied().unwrap_or(LAST);
                self.refusals += 1;
                wait
            }
            FailureKind::Standalone => STANDALONE,
            FailureKind::CursorLost if !self.hurried => {
                self.hurried = true;
                Duration::ZERO
            }
            _ => up_to(self.backoff.bound()),
        }
    }

    /// Whether the token is to be given up after an unlisted failure: the same one failed time and again.
    pub(super) fn strike(&mut self) -> bool {
        self.strikes += 1;
        self.strikes >= STRIKES
    }

    /// A stream was opened.
    pub(super) fn opened(&mut self) {
        self.batches = 0;
    }

    /// The least wait before a full reload: none, unless the one before didn't help. A server that refuses every
    /// token must not be read again and again.
    pub(super) fn reload(&mut self) -> Duration {
        self.reloads += 1;
        if self.reloads == 1 { Duration::ZERO } else { up_to(self.backoff.bound()) }
    }

    /// It delivered a batch, be it empty. True for the second one: all is well again.
    pub(super) fn delivered(&mut self) -> bool {
        self.batches = self.batches.saturating_add(1);
        let proven = self.batches == 2;
        if proven {
            *self = Self { batches: 2, ..Self::default() };
        }
        proven
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_double_from_half_a_second_to_thirty() {
        let mut backoff = Backoff::default();
        let bounds: Vec<u128> = (0..9).map(|_| backoff.bound().as_millis()).collect();
        assert_eq!(bounds, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        for _ in 0..100 {
            assert_eq!(backoff.bound(), LAST);
        }
    }

    #[test]
    fn waits_are_spread_over_the_whole_range() {
        let waits: Vec<Duration> = (0..500).map(|_| up_to(LAST)).collect();
        assert!(waits.iter().all(|w| *w <= LAST));
        assert!(waits.iter().any(|w| *w < LAST / 4) && waits.iter().any(|w| *w > LAST / 4 * 3));
        assert!((0..500).map(|_| jittered(LAST)).all(|w| w >= LAST * 3 / 4 && w <= LAST * 5 / 4));
    }

    #[test]
    fn only_two_batches_of_a_reopened_stream_reset_it() {
        let mut retry = Retry::default();
        for _ in 0..4 {
            retry.after(FailureKind::Transient);
        }
        retry.opened();
        assert!(!retry.delivered());
        retry.after(FailureKind::Transient);
        retry.opened();
        assert!(!retry.delivered());
        assert_eq!(retry.backoff.doublings, 5);
        assert!(retry.delivered());
        assert_eq!(retry.backoff.doublings, 0);
        assert!(!retry.delivered());
    }

    #[test]
    fn a_lost_cursor_is_reopened_at_once_but_only_the_first_time() {
        let mut retry = Retry::default();
        assert_eq!(retry.after(FailureKind::CursorLost), Duration::ZERO);
        retry.after(FailureKind::CursorLost);
        assert_eq!(retry.backoff.doublings, 1);
        retry.opened();
        retry.delivered();
        retry.delivered();
        assert_eq!(retry.after(FailureKind::CursorLost), Duration::ZERO);
    }

    #[test]
    fn reloads_that_do_not_help_back_off() {
        let mut retry = Retry::default();
        assert_eq!(retry.reload(), Duration::ZERO);
        assert_eq!(retry.backoff.doublings, 0);
        retry.reload();
        retry.reload();
        assert_eq!(retry.backoff.doublings, 2);
    }

    #[test]
    fn refusals_and_standalone_servers_have_schedules_of_their_own() {
        let mut retry = Retry::default();
        let waits: Vec<u64> = (0..6).map(|_| retry.after(FailureKind::Unauthorised).as_secs()).collect();
        assert_eq!(waits, [1, 2, 5, 30, 30, 30]);
        assert_eq!(retry.after(FailureKind::Standalone), STANDALONE);
        assert!((1..5).all(|_| !retry.strike()) && retry.strike());
    }
}
