//! The peer with the fewest requests under way, in relation to its weight.

/// Looks for a usable peer that carries less than `first`, whose turn it is: so equals take turns. All are looked at,
/// which for the number of peers an upstream has is cheaper than being clever.
pub(super) fn pick(
    weights: &[u64],
    first: usize,
    usable: impl Fn(usize) -> bool,
    load: impl Fn(usize) -> usize,
) -> usize {
    let of = |peer: usize| (load(peer) as u64, weights.get(peer).copied().unwrap_or(1));
    let others = (first.saturating_add(1)..weights.len()).chain(0..first.min(weights.len()));
    let mut best = (first, of(first));
    for peer in others.filter(|peer| usable(*peer)) {
        let (load, weight) = of(peer);
        let (least, its_weight) = best.1;
        // load / weight < least / its_weight, without dividing.
        if load.saturating_mul(its_weight) < least.saturating_mul(weight) {
            best = (peer, (load, weight));
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_idle_one_is_preferred_and_equals_take_turns() {
        let weights = [1, 1, 1];
        assert_eq!(pick(&weights, 0, |_| true, |peer| [3, 1, 0][peer]), 2);
        assert_eq!(pick(&weights, 0, |peer| peer != 2, |peer| [3, 1, 0][peer]), 1);
        for turn in 0..3 {
            assert_eq!(pick(&weights, turn, |_| true, |_| 5), turn);
        }
        // Among equals that carry less than the one whose turn it is, the one after it.
        assert_eq!(pick(&weights, 1, |_| true, |peer| [0, 1, 0][peer]), 2);
    }

    #[test]
    fn a_heavier_peer_carries_more() {
        let mut loads = [0usize; 3];
        for turn in 0..60 {
            loads[pick(&[3, 2, 1], turn % 3, |_| true, |peer| loads[peer])] += 1;
        }
        assert_eq!(loads, [30, 20, 10]);
    }
}
