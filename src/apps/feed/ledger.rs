//! The documents as the feed holds them, and the rules by which events reach them.
//!
//! An event may be applied only onto the very state it changed. What a load or a read brought may already be
//! newer than an event that arrives later: up to that moment an event isn't applied, its document is *owed* a read
//! of its own. Events of an owed document are not applied either; the read answers for all of them. So a state is
//! never taken back, not even for the length of a batch.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use super::cache::{Image, Place};
use super::report::Report;
use super::source::{Documents, Event, OpTime, Token, What};
use super::words::{Change, ReloadCause};
use crate::apps::Document;
use crate::apps::{Applied, Apps, DocId};

/// Documents asked for in one read.
const READ_AT_ONCE: usize = 1000;

/// All documents, and what is known of their age.
pub(super) struct Ledger {
    pub(super) apps: Apps,
    pub(super) report: Report,
    /// Events up to this moment may be older than what a load brought.
    horizon: OpTime,
    /// The same for single documents that were read later.
    floors: HashMap<DocId, OpTime>,
    /// Documents whose state is in doubt until they are read, and what put it in doubt.
    owed: HashMap<DocId, Change>,
    /// Documents that events spoke of since a comparison began; `None`: no comparison runs.
    touched: Option<HashSet<DocId>>,
    /// The latest moment anything here is known to be as new as.
    newest: OpTime,
    /// How far the stream has come, which may be far behind what reads have seen.
    streamed: OpTime,
    /// Something changed since the last publish.
    dirty: bool,
    /// How often anything was published.
    revision: u64,
}

impl Ledger {
    pub(super) fn new(apps: Apps, report: Report) -> Self {
        Self {
            apps,
            report,
            horizon: OpTime::default(),
            floors: HashMap::new(),
            owed: HashMap::new(),
            touched: None,
            newest: OpTime::default(),
            streamed: OpTime::default(),
            dirty: false,
            revision: 0,
        }
    }

    /// Applies a batch and publishes it once. Ends early, with the cause, where everything must be read again.
    pub(super) fn batch(&mut self, events: Vec<Event>) -> Option<ReloadCause> {
        let mut gone = None;
        for event in events {
            gone = self.event(event);
            if gone.is_some() {
                break;
            }
        }
        self.publish();
        // Later events come later: a floor that the *stream* has passed has done its work. What reads have seen
        // says nothing about which events are still to come.
        let streamed = self.streamed;
        self.floors.retain(|_, floor| *floor >= streamed);
        self.tell_progress();
        gone
    }

    /// What the stream brought is in force, unless a document of it is still to be read.
    fn tell_progress(&self) {
        if self.is_certain() {
            self.report.status.in_force_through(self.streamed);
        }
    }

    fn event(&mut self, event: Event) -> Option<ReloadCause> {
        let (at, wrote) = (event.at, event.wrote);
        match event.what {
            What::Gone(cause) => return Some(cause),
            What::Unknown => self.report.changed(Change::Unknown),
            What::Put(id, _, kind) if self.is_old(at, &id) => self.owe(id, kind),
            What::Put(id, document, kind) => {
                let applied = self.apps.upsert(&id, &document);
                self.applied(&id, applied, kind, wrote);
            }
            What::Patch(id, patch) if !self.is_old(at, &id) => {
                let mut exact = true;
                match self.apps.patch(&id, |document| exact = patch.apply(document)) {
                    Some(applied) if exact => self.applied(&id, applied, Change::Update, wrote),
                    _ => self.owe(id, Change::Update),
                }
            }
            What::Patch(id, _) | What::Doubtful(id) => self.owe(id, Change::Update),
            What::Remove(id) if self.is_old(at, &id) => self.owe(id, Change::Delete),
            What::Remove(id) => self.removed(&id, Change::Delete, wrote),
        }
        self.streamed = self.streamed.max(at.unwrap_or_default());
        self.newest = self.newest.max(self.streamed);
        None
    }

    /// Whether the state here may be newer than an event of this moment. One from before the place that the stream has
    /// reached is told for the second time; those of one transaction have one moment.
    fn is_old(&self, at: Option<OpTime>, id: &DocId) -> bool {
        let floor = self.floors.get(id).copied().unwrap_or_default().max(self.horizon);
        at.is_none_or(|at| at <= floor || at < self.streamed) || self.owed.contains_key(id)
    }

    fn owe(&mut self, id: DocId, kind: Change) {
        self.touch(&id);
        self.owed.entry(id).or_insert(kind);
    }

    fn touch(&mut self, id: &DocId) {
        if let Some(touched) = &mut self.touched {
            touched.insert(id.clone());
        }
    }

    fn applied(&mut self, id: &DocId, applied: Applied, kind: Change, wrote: Option<i64>) {
        self.report.changed(if applied.changed { kind } else { Change::Unchanged });
        if applied.changed {
            self.dirty = true;
            self.report.wrote(wrote);
        }
        self.report.applied(id, applied);
        self.touch(id);
    }

