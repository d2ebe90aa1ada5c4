//! Weighted round robin: a fixed schedule in which every peer comes as evenly as its weight allows.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::mix;

/// The longest schedule; weights are scaled down to fit.
const MAX_TURNS: u64 = 4096;
/// How often a peer is drawn before the schedule is walked through.
const DRAWS: usize = 16;

/// The order in which peers take turns.
#[derive(Debug)]
pub struct RoundRobin {
    turns: Vec<usize>,
    next: AtomicUsize,
}

impl RoundRobin {
    /// A schedule for peers of these weights, each at least 1.
    #[must_use]
    pub fn new(weights: &[u32]) -> Self {
        Self { turns: schedule(weights), next: AtomicUsize::new(0) }
    }

    /// The turn of a new request. A retry belongs to the turn of its first attempt: it must not use up another's.
    pub fn turn(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The peer of a turn. Where it can't be used, another is drawn, by weight: were the turn to pass to the next in the
    /// schedule, that one would carry the whole share of a peer that is down.
    pub fn pick(&self, turn: usize, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let at = |place: usize| self.turns.get(place.checked_rem(self.turns.len())?).copied();
        let mut drawn = turn;
        for draw in 0..=DRAWS {
            let peer = at(drawn)?;
            if usable(peer) {
                return Some(peer);
            }
            drawn = scatter(turn, draw);
        }
        // Bad luck, or nearly all are down: whichever comes next.
        let start = scatter(turn, 0);
        (0..self.turns.len()).filter_map(|step| at(start.wrapping_add(step))).find(|peer| usable(*peer))
    }
}

/// A number that looks drawn, the same for the same turn and draw.
fn scatter(turn: usize, draw: usize) -> usize {
    // A usize fits; where a turn is wider than the result, its low bits are as good as any.
    mix((turn as u64) ^ ((draw as u64 + 1) << 56)) as usize
}

/// Smooth weighted round robin, laid out for one full cycle: at each turn every peer gains its weight, the
/// richest goes next and pays the sum.
fn schedule(weights: &[u32]) -> Vec<usize> {
    let weights = scaled(weights);
    let total: i64 = weights.iter().sum();
    let mut credit = vec![0i64; weights.len()];
    (0..total)
        .filter_map(|_| {
            for (credit, weight) in credit.iter_mut().zip(&weights) {
                *credit += weight;
            }
            // `max_by_key` takes the last of equals; the first keeps the file's order.
            let richest = credit.iter().enumerate().rev().max_by_key(|(_, c)| **c).map(|(at, _)| at)?;
            *credit.get_mut(richest)? -= total;
            Some(richest)
        })
        .collect()
}

fn scaled(weights: &[u32]) -> Vec<i64> {
    let divisor = weights.iter().copied().reduce(gcd).unwrap_or(1).max(1);
    let sum: u64 = weights.iter().map(|w| u64::from(w / divisor)).sum();
    let shrink = sum.div_ceil(MAX_TURNS).max(1);
    weights.iter().map(|w| i64::try_from((u64::from(w / divisor) / shrink).max(1)).unwrap_or(1)).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_come_by_weight_and_evenly() {
        assert_eq!(schedule(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(schedule(&[2, 1]), [0, 1, 0]);
        assert_eq!(schedule(&[20, 10]), [0, 1, 0]);
        let turns = schedule(&[5, 1, 1]);
        assert_eq!(turns.iter().filter(|t| **t == 0).count(), 5);
        assert!(!turns.windows(4).any(|w| w == [0, 0, 0, 0]), "{turns:?}");
    }

    #[test]
    fn huge_weights_still_make_a_short_schedule() {
        let turns = schedule(&[1_000_003, 1]);
        assert!(turns.len() as u64 <= MAX_TURNS + 2);
        assert!(turns.contains(&1));
    }

    #[test]
    fn the_share_of_a_peer_that_is_down_goes_to_all_others_by_weight() {
        let balance = RoundRobin::new(&[2, 1, 1, 2]);
        let mut counts = [0; 4];
        for _ in 0..60_000 {
            counts[balance.pick(balance.turn(), |peer| peer != 0).unwrap()] += 1;
        }
        assert_eq!(counts[0], 0);
        for (count, share) in counts.into_iter().zip([0, 15_000, 15_000, 30_000]) {
            assert!((share - 600..=share + 600).contains(&count), "{counts:?}");
        }
    }

    #[test]
    fn the_last_peer_that_can_be_used_is_found_and_none_is_none() {
        let balance = RoundRobin::new(&[4000, 1]);
        for turn in 0..10 {
            assert_eq!(balance.pick(turn, |peer| peer == 1), Some(1));
            assert_eq!(balance.pick(turn, |_| false), None);
        }
        assert_eq!(RoundRobin::new(&[]).pick(3, |_| true), None);
    }
}
