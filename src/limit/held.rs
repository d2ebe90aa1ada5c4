//! How many each key holds at this moment.

use std::borrow::Borrow;
use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

const SHARDS: usize = 64;
/// Below this many keys a shard's table isn't worth making smaller.
const SMALL: usize = 64;

/// What each key holds, one of many shards locked for one look-up at a time.
///
/// Who holds nothing isn't remembered, so memory is bounded by what is held. The bound is the caller's and may be
/// another each time: what is held already stays held.
#[derive(Debug)]
pub struct Held<K> {
    /// One seed for all shards: which keys share one can't be told from outside.
    hasher: RandomState,
    shards: Box<[Arc<Shard<K>>]>,
}

/// The keys' counts; never zero.
type Shard<K> = Mutex<HashMap<K, Cell<usize>>>;

impl<K: Clone + Eq + Hash> Held<K> {
    /// Takes one for `key`, unless it holds `most` already (then `None`). `own` makes the key's own form, for one that
    /// holds nothing yet; where something is held that form is shared.
    pub fn take<Q>(&self, key: &Q, most: usize, own: impl FnOnce(&Q) -> K) -> Option<Hold<K>>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let shard = self.shards.get(self.hasher.hash_one(key) as usize % SHARDS)?;
        let mut counts = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let key = match counts.get_key_value(key) {
            Some((_, count)) if count.get() >= most => return None,
            Some((known, count)) => {
                count.set(count.get() + 1);
                known.clone()
            }
            None if most == 0 => return None,
            None => {
                let key = own(key);
                counts.insert(key.clone(), Cell::new(1));
                key
            }
        };
        drop(counts);
        Some(Hold { shard: Arc::clone(shard), key })
    }

    /// Keys that hold something.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|s| s.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K> Default for Held<K> {
    fn default() -> Self {
        let shards = std::iter::repeat_with(|| Arc::new(Mutex::new(HashMap::new()))).take(SHARDS).collect();
        Self { hasher: RandomState::new(), shards }
    }
}

/// One that a key holds; given back when dropped.
#[derive(Debug)]
pub struct Hold<K: Eq + Hash> {
    shard: Arc<Shard<K>>,
    key: K,
}

impl<K: Eq + Hash> Drop for Hold<K> {
    fn drop(&mut self) {
        let mut counts = self.shard.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = counts.get(&self.key) else { return };
        if count.get() > 1 {
            return count.set(count.get() - 1);
        }
        counts.remove(&self.key);
        // After a flood of keys.
        if counts.capacity() > SMALL && counts.len() * 8 < counts.capacity() {
            let room = counts.len() * 2;
            counts.shrink_to(room);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;

    fn take(held: &Held<Arc<str>>, key: &str, most: usize) -> Option<Hold<Arc<str>>> {
        held.take(key, most, |key| key.into())
    }

    #[test]
    fn every_key_holds_up_to_its_bound_and_what_is_dropped_is_given_back() {
        let held = Held::default();
        let (first, second) = (take(&held, "a", 2).unwrap(), take(&held, "a", 2).unwrap());
        assert!(Arc::ptr_eq(&first.key, &second.key), "one form of a key for all that it holds");
        assert!(take(&held, "a", 2).is_none());
        assert!(take(&held, "b", 2).is_some());
        assert!(take(&held, "a", 3).is_some(), "another bound");
        drop(first);
        assert!(take(&held, "a", 1).is_none(), "what is held stays held under a lower one");
        assert!(take(&held, "a", 2).is_some());
        drop(second);
        assert!(held.is_empty());
        assert!(take(&held, "a", 0).is_none() && held.is_empty());
    }

    #[test]
    fn a_flood_of_keys_leaves_no_memory_behind() {
        let held = Held::<u128>::default();
        let flood: Vec<_> = (0..100_000).filter_map(|n| held.take(&n, 1, u128::clone)).collect();
        assert_eq!((flood.len(), held.len()), (100_000, 100_000));
        drop(flood);
        let room: usize = held.shards.iter().map(|s| s.lock().unwrap().capacity()).sum();
        assert!(held.is_empty() && room <= SHARDS * SMALL * 2, "{room}");
    }

    #[test]
    fn many_threads_never_hold_more_than_the_bound_and_leave_nothing() {
        const MOST: usize = 3;
        let held = Held::default();
        let inside: [AtomicUsize; 2] = Default::default();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (held, inside) = (&held, &inside);
                scope.spawn(move || {
                    for n in 0..20_000 {
                        let at = (thread + n) % 2;
                        if let Some(hold) = take(held, ["a", "b"][at], MOST) {
                            assert!(inside[at].fetch_add(1, Ordering::SeqCst) < MOST);
                            inside[at].fetch_sub(1, Ordering::SeqCst);
                            drop(hold);
                        }
                    }
                });
            }
        });
        assert!(held.is_empty());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Take(u8, usize),
        /// Gives back one of those held, by its place modulo their number.
        Drop(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let take = (0u8..6, 0usize..5).prop_map(|(key, most)| Step::Take(key, most));
        prop::collection::vec(prop_oneof![3 => take, 2 => any::<usize>().prop_map(Step::Drop)], 0..200)
    }

    proptest! {
        #[test]
        fn it_is_a_map_of_counts(steps in steps()) {
            let (held, mut holds) = (Held::<u8>::default(), Vec::new());
            let mut model = HashMap::<u8, usize>::new();
            for step in steps {
                match step {
                    Step::Take(key, most) => {
                        let count = model.entry(key).or_default();
                        let hold = held.take(&key, most, u8::clone);
                        prop_assert_eq!(hold.is_some(), *count < most);
                        *count += usize::from(hold.is_some());
                        holds.extend(hold.map(|hold| (key, hold)));
                    }
                    Step::Drop(at) if !holds.is_empty() => {
                        let (key, hold) = holds.swap_remove(at % holds.len());
                        drop(hold);
                        *model.get_mut(&key).unwrap() -= 1;
                    }
                    Step::Drop(_) => {}
                }
                prop_assert_eq!(held.len(), model.values().filter(|count| **count > 0).count());
            }
        }
    }
}
