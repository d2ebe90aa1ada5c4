//! All apps at one moment, and the writer that makes the next moment out of it.
//!
//! Requests load the current [`Snapshot`] and look an app up: one hash, no lock. The feed owns the one [`Apps`]
//! and applies changes by `_id`, because a delete carries nothing else. A document owns its appId only as long as
//! no other document claims the same one: two claimants make both unusable, until one of them is gone.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::app::{App, Policy, SecretEncoding};
use super::document::{Document, Record};
use super::reading::{self, Fault, Reading, Weak};
use super::table::Table;

/// A document's `_id`, opaque; compared byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DocId {
    /// A BSON object id, the common case.
    ObjectId([u8; 12]),
    /// Any other `_id`, as bytes that tell it from all others.
    Other(Box<[u8]>),
}

impl DocId {
    /// An `_id` that isn't an object id.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self::Other(bytes.into())
    }
}

/// How many documents are in which state (`rtms_apps`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// A token is required.
    pub jwt: usize,
    /// No secret: requests pass.
    pub open: usize,
    /// Switched off.
    pub disabled: usize,
    /// Senseless, or one of several with the same appId.
    pub unusable: usize,
    /// Keys under 32 bytes.
    pub short_keys: usize,
    /// Keys that end in NUL.
    pub nul_keys: usize,
}

impl Counts {
    /// All documents.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.jwt + self.open + self.disabled + self.unusable
    }

    fn count(&mut self, policy: &Policy, weak: Weak, by: isize) {
        let slot = match policy {
            Policy::Jwt(_) => &mut self.jwt,
            Policy::Open => &mut self.open,
            Policy::Disabled => &mut self.disabled,
            Policy::Unusable => &mut self.unusable,
        };
        *slot = slot.saturating_add_signed(by);
        self.short_keys = self.short_keys.saturating_add_signed(by * isize::from(weak.short));
        self.nul_keys = self.nul_keys.saturating_add_signed(by * isize::from(weak.trailing_nul));
    }
}

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
        self.table.get(app_id)
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

/// One document as it is kept: its fields, and the app it made.
struct Entry {
    record: Record,
    weak: Weak,
    app: Option<Arc<App>>,
}

/// The writer: all documents by `_id`, and the next snapshot in the making.
pub struct Apps {
    encoding: SecretEncoding,
    documents: HashMap<DocId, Entry>,
    /// appIds that more than one document claims.
    contested: HashMap<Box<str>, Vec<DocId>>,
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
        Self { encoding, documents: HashMap::new(), contested: HashMap::new(), table, counts, published }
    }

    /// Where requests find the snapshot in force.
    #[must_use]
    pub fn published(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.published)
    }

    /// How many documents there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.documents.len()
    }

    /// Whether there is no document.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// The `_id`s of all documents.
    pub fn ids(&self) -> impl Iterator<Item = &DocId> {
        self.documents.keys()
    }

    /// Puts a whole document in the place of its `_id` (insert, replace, or a point read).
    pub fn upsert(&mut self, id: DocId, document: &Document) -> Applied {
        let record = document.pack();
        if let Some(entry) = self.documents.get(&id)
            && entry.record.same(&record)
        {
            return self.unchanged(&id, document);
        }
        self.take_out(&id);
        self.put_in(id, record, reading::read(document, self.encoding))
    }

    /// Changes some fields of a document. `None`: the `_id` is unknown, read the document.
    pub fn patch(&mut self, id: &DocId, change: impl FnOnce(&mut Document)) -> Option<Applied> {
        let mut document = self.documents.get(id)?.record.unpack();
        change(&mut document);
        Some(self.upsert(id.clone(), &document))
    }

    /// Removes a document; `false` if it wasn't there.
    pub fn remove(&mut self, id: &DocId) -> bool {
        self.take_out(id)
    }

    /// Forgets every document that `keep` does not know: the end of a full load.
    pub fn retain(&mut self, keep: impl Fn(&DocId) -> bool) -> usize {
        let gone: Vec<DocId> = self.documents.keys().filter(|id| !keep(id)).cloned().collect();
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

    fn unchanged(&self, id: &DocId, document: &Document) -> Applied {
        let Reading { app_id, fault, .. } = reading::read(document, self.encoding);
        let contested = app_id.as_deref().is_some_and(|a| self.contested.get(a).is_some_and(|c| c.contains(id)));
        Applied { app_id, fault: fault.or(contested.then_some(Fault::Duplicate)), changed: false }
    }

    fn put_in(&mut self, id: DocId, record: Record, reading: Reading) -> Applied {
        let Reading { app_id, policy, mut fault, weak } = reading;
        let app = app_id.clone().map(|app_id| Arc::new(App { id: app_id, policy, owner: id.clone() }));
        match &app {
            None => self.counts.count(&Policy::Unusable, weak, 1),
            Some(app) => {
                if self.claim(app, weak) {
                    fault = fault.or(Some(Fault::Duplicate));
                }
            }
        }
        self.documents.insert(id, Entry { record, weak, app });
        Applied { app_id, fault, changed: true }
    }

    /// Enters `app` in the index; true if another document claims its appId too.
    fn claim(&mut self, app: &Arc<App>, weak: Weak) -> bool {
        if let Some(claimants) = self.contested.get_mut(&app.id) {
            claimants.push(app.owner.clone());
            self.counts.count(&Policy::Unusable, weak, 1);
            return true;
        }
        let Some(before) = self.table.insert(Arc::clone(app)) else {
            self.counts.count(&app.policy, weak, 1);
            return false;
        };
        let weak_before = self.documents.get(&before.owner).map(|e| e.weak).unwrap_or_default();
        self.counts.count(&before.policy, weak_before, -1);
        self.counts.count(&Policy::Unusable, weak_before, 1);
        self.counts.count(&Policy::Unusable, weak, 1);
        self.table.insert(Arc::new(App { id: app.id.clone(), policy: Policy::Unusable, owner: app.owner.clone() }));
        self.contested.insert(app.id.clone(), vec![before.owner.clone(), app.owner.clone()]);
        true
    }

    fn take_out(&mut self, id: &DocId) -> bool {
        let Some(Entry { weak, app, .. }) = self.documents.remove(id) else { return false };
        let Some(app) = app else {
            self.counts.count(&Policy::Unusable, weak, -1);
            return true;
        };
        let Some(claimants) = self.contested.get_mut(&app.id) else {
            self.counts.count(&app.policy, weak, -1);
            self.table.remove(&app.id);
            return true;
        };
        claimants.retain(|c| c != id);
        self.counts.count(&Policy::Unusable, weak, -1);
        if let [last] = claimants.as_slice() {
            // One claimant is left: the appId is its own again.
            if let Some(Entry { app: Some(heir), weak, .. }) = self.documents.get(last) {
                self.counts.count(&Policy::Unusable, *weak, -1);
                self.counts.count(&heir.policy, *weak, 1);
                self.table.insert(Arc::clone(heir));
            }
            self.contested.remove(&app.id);
        }
        true
    }
}

#[cfg(test)]
mod tests;
