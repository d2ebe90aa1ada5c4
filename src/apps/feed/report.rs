//! What applying leads to beside the snapshot: log lines, counts, the list of unusable documents.
//!
//! The list is kept by `_id` and bounded; so is what one load logs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::status::{Status, Unusable};
use super::words::Change;
use super::{Events, ReloadCause};
use crate::apps::{Applied, Apps, DocId};
use crate::apps::{Fault, Policy, Snapshot};

const LISTED: usize = 100;
const LOGGED_AT_ONCE: usize = 100;

/// Names a document that has no appId.
pub(super) type Name = Box<dyn Fn(&DocId) -> String + Send + Sync>;

struct Listed {
    app: String,
    fault: Fault,
}

/// The feed's voice.
pub(super) struct Report {
    /// What others see.
    pub(super) status: Arc<Status>,
    events: Arc<dyn Events>,
    name: Name,
    listed: HashMap<DocId, Listed>,
    /// The list differs from what [`Status`] shows.
    relisted: bool,
    logged: usize,
    /// Wall-clock times of the writes that the next publish puts in force, in milliseconds since the epoch.
    writes: Vec<i64>,
}

impl Report {
    pub(super) fn new(status: Arc<Status>, events: Arc<dyn Events>, name: Name) -> Self {
        Self { status, events, name, listed: HashMap::new(), relisted: false, logged: 0, writes: Vec::new() }
    }

    /// One document was put in its place.
    pub(super) fn applied(&mut self, id: &DocId, applied: Applied) {
        let Some(fault) = applied.fault else { return self.removed(id) };
        let known = self.listed.get(id).is_some_and(|l| l.fault == fault);
        if known || !(applied.changed || self.listed.len() < LISTED) {
            return;
        }
        let app = applied.app_id.map_or_else(|| (self.name)(id), String::from);
        if self.logged < LOGGED_AT_ONCE {
            tracing::warn!(app = %app, fault = %fault, "unusable app document: all its requests are rejected");
        }
        self.logged += 1;
        self.events.unusable(&app, &fault.to_string());
        if self.listed.len() < LISTED || self.listed.contains_key(id) {
            self.listed.insert(id.clone(), Listed { app, fault });
            self.relisted = true;
        }
    }

    /// One document is gone.
    pub(super) fn removed(&mut self, id: &DocId) {
        self.relisted |= self.listed.remove(id).is_some();
    }

    /// Only these documents are left.
    pub(super) fn retained(&mut self, keep: impl Fn(&DocId) -> bool) {
        self.listed.retain(|id, _| keep(id));
        self.relisted = true;
    }

    /// Counts one change.
    pub(super) fn changed(&self, kind: Change) {
        self.events.changed(kind);
    }

    /// Counts one reload.
    pub(super) fn reloaded(&self, cause: ReloadCause) {
        self.events.reloaded(cause);
    }

    /// Counts a resume that happened below us.
    pub(super) fn resumed(&self) {
        self.status.resumed();
        self.events.resumed();
    }

    /// Notes when a change was written; the next publish puts it in force.
    pub(super) fn wrote(&mut self, wrote: Option<i64>) {
        self.writes.extend(wrote);
    }

    /// Puts what was applied in force and tells everybody.
    pub(super) fn publish(&mut self, apps: &mut Apps) {
        apps.publish();
        if self.logged > LOGGED_AT_ONCE {
            tracing::warn!(more = self.logged - LOGGED_AT_ONCE, "further unusable app documents");
        }
        self.logged = 0;
        self.resolve(&apps.published().load());
        self.events.counts(apps.counts());
        let now = SystemTime::now();
        let mut last = None;
        for wrote in self.writes.drain(..) {
            let lag = now.duration_since(since_epoch(wrote)).unwrap_or_default();
            self.events.propagated(lag);
            last = Some(lag);
        }
        let listed = std::mem::take(&mut self.relisted).then(|| self.list());
        self.status.published(apps.counts(), listed, last);
    }

    /// Forgets duplicates that are none any more: that depends on what happened to the *other* document.
    fn resolve(&mut self, snapshot: &Snapshot) {
        let before = self.listed.len();
        let unusable = |app: &str| snapshot.get(app).is_some_and(|a| matches!(a.policy, Policy::Unusable));
        self.listed.retain(|_, listed| listed.fault != Fault::Duplicate || unusable(&listed.app));
        self.relisted |= self.listed.len() != before;
    }

    fn list(&self) -> Vec<Unusable> {
        let listed = self.listed.values();
        let mut list: Vec<Unusable> =
            listed.map(|l| Unusable { app: l.app.clone(), fault: l.fault.to_string() }).collect();
        list.sort_by(|a, b| a.app.cmp(&b.app));
        list
    }
}

fn since_epoch(ms: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
