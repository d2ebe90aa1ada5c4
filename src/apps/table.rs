//! A persistent hash table: cloning it is one pointer, changing a clone copies three small nodes.
//!
//! Two levels of [`FAN`] lead to a shard, an open-addressing table of its own. A change to a published table
//! copies the root, one branch and one shard (some kilobytes at a million entries) and leaves the rest shared, so
//! that a reader's snapshot is never disturbed and the writer never copies the map. Within one batch a node is
//! copied at most once. The table doesn't know its keys: whoever asks brings the hash and recognises the entry.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

use super::app::App;

/// A shard copies a reference to every app in it, each on a cache line of its own: so shards are many and small.
const FAN_BITS: u32 = 7;
const FAN: usize = 1 << FAN_BITS;

/// Apps, found by something that tells one from all others.
#[derive(Clone)]
pub struct Table {
    hasher: RandomState,
    branches: Arc<[Arc<Branch>; FAN]>,
    len: usize,
}

#[derive(Clone)]
struct Branch {
    shards: [Arc<Shard>; FAN],
}

/// Open addressing with linear probing; never full.
#[derive(Clone, Default)]
struct Shard {
    slots: Box<[Option<Slot>]>,
    used: usize,
}

#[derive(Clone)]
struct Slot {
    tag: u32,
    app: Arc<App>,
}

#[derive(Clone, Copy)]
struct Place {
    branch: usize,
    shard: usize,
    tag: u32,
}

impl Table {
    /// An empty table.
    pub fn new() -> Self {
        let shard = Arc::new(Shard::default());
        let branch = Arc::new(Branch { shards: std::array::from_fn(|_| Arc::clone(&shard)) });
        Self { hasher: RandomState::new(), branches: Arc::new(std::array::from_fn(|_| Arc::clone(&branch))), len: 0 }
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The app with this key; `is` recognises it.
    pub fn get<K: Hash + ?Sized>(&self, key: &K, is: impl Fn(&App) -> bool) -> Option<&Arc<App>> {
        let place = self.place(key);
        self.branches.get(place.branch)?.shards.get(place.shard)?.get(place.tag, is)
    }

    /// Puts an app in the place of its key, and gives back who stood there.
    pub fn insert<K: Hash + ?Sized>(&mut self, key: &K, app: Arc<App>, is: impl Fn(&App) -> bool) -> Option<Arc<App>> {
        let place = self.place(key);
        let before = self.shard_mut(place)?.insert(place.tag, app, is);
        self.len += usize::from(before.is_none());
        before
    }

    /// Takes the app with this key out.
    pub fn remove<K: Hash + ?Sized>(&mut self, key: &K, is: impl Fn(&App) -> bool) -> Option<Arc<App>> {
        // Looked for first: a node must not be copied for nothing.
        self.get(key, &is)?;
        let place = self.place(key);
        let before = self.shard_mut(place)?.remove(place.tag, is);
        self.len -= usize::from(before.is_some());
        before
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<App>> {
        let shards = self.branches.iter().flat_map(|branch| branch.shards.iter());
        shards.flat_map(|shard| shard.slots.iter().flatten().map(|slot| &slot.app))
    }

    fn shard_mut(&mut self, place: Place) -> Option<&mut Shard> {
        let branch = Arc::make_mut(&mut self.branches).get_mut(place.branch)?;
        Arc::make_mut(branch).shards.get_mut(place.shard).map(Arc::make_mut)
    }

    fn place<K: Hash + ?Sized>(&self, key: &K) -> Place {
        let hash = self.hasher.hash_one(key);
        let bits = |shift: u32| (hash >> shift) as usize & (FAN - 1);
        Place { branch: bits(64 - FAN_BITS), shard: bits(64 - 2 * FAN_BITS), tag: hash as u32 }
    }
}

impl Shard {
    fn get(&self, tag: u32, is: impl Fn(&App) -> bool) -> Option<&Arc<App>> {
        self.find(tag, is).and_then(|at| self.slots.get(at)?.as_ref()).map(|slot| &slot.app)
    }

    /// Where a tag's probing begins: the tag as a fraction of the length.
    fn home(&self, tag: u32) -> usize {
        ((u64::from(tag) * self.slots.len() as u64) >> 32) as usize
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 < self.slots.len() { at + 1 } else { 0 }
    }

    /// The index of the entry, if it is here. Ends at the first empty slot; one always exists.
    fn find(&self, tag: u32, is: impl Fn(&App) -> bool) -> Option<usize> {
        let mut at = self.home(tag);
        while let Some(slot) = self.slots.get(at)? {
            if slot.tag == tag && is(&slot.app) {
                return Some(at);
            }
            at = self.after(at);
        }
        None
    }

    fn insert(&mut self, tag: u32, app: Arc<App>, is: impl Fn(&App) -> bool) -> Option<Arc<App>> {
        if let Some(at) = self.find(tag, is) {
            let slot = self.slots.get_mut(at)?.as_mut()?;
            return Some(std::mem::replace(&mut slot.app, app));
        }
        // At most four of five slots are taken; a quarter more at a time keeps the memory of an app even.
        if (self.used + 1) * 5 > self.slots.len() * 4 {
            self.rebuild(self.slots.len() + self.slots.len() / 4 + 2, None);
        }
        self.place_new(Slot { tag, app });
        self.used += 1;
        None
    }

    fn remove(&mut self, tag: u32, is: impl Fn(&App) -> bool) -> Option<Arc<App>> {
        let at = self.find(tag, is)?;
        let gone = self.slots.get(at)?.as_ref()?.app.clone();
        // A hole would cut the probe chain of others: lay the shard out anew, it is small.
        self.rebuild(self.slots.len(), Some(at));
        self.used -= 1;
        Some(gone)
    }

    fn rebuild(&mut self, capacity: usize, without: Option<usize>) {
        let old = std::mem::replace(&mut self.slots, (0..capacity).map(|_| None).collect());
        for (at, slot) in old.into_vec().into_iter().enumerate() {
            if let Some(slot) = slot
                && Some(at) != without
            {
                self.place_new(slot);
            }
        }
    }

    fn place_new(&mut self, slot: Slot) {
        let mut at = self.home(slot.tag);
        while let Some(Some(_)) = self.slots.get(at) {
            at = self.after(at);
        }
        if let Some(free) = self.slots.get_mut(at) {
            *free = Some(slot);
        }
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
}
