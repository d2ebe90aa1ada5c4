//! When checks in a row turn a peer's health.

/// The checks of one peer so far.
#[derive(Debug)]
pub(super) struct Tally {
    healthy: bool,
    /// Checks in a row that said the opposite.
    against: u32,
    healthy_after: u32,
    unhealthy_after: u32,
}

impl Tally {
    pub(super) const fn new(healthy: bool, healthy_after: u32, unhealthy_after: u32) -> Self {
        Self { healthy, against: 0, healthy_after, unhealthy_after }
    }

    /// Takes a check in; true if the peer's health turned with it.
    pub(super) const fn record(&mut self, good: bool) -> bool {
        if good == self.healthy {
            self.against = 0;
            return false;
        }
        self.against += 1;
        let enough = if good { self.healthy_after } else { self.unhealthy_after };
        let turns = self.against >= enough;
        if turns {
            self.healthy = good;
            self.against = 0;
        }
        turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checks (`+` good, `-` bad) after which the health turned, by their number.
    fn turns(healthy_after: u32, unhealthy_after: u32, checks: &str) -> Vec<usize> {
        let mut tally = Tally::new(true, healthy_after, unhealthy_after);
        let turned = checks.chars().map(|c| tally.record(c == '+'));
        turned.enumerate().filter(|(_, turned)| *turned).map(|(n, _)| n).collect()
    }

    #[test]
    fn only_checks_in_a_row_turn_it_and_each_turn_is_told_once() {
        assert_eq!(turns(1, 3, "+--+--+---"), [9]);
        assert_eq!(turns(1, 3, "-----+----"), [2, 5, 8]);
        assert_eq!(turns(2, 1, "-+-++"), [0, 4]);
        assert_eq!(turns(1, 1, "+-+-"), [1, 2, 3]);
        assert_eq!(turns(3, 2, "++++++"), [0; 0]);
    }
}
