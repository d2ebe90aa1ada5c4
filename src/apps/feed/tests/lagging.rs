//! A stream that lags behind its store, at random: no document ever goes back to a state it had left.
//!
//! Every write gives its document a higher version (`tokens_valid_after`); reads and loads see the store as it is,
//! events come later and in order.

use std::collections::{BTreeMap, VecDeque};

use super::super::cache::{Cached, Image};
use super::*;
use crate::apps::document::Record;

const DOCUMENTS: u8 = 6;

/// The store's truth, its log, and how far the stream has told it.
#[derive(Default)]
struct Lagging {
    now: u64,
    versions: BTreeMap<u8, u64>,
    log: VecDeque<Event>,
}

fn versioned(n: u8, version: u64) -> Document {
    let mut document = document(&format!("T{n}:s"));
    document.set("tokens_valid_after", Value::Date(version.cast_signed() * 1000));
    document
}

impl Lagging {
    /// One write: a replacement, a partial update, a deletion, or an event that doesn't say what it did.
    fn write(&mut self) {
        self.now += 1;
        let (n, now) = (fastrand::u8(1..=DOCUMENTS), self.now);
        let exists = self.versions.contains_key(&n);
        let what = match fastrand::u8(0..5) {
            0 if exists => What::Remove(id(n)),
            1 if exists => What::Doubtful(id(n)),
            2 | 3 if exists => {
                let set = vec![("tokens_valid_after".to_owned(), Value::Date(now.cast_signed() * 1000))];
                What::Patch(id(n), Patch { set, ..Patch::default() })
            }
            _ => What::Put(id(n), versioned(n, now), Change::Replace),
        };
        match what {
            What::Remove(_) => self.versions.remove(&n),
            _ => self.versions.insert(n, now),
        };
        self.log.push_back(event(now, what));
    }

    /// What a read sees: the present, not what the stream has told.
    fn read(&self, ids: Option<&[DocId]>) -> Documents {
        let wanted = |n: &u8| ids.is_none_or(|ids| ids.contains(&id(*n)));
        let found = self.versions.iter().filter(|(n, _)| wanted(n));
        let found = found.map(|(n, version)| (id(*n), versioned(*n, *version).pack())).collect();
        Documents { found, at: OpTime(self.now) }
    }
}

/// The versions in force.
fn in_force(rig: &Rig) -> BTreeMap<u8, u64> {
    let snapshot = rig.published.load();
    let version = |n| match snapshot.get(&format!("T{n}")).map(|app| &app.policy) {
        Some(Policy::Jwt(secrets)) => Some((n, secrets.valid_after().unwrap().cast_unsigned())),
        _ => None,
    };
    (1..=DOCUMENTS).filter_map(version).collect()
}

/// Another feed in the place of this one, with nothing but what the cache file would hold; whatever was under way is
/// lost.
fn restarted(rig: &Rig) -> Option<(Rig, Vec<Command>)> {
    let Image { place, documents } = rig.supervisor.image()?;
    let found = documents.iter().map(|mut packed| {
        let id = DocId::take(&mut packed).unwrap();
        (id, Record::from_packed(packed))
    });
    let (found, written) = (found.collect(), place.contact);
    let mut next = Rig::new();
    next.supervisor = std::mem::replace(&mut next.supervisor, Rig::new().supervisor).with_cache();
    next.supervisor.start();
    next.give(Input::CacheDue);
    next.give(Input::CacheRead(Ok(Some(Cached { place, written, found }))));
    let commands = next.give(Input::Opened(None));
    Some((next, commands))
}

fn run(seed: u64, restarts: bool) {
    let mut rig = Rig::new();
    fastrand::seed(seed);
    let mut store = Lagging::default();
    (0..20).for_each(|_| store.write());
    rig.supervisor.start();
    rig.give(Input::Positioned(Ok(token(0))));
    store.log.drain(..fastrand::usize(0..20));
    rig.give(Input::Loaded(Ok(store.read(None))));
    rig.give(Input::Opened(None));
    let mut pending: Option<Vec<DocId>> = None;
    let mut highest = in_force(&rig);
    for step in 0..400 {
        (0..fastrand::usize(0..4)).for_each(|_| store.write());
        let next = if restarts && fastrand::u8(0..20) == 0 { restarted(&rig) } else { None };
        let commands = match (next, pending.take()) {
            (Some((next, commands)), _) => {
                rig = next;
                // A new rig begins its jitter anew.
                fastrand::seed(seed + step);
                commands
            }
            (None, Some(ids)) => rig.give(Input::Read(Ok(store.read(Some(&ids))))),
            (None, None) if fastrand::u8(0..40) == 0 => {
                rig.give(Input::CompareDue);
                rig.give(Input::Compared(Ok(store.read(None))))
            }
            (None, None) => {
                let some = fastrand::usize(0..=store.log.len().min(3));
                rig.batch(store.log.drain(..some).collect())
            }
        };
        pending = asked(commands);
        for (n, version) in in_force(&rig) {
            let before = highest.insert(n, version).unwrap_or_default();
            assert!(version >= before, "seed {seed}, step {step}: T{n} went back from {before} to {version}");
        }
    }
    settle(&mut rig, &mut store, pending);
    assert_eq!(in_force(&rig), store.versions, "seed {seed}");
}

/// The stream comes to its end.
fn settle(rig: &mut Rig, store: &mut Lagging, mut pending: Option<Vec<DocId>>) {
    while pending.is_some() || !store.log.is_empty() {
        let commands = match pending.take() {
            Some(ids) => rig.give(Input::Read(Ok(store.read(Some(&ids))))),
            None => rig.batch(store.log.drain(..store.log.len().min(5)).collect()),
        };
        pending = asked(commands);
    }
}

fn asked(commands: Vec<Command>) -> Option<Vec<DocId>> {
    commands.into_iter().find_map(|c| match c {
        Command::Read(ids) => Some(ids),
        _ => None,
    })
}

#[tokio::test(start_paused = true)]
async fn no_document_ever_goes_back_and_all_end_where_the_store_is() {
    for seed in 0..100 {
        run(seed, false);
    }
}

#[tokio::test(start_paused = true)]
async fn nor_over_a_restart_out_of_the_cache_at_any_moment() {
    for seed in 0..100 {
        run(seed, true);
    }
}
