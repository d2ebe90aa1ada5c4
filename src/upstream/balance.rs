//! Weighted round robin: a fixed schedule in which every peer comes as evenly as its weight allows.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The longest schedule; weights are scaled down to fit.
const MAX_TURNS: u64 = 4096;

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

    /// The peers in the order of preference for a turn: the one whose turn it is, then those after it. Peers may come
    /// more than once.
    pub fn order(&self, turn: usize) -> impl Iterator<Item = usize> + '_ {
        let start = turn.checked_rem(self.turns.len()).unwrap_or(0);
        let (before, from) = self.turns.split_at_checked(start).unwrap_or((&[], &self.turns));
        from.iter().chain(before).copied()
    }
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
    fn every_peer_stands_in_every_order() {
        let balance = RoundRobin::new(&[3, 1]);
        for _ in 0..8 {
            let order: Vec<_> = balance.order(balance.turn()).collect();
            assert!(order.contains(&0) && order.contains(&1));
        }
        assert_eq!(RoundRobin::new(&[]).order(3).next(), None);
    }
}
