//! A persistent hash table: cloning it is one pointer, changing a clone copies three small nodes.
//!
//! A root leads to branches, a branch to shards, and a shard is an open-addressing table of its own. A change to a
//! published table copies the root, one branch and one shard (some kilobytes at a million entries) and leaves the rest
//! shared, so that a reader's snapshot is never disturbed and the writer doesn't copy the map. Within one batch a node
//! is copied at most once. Branches widen as entries come, seven times at most: between two requests the kernel takes the
//! cache, so what a lookup touches is kept together. The table doesn't know its keys: whoever asks brings the hash and recognises the
//! entry.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

use super::app::App;

/// How many branches there are, and how many shards a branch has at most. A shard copies a reference to every app in it,
/// each on a cache line of its own: so shards are many and small.
const FAN_BITS: u32 = 7;
const FAN: usize = 1 << FAN_BITS;
/// Branches are widened where there are more entries to a shard than this.
const CROWDED: usize = 8;

/// Apps, found by something that tells one from all others.
#[derive(Clone)]
pub struct Table {
    hasher: RandomState,
    branches: Arc<[Branch; FAN]>,
    /// A branch has two to this power shards.
    width: u32,
    len: usize,
}

type Branch = Arc<[Shard]>;

/// Open addressing with linear probing; never full, unless it is empty.
#[derive(Clone)]
struct Shard {
    slots: Arc<[Option<Slot>]>,
}

#[derive(Clone)]
struct Slot {
    hash: u64,
    app: Arc<App>,
}

