//! The state machine without a server: inputs by hand, or a store in memory under a paused clock.

mod cached_start;
mod caching;
mod driving;
mod failures;
mod fake;
mod file;
mod following;
mod lagging;
mod starting;
mod status;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::failure::{Failure, FailureKind};
use super::report::Report;
use super::source::{Batch, Documents, Event, OpTime, Patch, Token, What};
use super::supervisor::{Command, Input, Pace, Supervisor};
use super::{Alarm, Change, Events, Phase, ReloadCause, SourceKind, Status};
use crate::apps::document::{Document, Value};
use crate::apps::{Apps, Counts, DocId};
use crate::apps::{Policy, SecretEncoding, Snapshot};

/// Notes what the feed tells.
#[derive(Default)]
struct Recorder {
    changes: Mutex<Vec<Change>>,
    reloads: Mutex<Vec<ReloadCause>>,
    lags: Mutex<Vec<Duration>>,
    publishes: Mutex<usize>,
    resumes: Mutex<usize>,
    unusable: Mutex<Vec<String>>,
}

impl Events for Recorder {
    fn changed(&self, kind: Change) {
        self.changes.lock().unwrap().push(kind);
    }
    fn reloaded(&self, cause: ReloadCause) {
        self.reloads.lock().unwrap().push(cause);
    }
    fn propagated(&self, lag: Duration) {
        self.lags.lock().unwrap().push(lag);
    }
    fn counts(&self, _: Counts) {
        *self.publishes.lock().unwrap() += 1;
    }
    fn resumed(&self) {
        *self.resumes.lock().unwrap() += 1;
    }
    fn unusable(&self, app: &str, fault: &str) {
        self.unusable.lock().unwrap().push(format!("{app}: {fault}"));
    }
}

const PACE: Pace = Pace {
    resync_delay: Duration::from_secs(5),
    min_interval: Duration::from_secs(1),
    reconcile_every: Duration::from_mins(15),
};

/// A supervisor, and everything that shows what it does.
struct Rig {
    supervisor: Supervisor,
    status: Arc<Status>,
    published: Arc<arc_swap::ArcSwap<Snapshot>>,
    told: Arc<Recorder>,
}

impl Rig {
    fn new() -> Self {
        // Jitter that is the same in every run.
        fastrand::seed(20);
        let told = Arc::new(Recorder::default());
        let status = Arc::new(Status::new(SourceKind::MongoDb));
        let apps = Apps::new(SecretEncoding::Raw);
        let published = apps.published();
        let report = Report::new(Arc::clone(&status), told.clone(), Box::new(|id| format!("{id:?}")));
        Self { supervisor: Supervisor::new(apps, report, PACE), status, published, told }
    }

    /// Loaded at time 100 with these apps, and following.
    fn following(apps: &[(u8, &str)]) -> Self {
        let mut rig = Self::new();
        assert_eq!(rig.supervisor.start(), [Command::Position]);
        rig.load(apps, 100);
        assert!(rig.give(Input::Opened(None)).is_empty());
        rig
    }

    /// From a position to a load in force.
    fn load(&mut self, apps: &[(u8, &str)], at: u64) -> Vec<Command> {
        assert_eq!(self.give(Input::Positioned(Ok(token(0)))), [Command::Load]);
        self.give(Input::Loaded(Ok(documents(apps, at))))
    }

    /// Gives an input, and the slices that follow from it.
    fn give(&mut self, input: Input) -> Vec<Command> {
        let mut commands = self.supervisor.handle(input);
        while self.supervisor.merges() {
            commands.extend(self.supervisor.handle(Input::Slice));
        }
        commands
    }

    fn batch(&mut self, events: Vec<Event>) -> Vec<Command> {
        assert!(self.supervisor.listens());
        self.give(Input::Batch(Batch { events, token: Some(token(9)), resumed: false }))
    }

    fn fails(&mut self, kind: FailureKind) -> Vec<Command> {
        self.give(Input::Ended(failure(kind)))
    }

    /// Which of `ids` are in force, in the words of their policy; `-`: unknown.
    fn states(&self, ids: &[&str]) -> String {
        let snapshot = self.published.load();
        let state = |id: &&str| match snapshot.get(id).map(|a| &a.policy) {
            None => "-",
            Some(Policy::Open) => "open",
            Some(Policy::Jwt(_)) => "jwt",
            Some(Policy::Disabled) => "disabled",
            Some(Policy::Unusable) => "unusable",
        };
        ids.iter().map(state).collect::<Vec<_>>().join(" ")
    }

    fn changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.told.changes.lock().unwrap())
    }

    fn reloads(&self) -> Vec<ReloadCause> {
        std::mem::take(&mut self.told.reloads.lock().unwrap())
    }

    fn publishes(&self) -> usize {
        std::mem::take(&mut self.told.publishes.lock().unwrap())
    }
}

fn failure(kind: FailureKind) -> Failure {
    Failure::new(kind, format!("{kind:?}"))
}

fn token(n: u8) -> Token {
    Token(Arc::new([n]))
}

fn id(n: u8) -> DocId {
    DocId::ObjectId([n; 12])
}

/// A document in short: `A` open, `A:s` with the secret `s`, `A!` disabled.
fn document(short: &str) -> Document {
    let mut document = Document::default();
    let (app, secret) = short.split_once(':').map_or((short, None), |(app, secret)| (app, Some(secret)));
    document.set("appId", Value::string(app.trim_end_matches('!')));
    if let Some(secret) = secret {
        document.set("jwt_secretkey", Value::string(secret));
    }
    if app.ends_with('!') {
        document.set("disabled", Value::Bool(true));
    }
    document
}

fn documents(apps: &[(u8, &str)], at: u64) -> Documents {
    Documents { found: apps.iter().map(|(n, short)| (id(*n), document(short).pack())).collect(), at: OpTime(at) }
}

fn event(at: u64, what: What) -> Event {
    Event { at: Some(OpTime(at)), wrote: None, what }
}

fn insert(at: u64, n: u8, short: &str) -> Event {
    event(at, What::Put(id(n), document(short), Change::Insert))
}

fn remove(at: u64, n: u8) -> Event {
    event(at, What::Remove(id(n)))
}

fn set(at: u64, n: u8, field: &str, value: Value) -> Event {
    event(at, What::Patch(id(n), Patch { set: vec![(field.to_owned(), value)], ..Patch::default() }))
}

fn wake(commands: &[Command]) -> Option<Duration> {
    commands.iter().find_map(|c| match c {
        Command::Wake(wait) => Some(*wait),
        _ => None,
    })
}

fn compare_in(commands: &[Command]) -> Option<Duration> {
    commands.iter().find_map(|c| match c {
        Command::CompareIn(wait) => Some(*wait),
        _ => None,
    })
}
