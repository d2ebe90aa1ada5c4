//! The state machine of a feed with a change stream: inputs in, commands out, no I/O and no tasks of its own.
//!
//! Invariants: a token is only kept together with everything before it being applied or owed a read; a stream that
//! failed is never listened to again; nothing partial is published; whatever fails, the last snapshot serves.

mod caching;
mod exchange;
mod merging;

use std::time::Duration;

use tokio::time::Instant;

use self::caching::{Keeper, Restoring};
pub(super) use self::exchange::{Command, Input, Pace};
use super::backoff::{Retry, up_to};
use super::failure::{Failure, FailureKind};
use super::guard::Guard;
use super::ledger::Ledger;
use super::merge::Merge;
use super::report::Report;
use super::source::{Batch, Documents, OpTime, Token};
use super::status::Status;
use super::words::{Alarm, Phase, ReloadCause};
use crate::apps::{Apps, DocId};

enum State {
    Waiting,
    Positioning,
    Loading(Token),
    /// A full load is being put in force; the stream starts at this token.
    Merging(Token),
    /// The same, out of the cache.
    Restoring(Restoring),
    Opening,
    Following,
}

/// The state machine.
pub(super) struct Supervisor {
    ledger: Ledger,
    pace: Pace,
    state: State,
    /// Our own copy of the place in the stream; `None`: a full load is needed.
    token: Option<Token>,
    /// What the stream must reach before the store's state is in force; `None`: it has.
    goal: Option<OpTime>,
    cause: ReloadCause,
    retry: Retry,
    guard: Guard,
    load_began: Option<Instant>,
    /// What a read under way asks for: until it answers, the stream isn't listened to.
    reading: Option<Vec<DocId>>,
    /// A comparison is being read.
    comparing: bool,
    /// A comparison that was read and isn't merged yet.
    compared: Option<Documents>,
    merge: Option<Merge>,
    /// `None`: there is no cache file.
    keeper: Option<Keeper>,
}

impl Supervisor {
    pub(super) fn new(apps: Apps, report: Report, pace: Pace) -> Self {
        Self {
            ledger: Ledger::new(apps, report),
            pace,
            state: State::Waiting,
            token: None,
            goal: None,
            cause: ReloadCause::Start,
            retry: Retry::default(),
            guard: Guard::default(),
            load_began: None,
            reading: None,
            comparing: false,
            compared: None,
            merge: None,
            keeper: None,
        }
    }

    pub(super) fn status(&self) -> &Status {
        &self.ledger.report.status
    }

    /// Whether the stream is to be listened to.
    pub(super) const fn listens(&self) -> bool {
        matches!(self.state, State::Opening | State::Following) && self.reading.is_none() && self.merge.is_none()
    }

    /// Whether [`Input::Slice`] is wanted.
    pub(super) const fn merges(&self) -> bool {
        self.merge.is_some()
    }

    /// The first commands.
    pub(super) fn start(&mut self) -> Vec<Command> {
        let mut commands = self.go_on();
        commands.extend(self.wait_for_source());
        commands
    }

    /// Takes one input.
    pub(super) fn handle(&mut self, input: Input) -> Vec<Command> {
        let mut commands = self.react(input);
        commands.extend(self.keep_cache());
        commands
    }

    fn react(&mut self, input: Input) -> Vec<Command> {
        match input {
            Input::Positioned(Ok(token)) => self.positioned(token),
            Input::Loaded(Ok(documents)) => self.loaded(documents),
            Input::Opened(now) => self.opened(now),
            Input::Batch(batch) => self.batch(batch),
            Input::Read(Ok(documents)) => self.read(documents),
            Input::Compared(Ok(documents)) => self.compared(documents),
            Input::Compared(Err(failure)) => self.not_compared(&failure),
            // Out of the cache things went on before the wait was over.
            Input::Woke if !matches!(self.state, State::Waiting) => Vec::new(),
            Input::Woke => self.go_on(),
            Input::CompareDue => self.compare(),
            Input::Slice => self.slice(),
            Input::CacheDue => self.cache_due(),
            Input::CacheRead(read) => self.cache_read(read),
            Input::CacheWritten(written) => self.cache_written(written),
            Input::Positioned(Err(failure))
            | Input::Loaded(Err(failure))
            | Input::Read(Err(failure))
            | Input::Ended(failure) => self.failed(&failure),
        }
    }

    /// Begins, or takes up again where the token says.
    fn go_on(&mut self) -> Vec<Command> {
        if let Some(token) = self.token.clone() {
            self.state = State::Opening;
            self.status().enter(Phase::Opening);
            return vec![Command::Follow(token)];
        }
        self.state = State::Positioning;
        self.status().enter(Phase::Positioning);
        self.load_began = Some(Instant::now());
        vec![Command::Position]
    }