impl Table {
    /// An empty table.
    pub fn new() -> Self {
        Self { hasher: RandomState::new(), branches: branches(0), width: 0, len: 0 }
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The app with this key; `is` recognises it.
    pub fn get<K: Hash + ?Sized>(&self, key: &K, is: impl Fn(&App) -> bool) -> Option<&Arc<App>> {
        let hash = self.hasher.hash_one(key);
        let (branch, shard) = self.place(hash);
        self.branches.get(branch)?.get(shard)?.get(hash, is)
    }

    /// Puts an app in the place of its key, and gives back who stood there.
    pub fn insert<K: Hash + ?Sized>(&mut self, key: &K, app: Arc<App>, is: impl Fn(&App) -> bool) -> Option<Arc<App>> {
        let hash = self.hasher.hash_one(key);
        let before = self.shard_mut(hash)?.insert(Slot { hash, app }, is);
        self.len += usize::from(before.is_none());
        if self.width < FAN_BITS && self.len > (CROWDED * FAN) << self.width {
            self.widen();
        }
        before
    }

    /// Takes the app with this key out.
    pub fn remove<K: Hash + ?Sized>(&mut self, key: &K, is: impl Fn(&App) -> bool) -> Option<Arc<App>> {
        // Looked for first: a node must not be copied for nothing.
        self.get(key, &is)?;
        let hash = self.hasher.hash_one(key);
        let before = self.shard_mut(hash)?.remove(hash, is);
        self.len -= usize::from(before.is_some());
        before
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<App>> {
        self.slots().map(|slot| &slot.app)
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.branches.iter().flat_map(|branch| branch.iter()).flat_map(|shard| shard.slots.iter().flatten())
    }

    fn shard_mut(&mut self, hash: u64) -> Option<&mut Shard> {
        let (branch, shard) = self.place(hash);
        let branch = Arc::make_mut(&mut self.branches).get_mut(branch)?;
        Arc::make_mut(branch).get_mut(shard)
    }

    /// Twice as many shards, laid out anew.
    fn widen(&mut self) {
        let hasher = self.hasher.clone();
        let mut wider = Self { hasher, branches: branches(self.width + 1), width: self.width + 1, len: self.len };
        for slot in self.slots() {
            if let Some(shard) = wider.shard_mut(slot.hash) {
                shard.add(slot.clone());
            }
        }
        *self = wider;
    }

    /// Branch and shard, by a hash's first bits; its place in the shard is by its last.
    fn place(&self, hash: u64) -> (usize, usize) {
        let bits = |count: u32, after: u32| (hash >> (64 - after - count)) as usize & ((1 << count) - 1);
        (bits(FAN_BITS, 0), bits(self.width, FAN_BITS))
    }
}

fn branches(width: u32) -> Arc<[Branch; FAN]> {
    let branch: Branch = vec![Shard { slots: Arc::from([]) }; 1 << width].into();
    Arc::new(std::array::from_fn(|_| Arc::clone(&branch)))
}

impl Shard {
    fn get(&self, hash: u64, is: impl Fn(&App) -> bool) -> Option<&Arc<App>> {
        self.find(hash, is).and_then(|at| self.slots.get(at)?.as_ref()).map(|slot| &slot.app)
    }

    /// Where a hash's probing begins: its lower half as a fraction of the length.
    fn home(hash: u64, slots: usize) -> usize {
        ((u64::from(hash as u32) * slots as u64) >> 32) as usize
    }

    const fn after(at: usize, slots: usize) -> usize {
        if at + 1 < slots { at + 1 } else { 0 }
    }

    /// The index of the entry, if it is here. Ends at the first empty slot; one always exists.
    fn find(&self, hash: u64, is: impl Fn(&App) -> bool) -> Option<usize> {
        let mut at = Self::home(hash, self.slots.len());
        while let Some(slot) = self.slots.get(at)? {
            if slot.hash == hash && is(&slot.app) {
                return Some(at);
            }
            at = Self::after(at, self.slots.len());
        }
        None
    }

    fn insert(&mut self, slot: Slot, is: impl Fn(&App) -> bool) -> Option<Arc<App>> {
        if let Some(at) = self.find(slot.hash, is) {
            let place = Arc::make_mut(&mut self.slots).get_mut(at)?.as_mut()?;
            return Some(std::mem::replace(&mut place.app, slot.app));
        }
        self.add(slot);
        None
    }

    /// Puts a new entry in.
    fn add(&mut self, slot: Slot) {
        let used = self.slots.iter().flatten().count();
        // At most four of five slots are taken; a quarter more at a time keeps the memory of an app even.
        if (used + 1) * 5 > self.slots.len() * 4 {
            self.rebuild(self.slots.len() + self.slots.len() / 4 + 2, None);
        }
        put(Arc::make_mut(&mut self.slots), slot);
    }

    fn remove(&mut self, hash: u64, is: impl Fn(&App) -> bool) -> Option<Arc<App>> {
        let at = self.find(hash, is)?;
        let gone = self.slots.get(at)?.as_ref()?.app.clone();
        // A hole would cut the probe chain of others: lay the shard out anew, it is small.
        self.rebuild(self.slots.len(), Some(at));
        Some(gone)
    }

    fn rebuild(&mut self, capacity: usize, without: Option<usize>) {
        let mut slots: Vec<Option<Slot>> = (0..capacity).map(|_| None).collect();
        let stays = |at: usize| Some(at) != without;
        if let Some(own) = Arc::get_mut(&mut self.slots) {
            // Moved, so that no app is touched.
            let staying = own.iter_mut().enumerate().filter(|(at, _)| stays(*at));
            staying.filter_map(|(_, slot)| slot.take()).for_each(|slot| put(&mut slots, slot));
        } else {
            let staying = self.slots.iter().enumerate().filter(|(at, _)| stays(*at));
            staying.filter_map(|(_, slot)| slot.clone()).for_each(|slot| put(&mut slots, slot));
        }
        self.slots = slots.into();
    }
}

/// Puts an entry in the first free slot from its home on.
fn put(slots: &mut [Option<Slot>], slot: Slot) {
    let mut at = Shard::home(slot.hash, slots.len());
    while let Some(Some(_)) = slots.get(at) {
        at = Shard::after(at, slots.len());
    }
    if let Some(free) = slots.get_mut(at) {
        *free = Some(slot);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::apps::DocId;

    fn app(id: &str) -> Arc<App> {
        let owner = DocId::from_bytes(id.as_bytes());
        Arc::new(App::unusable(id, &owner))
    }

    #[test]
    fn follows_a_hash_map_through_random_changes_and_leaves_clones_alone() {
        let mut table = Table::new();
        let mut model: HashMap<String, Arc<App>> = HashMap::new();
        let mut seed = 7u64;
        let mut random = |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % n
        };
        for step in 0..60_000 {
            let id = format!("TR{}", random(20_000));
            let is = |app: &App| app.id() == Some(id.as_str());
            if random(3) == 0 {
                assert_eq!(table.remove(&id, is).is_some(), model.remove(&id).is_some(), "{step}");
            } else {
                let entry = app(&id);
                let before = table.insert(&id, Arc::clone(&entry), is).is_some();
                assert_eq!(before, model.insert(id, entry).is_some(), "{step}");
            }
        }
        let before = table.clone();
        assert_eq!(before.iter().count(), model.len());
        assert!(before.width > 3, "{}", before.width);
        for n in 0..20_000 {
            let id = format!("TR{n}");
            table.remove(&id, |app| app.id() == Some(&id));
        }
        assert_eq!(table.len(), 0);
        assert_eq!(before.len(), model.len());
        for n in 0..20_000 {
            let id = format!("TR{n}");
            let is = |app: &App| app.id() == Some(id.as_str());
            assert_eq!(before.get(&id, is).map(Arc::as_ptr), model.get(&id).map(Arc::as_ptr), "{id}");
            assert!(table.get(&id, is).is_none());
        }
    }

    #[test]
    fn a_snapshot_keeps_its_width_while_the_table_grows_to_all_of_its_own() {
        let mut table = Table::new();
        let mut snapshots = Vec::new();
        let last = (CROWDED * FAN) << FAN_BITS;
        for n in 0..=last {
            let id = format!("TR{n}");
            assert!(table.insert(&id, app(&id), |app| app.has_id(&id)).is_none());
            if n.is_power_of_two() {
                snapshots.push((n, table.clone()));
            }
            let due = (n + 1).div_ceil(CROWDED * FAN).next_power_of_two().trailing_zeros();
            assert_eq!(table.width, due.min(FAN_BITS), "{n}");
        }
        assert_eq!((table.len(), table.iter().count(), table.width), (last + 1, last + 1, FAN_BITS));
        for (newest, snapshot) in snapshots {
            assert_eq!((snapshot.len(), snapshot.iter().count()), (newest + 1, newest + 1));
            for n in [0, newest / 2, newest, newest + 1] {
                let id = format!("TR{n}");
                assert_eq!(snapshot.get(&id, |app| app.has_id(&id)).is_some(), n <= newest, "{n} of {newest}");
            }
        }
        let id = format!("TR{last}");
        assert!(table.get(&id, |app| app.has_id(&id)).is_some());
    }

    #[test]
    fn two_keys_with_one_hash_are_two_entries() {
        let mut shard = Shard { slots: Arc::from([]) };
        for id in ["A", "B", "C"] {
            assert!(shard.insert(Slot { hash: 7, app: app(id) }, |app| app.has_id(id)).is_none());
        }
        let before = shard.clone();
        assert!(shard.remove(7, |app| app.has_id("A")).is_some());
        assert!(shard.remove(7, |app| app.has_id("A")).is_none());
        for id in ["B", "C"] {
            assert!(shard.get(7, |app| app.has_id(id)).is_some(), "{id}");
        }
        assert!(shard.get(7, |app| app.has_id("A")).is_none() && before.get(7, |app| app.has_id("A")).is_some());
    }
}
