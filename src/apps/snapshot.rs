//! All apps at one moment, and the writer that makes the next moment out of it.
//!
//! Requests load the current [`Snapshot`] and look an app up: one hash, no lock. The feed owns the one [`Apps`]
//! and applies changes by `_id`, because a delete carries nothing else. A document owns its appId only as long as
//! no other document claims the same one: two claimants make both unusable, until one of them is gone.

mod counts;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

pub use self::counts::Counts;
use super::app::{App, Policy, SecretEncoding};
use super::doc_id::DocId;
use super::document::{Document, Record};
use super::reading::{self, Fault, Reading};
use super::table::Table;

/// All apps at one moment; never changes.
#[derive(Clone)]
pub struct Snapshot {
    table: Table,
    counts: Counts,
}

impl Snapshot {
    /// The app with this id, compared byte for byte.
    #[must_use]
    pub fn get(&self, app_id: &str) -> Option<&Arc<App>> {
        self.table.get(app_id, |app| app.has_id(app_id))
    }

    /// One app for every appId, in no order.
    pub fn apps(&self) -> impl Iterator<Item = &Arc<App>> {
        self.table.iter()
    }

    /// How many documents are in which state.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// How many different appIds there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no app at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.table.len() == 0
    }
}

/// All documents at one moment, as they are kept. Taking it copies none of them.
pub struct Held(Table);

impl Held {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// Each with its packed `_id` first; see [`DocId`] and [`Record`].
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|app| app.stored())
    }
}

/// What applying one document did.
#[derive(Debug, PartialEq, Eq)]
pub struct Applied {
    /// The appId, where the document has a sound one.
    pub app_id: Option<Box<str>>,
    /// Why the app is unusable, if it is.
    pub fault: Option<Fault>,
    /// Whether any field that matters differs from before.
    pub changed: bool,
}

/// The writer: all documents by `_id`, and the next snapshot in the making.
pub struct Apps {
    encoding: SecretEncoding,
    /// By `_id`.
    documents: Table,
    /// appIds that more than one document claims.
    contested: HashMap<Box<str>, Vec<DocId>>,
    /// By appId.
    table: Table,
    counts: Counts,
    published: Arc<ArcSwap<Snapshot>>,
}

impl Apps {
    /// An empty set. `encoding` is `auth.secret_encoding`.
    #[must_use]
    pub fn new(encoding: SecretEncoding) -> Self {
        let table = Table::new();
        let counts = Counts::default();
        let published = Arc::new(ArcSwap::from_pointee(Snapshot { table: table.clone(), counts }));
        Self { encoding, documents: Table::new(), contested: HashMap::new(), table, counts, published }
    }

