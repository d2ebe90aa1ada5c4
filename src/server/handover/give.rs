//! The old process: hands its sockets over when it is told to, and goes on until the new one serves.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use super::wire;
use crate::admin::Upgrade;
use crate::server::pid_file;
use crate::server::readiness::Flags;
use crate::server::sockets::Sockets;
use crate::telemetry::{Metrics, UpgradeResult};

/// How long a new process is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks whether it is there.
const PAUSE: Duration = Duration::from_millis(100);

/// Hands the sockets of this process over, when asked to.
pub struct Giver {
    /// Where the new process waits; `None`: nowhere.
    pub path: Option<PathBuf>,
    /// What there is to hand over.
    pub sockets: Sockets,
    /// Tells whether clients are let in.
    pub flags: Flags,
    /// Shown in `/status`.
    pub upgrade: Arc<Upgrade>,
    /// Told what came of it.
    pub metrics: Arc<Metrics>,
    /// The handover under way.
    pub pending: Option<JoinHandle<Result<(), Failure>>>,
}

/// Why the sockets are still ours.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There was no new process.
    #[error("no new process waits at {}: start one with --upgrade ({last})", path.display())]
    Nobody {
        /// Where it should wait.
        path: PathBuf,
        /// What came of the last attempt.
        last: io::Error,
    },
    /// They could not be sent.
    #[error("the sockets could not be sent: {0}")]
    Sending(#[from] io::Error),
    /// The new process gave up.
    #[error("the new process ended before it served")]
    Ended,
}

impl Giver {
    /// Begins to hand over, unless there is a reason not to: that is logged.
    pub fn begin(&mut self) {
        match (&self.path, self.objection()) {
            (_, Some(why)) => {
                error!("SIGQUIT: not handing over: {why}");
                self.metrics.upgraded(UpgradeResult::Failed);
            }
            (None, None) => {
                error!("SIGQUIT: not handing over: server.upgrade_socket isn't set; set it to a path, and restart");
                self.metrics.upgraded(UpgradeResult::Failed);
            }
            (Some(path), None) => {
                info!(socket = %path.display(), "SIGQUIT: handing over; serving on until the new process does");
                self.upgrade.begin();
                self.pending = Some(tokio::spawn(give(path.clone(), self.sockets.clone())));
            }
        }
    }

    fn objection(&self) -> Option<&'static str> {
        if self.pending.is_some() {
            return Some("that is under way already");
        }
        if !self.flags.listening.load(Ordering::Acquire) {
            return Some("the listeners aren't open yet");
        }
        self.sockets.is_empty().then_some("the listeners are closed")
    }

    /// Until the new process serves. One that fails to changes nothing, and another can be waited for. Nothing is lost
    /// if this is dropped.
    pub async fn taken(&mut self) {
        loop {
            let Some(pending) = &mut self.pending else { return std::future::pending().await };
            let result = pending.await;
            self.pending = None;
            let failure = match result {
                Ok(Ok(())) => {
                    self.upgrade.end(None);
                    self.metrics.upgraded(UpgradeResult::HandedOver);
                    return;
                }
                Ok(Err(failure)) => failure.to_string(),
                Err(problem) => problem.to_string(),
            };
            warn!("not handed over, serving on: {failure}");
            self.upgrade.end(Some(failure));
            self.metrics.upgraded(UpgradeResult::Failed);
            // The new process may have come as far as writing its own.
            pid_file::renew();
        }
    }
}

async fn give(path: PathBuf, sockets: Sockets) -> Result<(), Failure> {
    let mut stream = connect(&path).await?;
    wire::trusted(&stream)?;
    // Dropped at once: what is held here would keep the sockets open.
    let sent = sockets.copies()?;
    wire::send(&stream, &sent).await?;
    drop(sent);
    info!("the sockets are sent; waiting for the new process to serve");
    if wire::is_ready(&mut stream).await { Ok(()) } else { Err(Failure::Ended) }
}

/// Either process may come first.
async fn connect(path: &Path) -> Result<UnixStream, Failure> {
    let start = Instant::now();
    loop {
        match UnixStream::connect(path).await {
            Ok(stream) => return Ok(stream),
            Err(last) if start.elapsed() >= PATIENCE => return Err(Failure::Nobody { path: path.to_owned(), last }),
            Err(_) => sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::UnixListener;

    use super::*;

    fn giver(path: Option<PathBuf>) -> Giver {
        let (flags, sockets) = (Flags::default(), Sockets::default());
        flags.listening.store(true, Ordering::Release);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        sockets.keep(listener.local_addr().unwrap(), &listener).unwrap();
        let metrics = Metrics::new(&[], &[]).unwrap();
        Giver { path, sockets, flags, upgrade: Arc::default(), metrics, pending: None }
    }

    #[tokio::test]
    async fn there_may_be_reasons_not_to() {
        let mut nowhere = giver(None);
        nowhere.begin();
        assert!(nowhere.pending.is_none());
        let mut early = giver(Some("here.sock".into()));
        early.flags.listening.store(false, Ordering::Release);
        early.begin();
        assert!(early.pending.is_none());
        let mut late = giver(Some("here.sock".into()));
        late.sockets.close();
        late.begin();
        assert!(late.pending.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_for_ever_and_can_come_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("upgrade.sock");
        let mut giver = giver(Some(path.clone()));
        giver.begin();
        assert!(giver.upgrade.page().pending_since.is_some());
        let start = Instant::now();
        let waited = tokio::time::timeout(PATIENCE * 2, giver.taken()).await;
        assert!(waited.is_err() && giver.pending.is_none(), "{:?}", start.elapsed());
        let page = giver.upgrade.page();
        assert!(page.pending_since.is_none());
        assert!(page.last_failure.unwrap().contains("no new process waits"));

        let new = UnixListener::bind(&path).unwrap();
        giver.begin();
        let (mut stream, _) = new.accept().await.unwrap();
        assert_eq!(wire::receive(&stream).await.unwrap().len(), 1);
        stream.write_all(wire::READY).await.unwrap();
        giver.taken().await;
        assert!(giver.upgrade.page().last_failure.is_none());
        let counted = String::from_utf8(giver.metrics.render()).unwrap();
        for result in ["handed_over", "failed"] {
            assert!(counted.contains(&format!("rtms_upgrades_total{{result=\"{result}\"}} 1")), "{result}");
        }
    }

    #[tokio::test]
    async fn a_new_process_that_ends_without_a_word_took_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("upgrade.sock");
        let new = UnixListener::bind(&path).unwrap();
        let mut giver = giver(Some(path));
        giver.begin();
        let stream = new.accept().await.unwrap().0;
        wire::receive(&stream).await.unwrap();
        drop(stream);
        let taken = tokio::time::timeout(Duration::from_millis(200), giver.taken()).await;
        assert!(taken.is_err() && giver.pending.is_none());
        assert!(!giver.sockets.is_empty());
    }
}
