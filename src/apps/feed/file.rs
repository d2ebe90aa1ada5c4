//! The apps file: is what stands on disk what is in force?
//!
//! Every look compares the file's identity (device, inode, size, times; through symlinks) with the one that was
//! read. A file that is still being written is left alone for a moment, and one that was written so shortly before
//! it was read that a later write could bear the same times is read once more. A broken file changes nothing.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::driver::stopped;
use super::report::Report;
use super::status::LastLoad;
use super::words::{Alarm, Change, Phase, ReloadCause};
use crate::apps::{Apps, DocId};
use crate::apps::{json, list};
use crate::stamp::Stamp;

/// Between two looks.
const TICK: Duration = Duration::from_millis(250);
/// Between two looks at a file that is being written.
const SOON: Duration = Duration::from_millis(25);
/// Looks after which a file is read though it is still being written.
const PATIENCE: u32 = 12;

/// The longest an entry is named.
const LONGEST_NAME: usize = 80;

/// Looks at the file until `stop` is true, or its sender gone.
pub(super) async fn run(mut watch: Watch, mut stop: watch::Receiver<bool>, ready: impl FnOnce() + Send) {
    let status = Arc::clone(&watch.report.status);
    let mut ready = Some(ready);
    loop {
        // A large file takes a while: not on a thread that others wait for.
        let looked = tokio::task::spawn_blocking(move || {
            let next = watch.look(SystemTime::now());
            (watch, next)
        });
        let next = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            looked = looked => looked,
        };
        let (again, next) = match next {
            Ok(next) => next,
            // Nobody would look at the file any more: as loud as a panic of the feed itself.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => break,
            },
        };
        watch = again;
        if status.ready()
            && let Some(ready) = ready.take()
        {
            ready();
        }
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            () = tokio::time::sleep(next) => {}
        }
    }
    status.enter(Phase::Stopped);
}

/// Names an entry without a sound appId.
pub(super) fn name(id: &DocId) -> String {
    match id {
        DocId::Other(bytes) => String::from_utf8_lossy(bytes).chars().take(LONGEST_NAME).collect(),
        DocId::ObjectId(_) => "entry".to_owned(),
    }
}

/// A content that was read.
struct Seen {
    stamp: Stamp,
    digest: [u8; 32],
    /// A write that its stamp doesn't show is impossible.
    settled: bool,
}

impl Seen {
    fn is(&self, stamp: Stamp) -> bool {
        self.settled && self.stamp == stamp
    }
}

/// The file and what is known of it.
pub(super) struct Watch {
    path: PathBuf,
    apps: Apps,
    pub(super) report: Report,
    in_force: Option<Seen>,
    broken: Option<Seen>,
    /// The last trouble, to log and count it once.
    trouble: Option<String>,
    /// Looks at a file that was being written, in a row.
    waited: u32,
}

impl Watch {
    pub(super) fn new(path: PathBuf, apps: Apps, report: Report) -> Self {
        Self { path, apps, report, in_force: None, broken: None, trouble: None, waited: 0 }
    }

