//! Signals: when the process stops, and how.
//!
//! SIGTERM takes the gateway out of rotation first and keeps serving for `server.drain`, so that load balancers
//! have time to notice; then the listeners close, and the process ends as soon as nothing is in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
                _ = terminate.recv() => return Ok(self.drain(interrupt, &mut user1).await),
                _ = interrupt.recv() => self.stop_at_once(),
                _ = user1.recv() => self.state.reopen_logs(),
                _ = hangup.recv() => warn!("SIGHUP: reloading the configuration is not supported yet; nothing changed"),
                _ = quit.recv() => warn!("SIGQUIT: handing over to a new process is not supported yet; nothing changed"),
            }
        }
    }

    async fn drain(&self, mut interrupt: Signal, user1: &mut Signal) -> ShutdownSignal {
        self.draining.store(true, Ordering::Relaxed);
        info!(seconds = self.drain.as_secs_f64(), "draining: not ready any more, still serving");
        let end = tokio::time::sleep(self.drain);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                _ = interrupt.recv() => self.stop_at_once(),
                _ = user1.recv() => self.state.reopen_logs(),
            }
        }
        let state = Arc::clone(&self.state);
        // Pingora sleeps out its grace period whatever happens; this ends it when there is nothing to wait for.
        tokio::spawn(finish(state, interrupt));
        ShutdownSignal::GracefulTerminate
    }

    fn stop_at_once(&self) -> ! {
        info!("stopping at once");
        end(&self.state)
    }
}

/// Ends the process. Pingora's own way out waits for every runtime in turn.
#[expect(clippy::exit, reason = "the server's own thread may be asleep and can't be woken")]
fn end(state: &State) -> ! {
    state.flush_logs();
    super::bootstrap::remove_pid_file();
    std::process::exit(0)
}

/// Ends the process when nothing is in flight any more, after [`LAST_REQUESTS`], or on SIGINT.
async fn finish(state: Arc<State>, mut interrupt: Signal) {
    /// How often the count is looked at; the first look leaves the listeners time to close.
    const LOOK: Duration = Duration::from_millis(50);
    let nothing_left = async {
        loop {
            tokio::time::sleep(LOOK).await;
            if state.in_flight() == 0 {
                break;
            }
        }
    };
    tokio::select! {
        _ = tokio::time::timeout(LAST_REQUESTS, nothing_left) => {}
        _ = interrupt.recv() => {}
    }
    info!(abandoned = state.in_flight(), "stopped");
    end(&state)
}
