//! The moment in which a process begins to serve, told to everybody who waits for it.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tracing::{info, warn};

use super::Predecessor;
use crate::admin::Upgrade;
use crate::error::StartError;
use crate::server::notify::Notifier;
use crate::server::pid_file;
use crate::telemetry::{Metrics, UpgradeResult};

/// Open once this process serves in the place of another; open from the beginning where there is none.
///
/// Until then both accept from the same sockets, and only the old one has good answers.
pub type Gate = watch::Receiver<bool>;

/// What is left to do when a process serves that takes the place of another.
pub struct Opening {
    predecessor: Predecessor,
    gate: watch::Sender<bool>,
    pid_file: Option<PathBuf>,
    seen: Seen,
}

/// Where it is seen that this process took over.
#[derive(Clone)]
pub struct Seen {
    /// In `/status`.
    pub upgrade: Arc<Upgrade>,
    /// In `/metrics`.
    pub metrics: Arc<Metrics>,
}

/// A gate, and what opens it: nothing, where there is no predecessor.
#[must_use]
pub fn gate(predecessor: Option<Predecessor>, pid_file: Option<PathBuf>, seen: Seen) -> (Gate, Option<Opening>) {
    let (sender, gate) = watch::channel(predecessor.is_none());
    let opening = predecessor.map(|predecessor| Opening { predecessor, gate: sender, pid_file, seen });
    (gate, opening)
}

impl Opening {
    /// Takes over: from here on the process has its pid file, its admin pages answer, and its predecessor goes. The
    /// service manager is told first: the end of its main process would be the end of the service.
    ///
    /// # Errors
    /// The pid file can't be written.
    pub fn complete(self, notifier: &Notifier) -> Result<(), StartError> {
        let Self { predecessor, gate, pid_file, seen } = self;
        if let Some(path) = &pid_file {
            pid_file::write(path)?;
        }
        seen.upgrade.took_over(predecessor.pid);
        seen.metrics.upgraded(UpgradeResult::TakenOver);
        gate.send_replace(true);
        notifier.serving(true);
        let from = predecessor.pid;
        match predecessor.tell() {
            Ok(()) => info!(from, "took over: the process before this one accepts no more"),
            Err(error) => warn!(from, %error, "took over from a process that ended meanwhile"),
        }
        Ok(())
    }
}