    /// Looks at the file, puts a change in force, and says when to look again.
    pub(super) fn look(&mut self, now: SystemTime) -> Duration {
        let stamp = match Stamp::of(&self.path) {
            Ok(stamp) => stamp,
            Err(error) => return self.unreadable(&error),
        };
        if self.in_force.as_ref().is_some_and(|seen| seen.is(stamp)) {
            return self.equal();
        }
        if self.broken.as_ref().is_some_and(|seen| seen.is(stamp)) {
            return TICK;
        }
        let young = stamp.is_young(now);
        if young && self.waited < PATIENCE {
            self.waited += 1;
            return SOON;
        }
        self.report.status.enter(Phase::Loading);
        let began = Instant::now();
        let text = match fs::read(&self.path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) => return self.unreadable(&error),
        };
        if Stamp::of(&self.path).is_ok_and(|after| after == stamp) {
            self.waited = 0;
            let seen = Seen { stamp, digest: Sha256::digest(&*text).into(), settled: !young };
            return self.read(&text, seen, began);
        }
        // Written or swapped meanwhile: what was read may be half of each.
        self.waited += 1;
        SOON
    }

    fn read(&mut self, text: &[u8], seen: Seen, began: Instant) -> Duration {
        if self.in_force.as_ref().is_some_and(|s| s.digest == seen.digest) {
            self.in_force = Some(seen);
            return self.equal();
        }
        if self.broken.as_ref().is_some_and(|s| s.digest == seen.digest) {
            self.broken = Some(seen);
            self.report.status.enter(Phase::Waiting);
            return TICK;
        }
        // Twice through the text, for half of the memory: nothing may be put in force of a file that is broken further on.
        let json = list::is_json(&self.path);
        match list::each(text, json, drop) {
            Ok(documents) => {
                let first = self.in_force.is_none();
                self.apply(text, json, (!first).then(|| seen.stamp.since()));
                self.in_force = Some(seen);
                self.loaded(if first { ReloadCause::Start } else { ReloadCause::FileChanged }, documents, began);
                self.equal()
            }
            Err(problem) => {
                self.broken = Some(seen);
                self.refused(format!("{}: {problem}", self.path.display()));
                TICK
            }
        }
    }

    /// Disk and force are the same.
    fn equal(&mut self) -> Duration {
        let status = &self.report.status;
        if self.trouble.take().is_some() {
            status.recovered();
            tracing::info!(file = %self.path.display(), "apps: the file is in force again");
        }
        status.clear(Alarm::FileBroken);
        status.enter(Phase::Following);
        status.contact();
        self.broken = None;
        TICK
    }

    fn unreadable(&mut self, error: &io::Error) -> Duration {
        self.broken = None;
        let text = format!("{} can't be read: {error}", self.path.display());
        // Once for as long as it lasts.
        if self.trouble.as_ref() != Some(&text) {
            self.refused(text);
        }
        TICK
    }

    /// Shows, logs and counts a file that can't be put in force.
    fn refused(&mut self, text: String) {
        tracing::error!(error = %text, "apps: the file is refused, what is in force stays so");
        self.report.status.enter(Phase::Waiting);
        self.report.status.failed(text.clone());
        self.report.status.raise(Alarm::FileBroken);
        self.report.reloaded(ReloadCause::FileBroken);
        self.trouble = Some(text);
    }

    /// Puts the entries in force; `wrote`: they are a change, made at that time.
    fn apply(&mut self, text: &[u8], json: bool, wrote: Option<i64>) {
        let mut ids = Ids::default();
        let mut kept = self.in_force.is_some().then(HashSet::new);
        let mut changed = false;
        // It was read to its end before.
        let _ = list::each(text, json, |entry| {
            let id = ids.next(&entry);
            changed |= self.upsert(&id, &entry, wrote.is_some());
            if let Some(kept) = &mut kept {
                kept.insert(id);
            }
        });
        if let Some(kept) = kept {
            // At the start nothing can be too much.
            let gone = self.apps.retain(|id| kept.contains(id));
            self.report.retained(|id| kept.contains(id));
            for _ in 0..gone {
                self.report.changed(Change::Delete);
            }
            changed |= gone > 0;
        }
        if changed {
            self.report.wrote(wrote);
        }
        self.report.publish(&mut self.apps);
    }

    /// Puts an entry in the place of its `_id`; whether that changed anything.
    fn upsert(&mut self, id: &DocId, entry: &serde_json::Value, is_change: bool) -> bool {
        let before = self.apps.len();
        // What isn't an object is a document without an appId: nobody's app, but counted and told of.
        let document = json::document(entry).unwrap_or_default();
        let applied = self.apps.upsert(id, &document);
        let kind = if self.apps.len() > before { Change::Insert } else { Change::Update };
        let changed = applied.changed;
        if changed && is_change {
            self.report.changed(kind);
        }
        self.report.applied(id, applied);
        changed
    }

    fn loaded(&self, cause: ReloadCause, documents: usize, began: Instant) {
        let took = began.elapsed();
        self.report.status.loaded(LastLoad { at: SystemTime::now(), cause, documents, took });
        self.report.reloaded(cause);
        let (file, cause, ms) = (self.path.display(), cause.as_str(), took.as_millis());
        tracing::info!(cause, %file, documents, took_ms = ms, "apps: the file is in force");
    }
}

/// An `_id` for every entry, such that a change of one entry is a change of one document: its appId, with a
/// number where it isn't the first of its kind; its place, where it has none.
#[derive(Default)]
struct Ids {
    seen: HashMap<Box<str>, usize>,
    place: usize,
}

impl Ids {
    fn next(&mut self, entry: &serde_json::Value) -> DocId {
        self.place += 1;
        let text = match entry.get("appId").and_then(serde_json::Value::as_str) {
            Some(app) => {
                let nth = self.seen.entry(app.into()).or_default();
                *nth += 1;
                format!("appId {app} ({nth})")
            }
            None => format!("entry {}", self.place),
        };
        DocId::from_bytes(text.as_bytes())
    }
}
