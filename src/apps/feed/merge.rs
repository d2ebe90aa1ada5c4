//! A load on its way into force, in slices: a million documents take a second, and the task that applies them has
//! a server to keep talking to. First all are weighed, then, if the guard agrees, all are applied.

use std::collections::HashSet;
use std::vec;

use super::ledger::Ledger;
use super::source::{Documents, OpTime};
use crate::apps::DocId;
use crate::apps::Value;
use crate::apps::document::{Document, Record};

const SLICE: usize = 4096;

/// What a slice led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is more to do.
    More,
    /// All are weighed: so many of the apps in force are among them. Goes on only if that is accepted.
    Weighed(usize),
    /// Everything is applied and published; a comparison found so many documents that are gone from the store.
    Done(usize),
}

enum Stage {
    Weighing { next: usize, known: usize },
    Applying(vec::IntoIter<(DocId, Record)>),
}

/// A load, or a comparison beside the stream, being put in force.
pub(super) struct Merge {
    documents: Vec<(DocId, Record)>,
    at: OpTime,
    kept: HashSet<DocId>,
    stage: Stage,
    comparing: bool,
}

impl Merge {
    pub(super) fn new(documents: Documents, comparing: bool) -> Self {
        let Documents { found, at } = documents;
        let kept = HashSet::with_capacity(found.len());
        Self { documents: found, at, kept, stage: Stage::Weighing { next: 0, known: 0 }, comparing }
    }

    /// Whether it runs beside the stream.
    pub(super) const fn comparing(&self) -> bool {
        self.comparing
    }

    /// How many documents it has.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Does the next slice.
    pub(super) fn step(&mut self, ledger: &mut Ledger) -> Step {
        match &mut self.stage {
            Stage::Weighing { next, known } => {
                let in_force = ledger.apps.published().load_full();
                let slice = self.documents.iter().skip(*next).take(SLICE);
                let mut weighed = 0;
                for (id, record) in slice {
                    weighed += 1;
                    self.kept.insert(id.clone());
                    *known += usize::from(app_id(&record.unpack()).is_some_and(|app| in_force.get(&app).is_some()));
                }
                *next += weighed;
                if weighed == SLICE {
                    return Step::More;
                }
                let known = *known;
                self.stage = Stage::Applying(std::mem::take(&mut self.documents).into_iter());
                Step::Weighed(known)
            }
            Stage::Applying(rest) => {
                for (id, record) in rest.by_ref().take(SLICE) {
                    if !(self.comparing && ledger.is_touched(&id)) {
                        ledger.merge(&id, &record.unpack(), self.comparing);
                    }
                }
                if rest.len() > 0 {
                    return Step::More;
                }
                self.finish(ledger)
            }
        }
    }

    fn finish(&self, ledger: &mut Ledger) -> Step {
        if self.comparing {
            return Step::Done(ledger.end_merge(&self.kept, self.at));
        }
        ledger.end_load(&self.kept, self.at);
        Step::Done(0)
    }
}

fn app_id(document: &Document) -> Option<String> {
    match document.get("appId") {
        Some(Value::Str(id)) => Some(id.to_string()),
        _ => None,
    }
}
