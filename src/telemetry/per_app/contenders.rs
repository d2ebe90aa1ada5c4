//! Who might deserve a place: a sketch of the apps without one, of fixed size and without a lock.
//!
//! Every app falls into one cell of many, and in each the majority is found by voting (Boyer and Moore): a hit of the
//! cell's app counts up, one of another counts down, and at nothing the other takes over. An app that gets more than
//! all others in its cell together is found, whatever they are; what is counted is never more than it got. A cell is one
//! word: 40 bits of the app's hash, 24 bits of count.

use std::sync::atomic::{AtomicU64, Ordering};

/// Cells for each place, and the least number of them: the tail of a million apps spreads thinly.
const CELLS: usize = 16;
const LEAST: usize = 4096;
const COUNT_BITS: u32 = 24;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// The sketch.
pub(super) struct Contenders {
    /// A power of two of them.
    cells: Box<[AtomicU64]>,
    /// Other ones meet in a cell in each round.
    seed: AtomicU64,
}

/// An app that got much, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contender {
    pub hits: u64,
    tag: u64,
    cell: usize,
    seed: u64,
    cells: usize,
}

impl Contender {
    /// Whether this is the hash of its app.
    pub(super) fn is(&self, hash: u64) -> bool {
        place(hash, self.seed, self.cells) == (self.cell, self.tag)
    }
}

impl Contenders {
    /// For so many places.
    pub(super) fn new(places: usize) -> Self {
        let cells = (places * CELLS).next_power_of_two().max(LEAST);
        Self { cells: (0..cells).map(|_| AtomicU64::new(0)).collect(), seed: AtomicU64::new(1) }
    }

    /// The app with this hash got something.
    pub(super) fn hit(&self, hash: u64) {
        let (cell, tag) = place(hash, self.seed.load(Ordering::Relaxed), self.cells.len());
        let vote = |word: u64| {
            let (leads, count) = (word >> COUNT_BITS, word & COUNT);
            Some(match count {
                0 => tag << COUNT_BITS | 1,
                COUNT if leads == tag => word,
                _ if leads == tag => word + 1,
                _ => word - 1,
            })
        };
        if let Some(cell) = self.cells.get(cell) {
            let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, vote);
        }
    }

    /// The busiest ones, `most` of them at most, the busiest first; begins anew.
    pub(super) fn take(&self, most: usize) -> Vec<Contender> {
        let seed = self.seed.load(Ordering::Relaxed);
        let found = self.cells.iter().enumerate().filter_map(|(cell, word)| {
            let word = word.swap(0, Ordering::Relaxed);
            let (tag, hits) = (word >> COUNT_BITS, word & COUNT);
            (hits > 0).then_some(Contender { hits, tag, cell, seed, cells: self.cells.len() })
        });
        let mut found: Vec<Contender> = found.collect();
        self.seed.store(seed.wrapping_add(2), Ordering::Relaxed);
        found.sort_by_key(|contender| std::cmp::Reverse(contender.hits));
        found.truncate(most);
        found
    }
}

/// Where an app's hash falls, and what it is told by there.
fn place(hash: u64, seed: u64, cells: usize) -> (usize, u64) {
    // The finish of SplitMix64: every bit of it depends on all of these.
    let mut mixed = hash ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (usize::try_from(mixed).unwrap_or_default() & (cells - 1), mixed >> COUNT_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_are_found_among_a_million_others() {
        let contenders = Contenders::new(10);
        let hash = |n: u64| n.wrapping_mul(0xd129_0d3d_5b87_0b1d);
        for n in 0..1_000_000 {
            contenders.hit(hash(n));
            if n.is_multiple_of(500) {
                contenders.hit(hash(7));
                contenders.hit(hash(8));
            }
        }
        let found = contenders.take(2);
        assert!(found.iter().all(|c| c.is(hash(7)) || c.is(hash(8))), "{found:?}");
        assert!(found.iter().all(|c| (1000..=2002).contains(&c.hits)), "{found:?}");
        assert!(contenders.take(2).is_empty(), "it begins anew");
    }

    #[test]
    fn a_count_is_never_more_than_what_there_was_and_stops_at_its_end() {
        let contenders = Contenders::new(1);
        for _ in 0..5 {
            contenders.hit(3);
        }
        assert_eq!(contenders.take(1).first().map(|c| (c.hits, c.is(3), c.is(4))), Some((5, true, false)));
        let (cell, tag) = place(3, contenders.seed.load(Ordering::Relaxed), contenders.cells.len());
        contenders.cells[cell].store(tag << COUNT_BITS | COUNT, Ordering::Relaxed);
        contenders.hit(3);
        assert_eq!(contenders.take(1)[0].hits, COUNT);
    }
}
