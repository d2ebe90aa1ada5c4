//! Consistent hashing (ketama): every peer owns many points of a ring, and an app goes to the owner of the first point
//! at or after its own.
//!
//! Points depend on a peer's address and weight alone, so that every gateway lays out the same ring, whatever the order
//! in its configuration, and a peer that comes or goes moves no app but those it gains or leaves.

use sha2::{Digest as _, Sha256};

use super::mix;

/// Points for each unit of weight, as in ketama: a peer's share is off by some 8 percent.
const POINTS: u64 = 160;
/// The largest ring, 4 MiB of it; above, every peer has fewer points in proportion.
const MOST_POINTS: u64 = 1 << 18;
/// Points out of one digest.
const IN_A_DIGEST: u64 = 4;

/// The ring: points in their order, each with its owner.
pub(super) struct Ring {
    points: Box<[(u64, u32)]>,
    peers: usize,
}

impl Ring {
    /// Lays out the ring for peers of these addresses and weights.
    pub(super) fn new<'a>(peers: impl Iterator<Item = (&'a str, u32)> + Clone) -> Self {
        let wanted: u64 = peers.clone().map(|(_, weight)| u64::from(weight) * POINTS).sum();
        let shrink = wanted.div_ceil(MOST_POINTS).max(1);
        let mut points = Vec::new();
        for (owner, (address, weight)) in (0u32..).zip(peers.clone()) {
            let digests = (u64::from(weight) * POINTS / IN_A_DIGEST / shrink).max(1);
            points.extend((0..digests).flat_map(|n| digest(address, n)).map(|point| (point, owner)));
        }
        points.sort_unstable();
        Self { points: points.into(), peers: peers.count() }
    }

    /// The peer of an app: the owner of its place, or where that can't be used, the first usable one after it. So the
    /// apps of a peer that is down spread over all others, and come back with it.
    pub(super) fn pick(&self, app: &str, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let place = place(app);
        let start = self.points.partition_point(|(point, _)| *point < place);
        let (before, from) = self.points.split_at_checked(start)?;
        let mut owners = from.iter().chain(before).map(|(_, owner)| *owner as usize);
        let owner = owners.next()?;
        if usable(owner) {
            return Some(owner);
        }
        // Asked first, as finding that none is usable would otherwise take the whole ring.
        (0..self.peers).any(&usable).then(|| owners.find(|owner| usable(*owner))).flatten()
    }
}

/// Where an app stands: FNV-1a, spread. Apps are made by operators, so that nobody can choose them to collide.
fn place(app: &str) -> u64 {
    mix(app.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
}

fn digest(address: &str, n: u64) -> impl Iterator<Item = u64> {
    let digest = Sha256::new().chain_update(address.to_ascii_lowercase()).chain_update(n.to_be_bytes()).finalize();
    let points: Vec<u64> = digest.as_chunks().0.iter().map(|bytes| u64::from_be_bytes(*bytes)).collect();
    points.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPS: usize = 10_000;

    fn ring(peers: &[(&str, u32)]) -> Ring {
        Ring::new(peers.iter().copied())
    }

    /// The owner of each app, by address.
    fn owners<'a>(peers: &[(&'a str, u32)], down: &[&str]) -> Vec<&'a str> {
        let ring = ring(peers);
        let usable = |peer: usize| !down.contains(&peers[peer].0);
        (0..APPS).map(|n| peers[ring.pick(&format!("TR{n}"), usable).unwrap()].0).collect()
    }

    const FIVE: [(&str, u32); 5] = [("a:1", 1), ("b:1", 1), ("c:1", 1), ("d:1", 1), ("e:1", 1)];

    #[test]
    fn taking_one_of_five_peers_out_moves_its_apps_and_no_others() {
        let (before, without) = (owners(&FIVE, &[]), owners(&FIVE, &["a:1"]));
        // Down or not configured at all: the same.
        assert_eq!(without, owners(&FIVE[1..], &[]));
        let moved = before.iter().zip(&without).filter(|(before, after)| before != after).count();
        assert_eq!(moved, before.iter().filter(|owner| **owner == "a:1").count());
        assert!((APPS / 5 - 500..=APPS / 5 + 500).contains(&moved), "{moved} of {APPS} moved");
        for (peer, _) in &FIVE[1..] {
            let gained = before.iter().zip(&without).filter(|(b, a)| b != a && *a == peer).count();
            assert!(gained > moved / 10, "{peer} took over {gained} of {moved}");
        }
    }

    #[test]
    fn weights_are_shares_and_the_order_does_not_matter() {
        let owned = owners(&[("a:1", 3), ("b:1", 1)], &[]);
        let share = owned.iter().filter(|owner| **owner == "a:1").count();
        assert!((7000..=8000).contains(&share), "{share}");
        assert_eq!(owned, owners(&[("b:1", 1), ("a:1", 3)], &[]));
    }

    #[test]
    fn great_weights_make_no_greater_ring_and_leave_nobody_out() {
        let ring = ring(&[("a:1", 65_535), ("b:1", 65_535), ("c:1", 1)]);
        assert!(ring.points.len() as u64 <= MOST_POINTS + IN_A_DIGEST);
        assert!(ring.points.iter().any(|(_, owner)| *owner == 2));
    }

    #[test]
    fn none_usable_is_none() {
        assert_eq!(ring(&FIVE).pick("TR1", |_| false), None);
        assert_eq!(ring(&[]).pick("TR1", |_| true), None);
    }
}
