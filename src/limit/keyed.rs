//! One budget for each key.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Rate;

const SHARDS: usize = 64;
/// A shard is swept first when it holds this many keys, and then whenever it has doubled.
const SWEEP_AT: usize = 64;

/// Between two sweeps of a shard, in nanoseconds.
const SWEEP_PAUSE: u64 = 100_000_000;

/// A budget for each key, all of one rate. A lock is held for one look-up in one of many shards.
pub struct Keyed<K> {
    rate: Rate,
    /// The zero of the moments below.
    born: Instant,
    /// One seed for all shards: which keys share one can't be told from outside.
    hasher: RandomState,
    shards: Box<[Mutex<Shard<K>>]>,
}

struct Shard<K> {
    /// When the whole budget of a key is back; a key that isn't here has all of it.
    full_at: HashMap<K, u64>,
    sweep_at: usize,
    most: usize,
    /// A shard that is full of keys in use isn't swept again before this: a flood of new keys must not pay for it.
    not_before: u64,
    /// What keys share for which there is no room.
    rest: u64,
}

impl<K: Eq + Hash> Keyed<K> {
    /// Nobody has taken anything yet. At most `most` keys are told apart at a time; those above share budgets.
    #[must_use]
    pub fn new(rate: Rate, most: usize) -> Self {
        let most = most.div_ceil(SHARDS).max(1);
        let shard = || Mutex::new(Shard { full_at: HashMap::new(), sweep_at: SWEEP_AT, most, not_before: 0, rest: 0 });
        let shards = std::iter::repeat_with(shard).take(SHARDS).collect();
        Self { rate, born: Instant::now(), hasher: RandomState::new(), shards }
    }

    /// Takes one from the budget of `key`.
    ///
    /// # Errors
    /// It is empty: how long until there is one to take.
    pub fn take<Q>(&self, key: &Q) -> Result<(), Duration>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        self.take_at(key, self.born.elapsed())
    }

    fn take_at<Q>(&self, key: &Q, now: Duration) -> Result<(), Duration>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let at = self.hasher.hash_one(key) as usize % SHARDS;
        let Some(shard) = self.shards.get(at) else { return Ok(()) };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full_at) = shard.full_at.get_mut(key) {
            *full_at = self.rate.take(*full_at, now)?;
            return Ok(());
        }
        if shard.has_room(now) {
            shard.full_at.insert(key.to_owned(), self.rate.take(0, now)?);
        } else {
            shard.rest = self.rate.take(shard.rest, now)?;
        }
        Ok(())
    }

    /// Whether there is one to take from the budget of `key`. Takes nothing.
    ///
    /// # Errors
    /// It is empty: how long until there is one to take.
    pub fn wait<Q>(&self, key: &Q) -> Result<(), Duration>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let now = u64::try_from(self.born.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let at = self.hasher.hash_one(key) as usize % SHARDS;
        let Some(shard) = self.shards.get(at) else { return Ok(()) };
        let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        // Who isn't told apart yet may have to share.
        let full_at = shard.full_at.get(key).copied().unwrap_or(if shard.is_full() { shard.rest } else { 0 });
        self.rate.take(full_at, now).map(drop)
    }

    /// Keys that have less than their whole budget, and some that had.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|s| s.lock().unwrap_or_else(PoisonError::into_inner).full_at.len()).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Eq + Hash> Shard<K> {
    fn is_full(&self) -> bool {
        self.full_at.len() >= self.most
    }

    /// Whether one more key may be told apart; forgets those that have all of their budget.
    fn has_room(&mut self, now: u64) -> bool {
        if self.full_at.len() >= self.sweep_at.min(self.most) && now >= self.not_before {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.sweep_at = (self.full_at.len() * 2).max(SWEEP_AT);
            self.full_at.shrink_to(self.sweep_at);
            self.not_before = now.saturating_add(SWEEP_PAUSE);
        }
        !self.is_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn taken(keyed: &Keyed<String>, key: &str, now: Duration) -> usize {
        (0..10_000).take_while(|_| keyed.take_at(key, now).is_ok()).count()
    }

    #[test]
    fn every_key_has_its_own_budget() {
        let keyed = Keyed::<String>::new(Rate::new(10.0, 20), 1000);
        assert_eq!(taken(&keyed, "a", at(0)), 20);
        assert_eq!(taken(&keyed, "b", at(0)), 20);
        assert_eq!(keyed.take_at("a", at(0)), Err(at(100)));
        assert_eq!(taken(&keyed, "a", at(1000)), 10);
        assert_eq!(taken(&keyed, "b", at(100_000)), 20);
    }

    #[test]
    fn whoever_has_all_of_their_budget_is_forgotten() {
        let keyed = Keyed::<u32>::new(Rate::new(1.0, 2), 1 << 20);
        for n in 0..100_000u32 {
            // A new key every 100 ms, back to its whole budget after a second: ten are in use at any time.
            keyed.take_at(&n, at(u64::from(n) * 100)).unwrap();
        }
        assert!(keyed.len() <= SHARDS * SWEEP_AT, "{}", keyed.len());
        let room: usize = keyed.shards.iter().map(|s| s.lock().unwrap().full_at.capacity()).sum();
        assert!(room <= SHARDS * SWEEP_AT * 4, "{room}");
    }

    #[test]
    fn keys_for_which_there_is_no_room_share_a_budget_and_take_nobodys() {
        let keyed = Keyed::<u32>::new(Rate::new(1.0, 3), SHARDS);
        let passed = (0..100_000u32).filter(|n| keyed.take_at(n, at(0)).is_ok()).count();
        assert!((SHARDS..=SHARDS * 4).contains(&passed), "{passed}");
        assert!(keyed.len() <= SHARDS);
        assert!(!keyed.is_empty());
        // Once the flood is over there is room again. Four fit wherever chance puts them: one and the three that share.
        assert!((0..4u32).all(|n| keyed.take_at(&(1_000_000 + n), at(10_000)).is_ok()));
    }

    #[test]
    fn many_threads_take_exactly_what_there_is() {
        let keyed = Keyed::<String>::new(Rate::new(0.001, 1000), 16);
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| taken(&keyed, "a", at(1)))).collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(taken, 1000);
    }
}
