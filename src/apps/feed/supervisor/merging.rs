//! Loads and comparisons on their way into force, with the guard between reading and applying.

use std::time::{Duration, SystemTime};

use super::{Command, State, Supervisor};
use crate::apps::feed::backoff::jittered;
use crate::apps::feed::failure::Failure;
use crate::apps::feed::guard::{SECOND_LOOK, Verdict};
use crate::apps::feed::merge::{Merge, Step};
use crate::apps::feed::source::Documents;
use crate::apps::feed::status::LastLoad;
use crate::apps::feed::words::{Alarm, ReloadCause};

/// When a comparison falls due at a bad moment: how long until the next try.
const COMPARE_AGAIN: Duration = Duration::from_secs(5);

impl Supervisor {
    pub(super) fn compare(&mut self) -> Vec<Command> {
        // What the stream has yet to tell would have to be read once more after the comparison.
        if !matches!(self.state, State::Following) || self.comparing || self.goal.is_some() {
            return vec![Command::CompareIn(COMPARE_AGAIN)];
        }
        self.comparing = true;
        vec![Command::Compare(self.ledger.begin_comparison())]
    }

    pub(super) fn compared(&mut self, documents: Documents) -> Vec<Command> {
        if !self.comparing {
            return Vec::new();
        }
        self.compared = Some(documents);
        self.read_owed()
    }

    pub(super) fn not_compared(&mut self, failure: &Failure) -> Vec<Command> {
        tracing::warn!(error = %failure, "apps: the periodic comparison failed");
        self.abandon_comparison().into_iter().collect()
    }

    /// Gives a comparison up, and says when the next one is due: not soon, as it reads the whole collection.
    pub(super) fn abandon_comparison(&mut self) -> Option<Command> {
        self.comparing = false;
        self.compared = None;
        self.ledger.end_comparison();
        if self.status().alarm(Alarm::LostHalf) {
            return Some(Command::CompareIn(SECOND_LOOK));
        }
        self.next_comparison()
    }

    pub(super) fn slice(&mut self) -> Vec<Command> {
        let Some(mut merge) = self.merge.take() else { return Vec::new() };
        match merge.step(&mut self.ledger) {
            Step::More => self.merge = Some(merge),
            Step::Weighed(known) => match self.weigh(known) {
                Verdict::Accept => self.merge = Some(merge),
                Verdict::Refuse => return self.refuse(&merge, known),
            },
            Step::Done(gone) if merge.comparing() => return self.compared_to_end(gone),
            Step::Done(_) if matches!(self.state, State::Restoring(_)) => return self.restored(&merge),
            Step::Done(_) => return self.in_force(&merge),
        }
        Vec::new()
    }

    fn weigh(&mut self, known: usize) -> Verdict {
        let serving = self.ledger.apps.published().load().len();
        self.guard.judge(serving, known)
    }

    fn refuse(&mut self, merge: &Merge, known: usize) -> Vec<Command> {
        let serving = self.ledger.apps.published().load().len();
        tracing::error!(serving, known, "apps: a load lost more than half of the apps; a second one must agree");
        self.status().raise(Alarm::LostHalf);
        self.ledger.report.reloaded(ReloadCause::Refused);
        if merge.comparing() {
            let second = self.abandon_comparison();
            let mut commands = self.read_owed();
            commands.extend(second);
            return commands;
        }
        self.wait(SECOND_LOOK)
    }

    fn in_force(&mut self, merge: &Merge) -> Vec<Command> {
        let State::Merging(token) = &self.state else { return Vec::new() };
        self.token = Some(token.clone());
        self.report_load(merge.len());
        self.reached();
        self.load_to_cache();
        let mut commands = self.go_on();
        commands.extend(self.next_comparison());
        commands
    }

    fn report_load(&mut self, documents: usize) {
        let took = self.load_began.map(|began| began.elapsed()).unwrap_or_default();
        let load = LastLoad { at: SystemTime::now(), cause: self.cause, documents, took };
        self.status().loaded(load);
        self.status().clear(Alarm::HistoryLost);
        self.status().clear(Alarm::LostHalf);
        self.ledger.report.reloaded(self.cause);
        let (cause, ms) = (self.cause.as_str(), took.as_millis());
        tracing::info!(cause, documents, took_ms = ms, "apps: a full load is in force");
    }

    fn compared_to_end(&mut self, gone: usize) -> Vec<Command> {
        self.comparing = false;
        if gone > 0 {
            tracing::warn!(gone, "apps: the comparison found documents that no event had deleted");
        }
        self.status().clear(Alarm::LostHalf);
        self.ledger.report.reloaded(ReloadCause::Reconcile);
        let mut commands = self.read_owed();
        commands.extend(self.next_comparison());
        commands
    }

    pub(super) fn next_comparison(&self) -> Option<Command> {
        let every = self.pace.reconcile_every;
        (!every.is_zero()).then(|| Command::CompareIn(jittered(every)))
    }
}