    fn removed(&mut self, id: &DocId, kind: Change, wrote: Option<i64>) {
        let was = self.apps.remove(id);
        self.report.changed(if was { kind } else { Change::Unchanged });
        if was {
            self.dirty = true;
            self.report.wrote(wrote);
        }
        self.report.removed(id);
        self.touch(id);
    }

    /// The next documents to read.
    pub(super) fn to_read(&self) -> Vec<DocId> {
        self.owed.keys().take(READ_AT_ONCE).cloned().collect()
    }

    /// Whether no document is in doubt.
    pub(super) fn is_certain(&self) -> bool {
        self.owed.is_empty()
    }

    /// How far the stream has come.
    pub(super) const fn streamed(&self) -> OpTime {
        self.streamed
    }

    /// Puts documents that were read in their places; those asked for and not found are gone.
    pub(super) fn reread(&mut self, asked: Vec<DocId>, read: Documents) {
        let mut missing: HashSet<DocId> = asked.into_iter().collect();
        for (id, record) in read.found {
            missing.remove(&id);
            let kind = self.settle(&id, read.at);
            let applied = self.apps.upsert(&id, &record.unpack());
            self.applied(&id, applied, kind, None);
        }
        for id in missing {
            let kind = self.settle(&id, read.at);
            self.removed(&id, kind, None);
        }
        self.newest = self.newest.max(known(read.at));
        self.publish();
        self.tell_progress();
    }

    fn settle(&mut self, id: &DocId, at: OpTime) -> Change {
        if at == OpTime::MAX {
            self.horizon = at;
        } else {
            self.floors.insert(id.clone(), at);
        }
        self.owed.remove(id).unwrap_or(Change::Reconciled)
    }

    /// Publishes if anything changed.
    fn publish(&mut self) {
        if self.dirty {
            self.publish_anyway();
        }
    }

    fn publish_anyway(&mut self) {
        self.dirty = false;
        self.revision += 1;
        self.report.publish(&mut self.apps);
    }
}

/// What the cache needs.
impl Ledger {
    /// How often anything was published.
    pub(super) const fn revision(&self) -> u64 {
        self.revision
    }

    /// Everything as it stands at this token. Copies no document.
    pub(super) fn image(&self, token: Token, contact: SystemTime) -> Image {
        let horizon = self.floors.values().copied().fold(self.horizon, Ord::max);
        let owed = self.owed.keys().cloned().collect();
        let place = Place { token, horizon, newest: self.newest, owed, contact };
        Image { place, documents: self.apps.held() }
    }

    /// A full load that just ended came out of the cache: what was known beside the documents.
    pub(super) fn restored(&mut self, newest: OpTime, owed: Vec<DocId>) {
        self.newest = self.newest.max(newest);
        for id in owed {
            self.owe(id, Change::Reconciled);
        }
    }
}

/// What a full load and a comparison need; see [`merge`](super::merge).
impl Ledger {
    /// A comparison begins: from here on, what the stream says wins over what it reads. Returns the moment it must
    /// not be older than.
    pub(super) fn begin_comparison(&mut self) -> OpTime {
        self.touched = Some(self.owed.keys().cloned().collect());
        self.newest
    }

    /// The comparison is over, or never came to its end.
    pub(super) fn end_comparison(&mut self) {
        self.touched = None;
    }

    /// Whether the stream spoke of this document since the comparison began.
    pub(super) fn is_touched(&self, id: &DocId) -> bool {
        self.touched.as_ref().is_some_and(|t| t.contains(id))
    }

    /// Puts one document of a comparison or a full load in its place.
    pub(super) fn merge(&mut self, id: &DocId, document: &Document, comparing: bool) {
        let applied = self.apps.upsert(id, document);
        if applied.changed && comparing {
            self.report.changed(Change::Reconciled);
        }
        self.report.applied(id, applied);
    }

    /// Ends a full load: only `kept` exist, everything up to `at` may already be in them.
    pub(super) fn end_load(&mut self, kept: &HashSet<DocId>, at: OpTime) {
        self.apps.retain(|id| kept.contains(id));
        self.report.retained(|id| kept.contains(id));
        self.floors.clear();
        self.owed.clear();
        self.touched = None;
        self.horizon = at;
        self.newest = known(at);
        self.streamed = OpTime::default();
        self.publish_anyway();
    }

    /// Ends a comparison: what the stream spoke of meanwhile is read once more. Returns how many documents were
    /// here though they are gone from the store.
    pub(super) fn end_merge(&mut self, kept: &HashSet<DocId>, at: OpTime) -> usize {
        let touched = self.touched.take().unwrap_or_default();
        let gone = self.apps.retain(|id| kept.contains(id) || touched.contains(id));
        self.report.retained(|id| kept.contains(id) || touched.contains(id));
        for _ in 0..gone {
            self.report.changed(Change::Reconciled);
        }
        self.horizon = self.horizon.max(at);
        self.newest = self.newest.max(known(at));
        for id in touched {
            self.owe(id, Change::Reconciled);
        }
        self.publish_anyway();
        gone
    }
}

/// A moment that a later read can be asked not to be older than.
fn known(at: OpTime) -> OpTime {
    if at == OpTime::MAX { OpTime::default() } else { at }
}
