//! The guard against a load that lost more than half of the apps.
//!
//! A collection that is being restored, or a database that was pointed elsewhere, must not empty the map in one
//! stroke: such a load is accepted only when a second one agrees. It doesn't agree while the collection is filling
//! up again; that can postpone it a few times only, as every time an eighth of the apps must have come back.

use std::time::Duration;

/// The time until the second load.
pub(super) const SECOND_LOOK: Duration = Duration::from_secs(5);

/// What becomes of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Put it in force.
    Accept,
    /// Not yet: look again.
    Refuse,
}

/// What the last refused load held.
#[derive(Debug, Default)]
pub(super) struct Guard {
    refused: Option<usize>,
}

impl Guard {
    /// Judges a load that kept `kept` of `serving` apps.
    pub(super) fn judge(&mut self, serving: usize, kept: usize) -> Verdict {
        let lost = serving.saturating_sub(kept);
        let refilling = self.refused.is_some_and(|before| kept > before + serving / 8);
        if lost * 2 > serving && (self.refused.is_none() || refilling) {
            self.refused = Some(kept);
            return Verdict::Refuse;
        }
        self.refused = None;
        Verdict::Accept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(serving: usize, loads: &[usize]) -> Vec<Verdict> {
        let mut guard = Guard::default();
        loads.iter().map(|kept| guard.judge(serving, *kept)).collect()
    }

    #[test]
    fn half_may_go_at_once_and_more_only_when_a_second_load_agrees() {
        use Verdict::{Accept, Refuse};
        assert_eq!(verdicts(10, &[10, 5]), [Accept, Accept]);
        assert_eq!(verdicts(10, &[4, 4]), [Refuse, Accept]);
        assert_eq!(verdicts(1, &[0, 0]), [Refuse, Accept]);
        assert_eq!(verdicts(10, &[0, 9, 0, 1]), [Refuse, Accept, Refuse, Accept]);
        assert_eq!(verdicts(0, &[0]), [Accept]);
    }

    #[test]
    fn a_collection_that_fills_up_again_is_waited_for_but_not_for_ever() {
        use Verdict::{Accept, Refuse};
        assert_eq!(verdicts(100, &[0, 20, 45, 70]), [Refuse, Refuse, Refuse, Accept]);
        assert_eq!(verdicts(100, &[0, 5]), [Refuse, Accept]);
        assert_eq!(verdicts(100, &[0, 13, 26, 39, 52]), [Refuse, Refuse, Refuse, Refuse, Accept]);
    }
}
