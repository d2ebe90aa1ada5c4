//! Signals: when the process stops, and how.
//!
//! SIGTERM takes the gateway out of rotation first and keeps serving for `server.drain`, so that load balancers
//! have time to notice; then the listeners close, and the process ends as soon as nothing is in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::gateway::state::State;

/// The longest that requests in flight are waited for once the listeners are closed.
pub const LAST_REQUESTS: Duration = Duration::from_secs(10);

/// Turns signals into Pingora's shutdown.
pub struct Signals {
    /// How long the listeners keep serving after SIGTERM.
    pub drain: Duration,
    /// Set on SIGTERM.
    pub draining: Arc<AtomicBool>,
    /// What is told of SIGUSR1, and asked for requests in flight.
    pub state: Arc<State>,
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        match self.watch().await {
            Ok(how) => how,
            Err(error) => {
                warn!(%error, "signals cannot be received; stopping");
                ShutdownSignal::FastShutdown
            }
        }
    }
}

impl Signals {
    async fn watch(&self) -> std::io::Result<ShutdownSignal> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut user1 = signal(SignalKind::user_defined1())?;
        let mut quit = signal(SignalKind::quit())?;
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(self.drain(&mut interrupt).await),
                _ = interrupt.recv() => return Ok(self.stop_at_once()),
                _ = user1.recv() => self.state.reopen_logs(),
                _ = hangup.recv() => warn!("SIGHUP: reloading the configuration is not supported yet; nothing changed"),
                _ = quit.recv() => warn!("SIGQUIT: handing over to a new process is not supported yet; nothing changed"),
            }
        }
    }

    async fn drain(&self, interrupt: &mut Signal) -> ShutdownSignal {
        self.draining.store(true, Ordering::Relaxed);
        info!(seconds = self.drain.as_secs_f64(), "draining: not ready any more, still serving");
        tokio::select! {
            () = tokio::time::sleep(self.drain) => {}
            _ = interrupt.recv() => return self.stop_at_once(),
        }
        let state = Arc::clone(&self.state);
        // Pingora sleeps out its grace period whatever happens; this ends it when there is nothing to wait for.
        std::thread::spawn(move || finish(&state));
        ShutdownSignal::GracefulTerminate
    }

    fn stop_at_once(&self) -> ShutdownSignal {
        info!("stopping at once");
        self.state.flush_logs();
        ShutdownSignal::FastShutdown
    }
}

/// Waits for the last requests and ends the process.
#[expect(clippy::exit, reason = "the server's own thread is asleep and can't be woken")]
fn finish(state: &State) {
    /// How often the count is looked at, and how long the listeners are given to close.
    const LOOK: Duration = Duration::from_millis(50);
    let end = Instant::now() + LAST_REQUESTS;
    loop {
        #[expect(clippy::disallowed_methods, reason = "a thread of its own, at the end of the process")]
        std::thread::sleep(LOOK);
        let left = state.in_flight();
        if left == 0 || Instant::now() >= end {
            info!(abandoned = left, "stopped");
            state.flush_logs();
            super::bootstrap::remove_pid_file();
            std::process::exit(0);
        }
    }
}
