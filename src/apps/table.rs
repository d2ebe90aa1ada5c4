//! A persistent hash table: cloning it is two pointers, changing a clone copies two small nodes.
//!
//! Two levels of [`FAN`] lead to a shard, an open-addressing table of its own. A change to a published table
//! copies one branch and one shard (a few kilobytes at a million entries) and leaves the rest shared, so that a
//! reader's snapshot is never disturbed and the writer never copies the map. Within one batch a node is copied
//! at most once.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::app::App;

const FAN_BITS: u32 = 6;
const FAN: usize = 1 << FAN_BITS;

/// Apps by appId.
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

/// Open addressing with linear probing; the length is a power of two, or zero.
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

    /// The app with this id.
    pub fn get(&self, id: &str) -> Option<&Arc<App>> {
        let place = self.place(id);
        self.branches.get(place.branch)?.shards.get(place.shard)?.get(place.tag, id)
    }

    /// Puts an app in the place of its id, and gives back who stood there.
    pub fn insert(&mut self, app: Arc<App>) -> Option<Arc<App>> {
        let place = self.place(&app.id);
        let before = self.shard_mut(place)?.insert(place.tag, app);
        self.len += usize::from(before.is_none());
        before
    }

    /// Takes the app with this id out.
    pub fn remove(&mut self, id: &str) -> Option<Arc<App>> {
        let place = self.place(id);
        let before = self.shard_mut(place)?.remove(place.tag, id);
        self.len -= usize::from(before.is_some());
        before
    }

    fn shard_mut(&mut self, place: Place) -> Option<&mut Shard> {
        let branch = Arc::make_mut(&mut self.branches).get_mut(place.branch)?;
        Arc::make_mut(branch).shards.get_mut(place.shard).map(Arc::make_mut)
    }

    fn place(&self, id: &str) -> Place {
        let hash = self.hasher.hash_one(id);
        let bits = |shift: u32| (hash >> shift) as usize & (FAN - 1);
        Place { branch: bits(64 - FAN_BITS), shard: bits(64 - 2 * FAN_BITS), tag: hash as u32 }
    }
}

#[derive(Clone, Copy)]
struct Place {
    branch: usize,
    shard: usize,
    tag: u32,
}

impl Shard {
    fn get(&self, tag: u32, id: &str) -> Option<&Arc<App>> {
        self.find(tag, id).and_then(|at| self.slots.get(at)?.as_ref()).map(|slot| &slot.app)
    }

    /// The index of the entry, if it is here. Ends at the first empty slot; one always exists.
    fn find(&self, tag: u32, id: &str) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = tag as usize & mask;
        while let Some(slot) = self.slots.get(at)? {
            if slot.tag == tag && *slot.app.id == *id {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
        None
    }

    fn insert(&mut self, tag: u32, app: Arc<App>) -> Option<Arc<App>> {
        if let Some(at) = self.find(tag, &app.id) {
            let slot = self.slots.get_mut(at)?.as_mut()?;
            return Some(std::mem::replace(&mut slot.app, app));
        }
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            self.rebuild((self.slots.len() * 2).max(4), None);
        }
        self.place_new(Slot { tag, app });
        self.used += 1;
        None
    }

    fn remove(&mut self, tag: u32, id: &str) -> Option<Arc<App>> {
        let at = self.find(tag, id)?;
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
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = slot.tag as usize & mask;
        while let Some(Some(_)) = self.slots.get(at) {
            at = (at + 1) & mask;
        }
        if let Some(free) = self.slots.get_mut(at) {
            *free = Some(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::{DocId, Policy};
    use std::collections::HashMap;

    fn app(id: &str) -> Arc<App> {
        Arc::new(App { id: id.into(), policy: Policy::Open, owner: DocId::from_bytes(id.as_bytes()) })
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
            if random(3) == 0 {
                assert_eq!(table.remove(&id).is_some(), model.remove(&id).is_some(), "{step}");
            } else {
                let entry = app(&id);
                assert_eq!(table.insert(Arc::clone(&entry)).is_some(), model.insert(id, entry).is_some(), "{step}");
            }
        }
        let before = table.clone();
        for n in 0..20_000 {
            table.remove(&format!("TR{n}"));
        }
        assert_eq!(table.len(), 0);
        assert_eq!(before.len(), model.len());
        for n in 0..20_000 {
            let id = format!("TR{n}");
            assert_eq!(before.get(&id).map(Arc::as_ptr), model.get(&id).map(Arc::as_ptr), "{id}");
            assert!(table.get(&id).is_none());
        }
    }
}