    /// Where requests find the snapshot in force.
    #[must_use]
    pub fn published(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.published)
    }

    /// How many documents there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.documents.len()
    }

    /// Whether there is no document.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.documents.len() == 0
    }

    /// All documents as they are now, published or not.
    #[must_use]
    pub fn held(&self) -> Held {
        Held(self.documents.clone())
    }

    /// Puts a whole document in the place of its `_id` (insert, replace, or a point read).
    pub fn upsert(&mut self, id: &DocId, document: &Document) -> Applied {
        let record = document.pack();
        if let Some(entry) = self.entry(id).filter(|entry| entry.record() == record.bytes()) {
            return self.unchanged(id, entry, document);
        }
        let before = self.entry(id).cloned();
        let reading = reading::read(document, self.encoding);
        self.take_out(id);
        self.put_in(id, &record, reading, before.as_deref())
    }

    /// Changes some fields of a document. `None`: the `_id` is unknown, read the document.
    pub fn patch(&mut self, id: &DocId, change: impl FnOnce(&mut Document)) -> Option<Applied> {
        let mut document = self.entry(id)?.document();
        change(&mut document);
        Some(self.upsert(id, &document))
    }

    /// Removes a document; `false` if it wasn't there.
    pub fn remove(&mut self, id: &DocId) -> bool {
        self.take_out(id)
    }

    /// Forgets every document that `keep` does not know: the end of a full load.
    pub fn retain(&mut self, keep: impl Fn(&DocId) -> bool) -> usize {
        let gone: Vec<DocId> = self.documents.iter().map(|app| app.owner()).filter(|id| !keep(id)).collect();
        for id in &gone {
            self.take_out(id);
        }
        gone.len()
    }

    /// Puts everything applied so far in force: one swap, whatever the size of the batch.
    pub fn publish(&mut self) {
        self.published.store(Arc::new(Snapshot { table: self.table.clone(), counts: self.counts }));
    }

    /// How many documents are in which state, published or not.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    fn entry(&self, id: &DocId) -> Option<&Arc<App>> {
        self.documents.get(id, |app| app.is_owned_by(id))
    }

    /// Most documents of a comparison: no key is prepared for them.
    fn unchanged(&self, id: &DocId, entry: &App, document: &Document) -> Applied {
        let unusable = matches!(entry.policy, Policy::Unusable);
        let fault = unusable.then(|| reading::read(document, self.encoding).fault).flatten();
        let contested = entry.id().is_some_and(|a| self.contested.get(a).is_some_and(|c| c.contains(id)));
        let fault = fault.or(contested.then_some(Fault::Duplicate));
        Applied { app_id: entry.id().map(Into::into), fault, changed: false }
    }

    fn put_in(&mut self, id: &DocId, record: &Record, reading: Reading, before: Option<&App>) -> Applied {
        let Reading { app_id, policy, mut fault, weak } = reading;
        let app = Arc::new(App::new(app_id.as_deref(), (policy, weak), id, record));
        if let Some(before) = before {
            app.inherit(before);
        }
        if self.claim(&app) {
            fault = fault.or(Some(Fault::Duplicate));
        }
        self.documents.insert(id, app, |app| app.is_owned_by(id));
        Applied { app_id, fault, changed: true }
    }

    /// Enters `app` in the index by its appId; true if another document claims that too.
    fn claim(&mut self, app: &Arc<App>) -> bool {
        let Some(id) = app.id() else {
            self.counts.add(app, true);
            return false;
        };
        if let Some(claimants) = self.contested.get_mut(id) {
            claimants.push(app.owner());
            self.counts.add(app, true);
            return true;
        }
        let Some(before) = self.index(id, Arc::clone(app)) else {
            self.counts.add(app, false);
            return false;
        };
        self.counts.remove(&before, false);
        self.counts.add(&before, true);
        self.counts.add(app, true);
        self.index(id, Arc::new(App::unusable(id, &app.owner())));
        self.contested.insert(id.into(), vec![before.owner(), app.owner()]);
        true
    }

    fn take_out(&mut self, id: &DocId) -> bool {
        let Some(app) = self.documents.remove(id, |app| app.is_owned_by(id)) else { return false };
        let Some(app_id) = app.id() else {
            self.counts.remove(&app, true);
            return true;
        };
        let Some(claimants) = self.contested.get_mut(app_id) else {
            self.counts.remove(&app, false);
            self.table.remove(app_id, |app| app.has_id(app_id));
            return true;
        };
        claimants.retain(|c| c != id);
        self.counts.remove(&app, true);
        if let [last] = claimants.as_slice() {
            // One claimant is left: the appId is its own again.
            let last = last.clone();
            self.contested.remove(app_id);
            if let Some(heir) = self.entry(&last).cloned() {
                self.counts.remove(&heir, true);
                self.counts.add(&heir, false);
                self.index(app_id, heir);
            }
        }
        true
    }

    fn index(&mut self, id: &str, app: Arc<App>) -> Option<Arc<App>> {
        self.table.insert(id, app, |app| app.has_id(id))
    }
}

#[cfg(test)]
mod tests;