    fn positioned(&mut self, token: Token) -> Vec<Command> {
        self.state = State::Loading(token);
        self.status().enter(Phase::Loading);
        vec![Command::Load]
    }

    fn loaded(&mut self, documents: Documents) -> Vec<Command> {
        if let State::Loading(token) = &self.state {
            self.state = State::Merging(token.clone());
            self.merge = Some(Merge::new(documents, false));
        }
        Vec::new()
    }

    fn opened(&mut self, now: Option<OpTime>) -> Vec<Command> {
        self.retry.opened();
        self.goal = now;
        self.state = State::Following;
        self.status().enter(Phase::Following);
        self.read_owed()
    }

    fn batch(&mut self, batch: Batch) -> Vec<Command> {
        if batch.resumed {
            return self.resumed();
        }
        if self.retry.delivered() && self.status().recovered() {
            tracing::info!("apps: the stream is well again");
        }
        let quiet = batch.events.is_empty();
        let gone = self.ledger.batch(batch.events);
        self.goal = self.goal.filter(|goal| !quiet && self.ledger.streamed() < *goal);
        if batch.token.is_some() && batch.token != self.token {
            self.status().position_moved();
            self.token = batch.token;
        }
        match gone {
            Some(cause) => self.resync(cause, "the collection must be read again"),
            None => self.settled(),
        }
    }

    /// The stream broke, and the driver went on by itself, perhaps elsewhere: where its first attempt fails, the second
    /// one has forgotten the last token and goes back to the one that the stream was opened with (mongodb 3.9.1,
    /// `ChangeStreamAggregate::build`). So nothing it brought is looked at, and our own token decides.
    fn resumed(&mut self) -> Vec<Command> {
        self.ledger.report.resumed();
        let wait = self.retry.after(FailureKind::CursorLost);
        self.wait(wait)
    }

    /// Nothing is under way: contact, unless documents are in doubt, or the stream has yet to tell what happened while
    /// nobody listened.
    fn settled(&mut self) -> Vec<Command> {
        if self.ledger.is_certain() && self.goal.is_none() {
            self.status().contact();
            self.reached();
            self.status().clear(Alarm::Unauthorised);
            self.status().clear(Alarm::Standalone);
        }
        self.read_owed()
    }

    /// Reads what is in doubt; before that, takes up a comparison that waits for its turn.
    fn read_owed(&mut self) -> Vec<Command> {
        if self.reading.is_some() || self.merge.is_some() {
            return Vec::new();
        }
        if let Some(documents) = self.compared.take() {
            self.merge = Some(Merge::new(documents, true));
            return Vec::new();
        }
        if self.ledger.is_certain() {
            return Vec::new();
        }
        let ids = self.ledger.to_read();
        self.reading = Some(ids.clone());
        vec![Command::Read(ids)]
    }

    fn read(&mut self, documents: Documents) -> Vec<Command> {
        let Some(asked) = self.reading.take() else { return Vec::new() };
        self.ledger.reread(asked, documents);
        self.settled()
    }

    fn failed(&mut self, failure: &Failure) -> Vec<Command> {
        self.status().failed(failure.text.clone());
        match failure.kind {
            FailureKind::Unauthorised => self.status().raise(Alarm::Unauthorised),
            FailureKind::Standalone => self.status().raise(Alarm::Standalone),
            _ => {}
        }
        let given_up = match failure.kind {
            FailureKind::HistoryLost => true,
            FailureKind::Unlisted => self.retry.strike(),
            _ => false,
        };
        if given_up && self.token.is_some() {
            self.status().raise(Alarm::HistoryLost);
            return self.resync(ReloadCause::HistoryLost, &failure.text);
        }
        let wait = self.retry.after(failure.kind);
        tracing::warn!(error = %failure, wait_ms = wait.as_millis(), "apps: the source failed, trying again");
        let mut commands = self.wait(wait);
        commands.extend(self.fall_back());
        commands
    }

    /// Gives the token up: everything is read again, after a random time, while the last snapshot serves.
    fn resync(&mut self, cause: ReloadCause, why: &str) -> Vec<Command> {
        self.token = None;
        self.cause = cause;
        let since = self.load_began.map(|began| began.elapsed()).unwrap_or_default();
        let wait = up_to(self.pace.resync_delay).max(self.pace.min_interval.saturating_sub(since));
        let wait = wait.max(self.retry.reload());
        let cause = cause.as_str();
        tracing::warn!(cause, why, wait_ms = wait.as_millis(), "apps: a full reload follows; the last snapshot serves");
        self.wait(wait)
    }

    fn wait(&mut self, wait: Duration) -> Vec<Command> {
        self.state = State::Waiting;
        self.status().enter(Phase::Waiting);
        self.reading = None;
        self.merge = None;
        let mut commands = vec![Command::Close, Command::Wake(wait)];
        if self.comparing {
            commands.extend(self.abandon_comparison());
        }
        commands
    }
}
