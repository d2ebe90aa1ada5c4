//! Signals: when the process stops, and how.
//!
//! SIGTERM takes the gateway out of rotation first and keeps serving for `server.drain`, so that load balancers
//! have time to notice; then the listeners close, and the process ends as soon as nothing is in flight. Signals are
//! received on a thread of their own from before anything else starts, so that none finds the process unprepared.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

use super::readiness::Flags;
use super::reload::Reloader;
use crate::apps::feed::{Phase, Status};
use crate::error::StartError;
use crate::gateway::state::{Current, State};

/// The longest that requests in flight are waited for once the listeners are closed.
pub const LAST_REQUESTS: Duration = Duration::from_secs(10);

/// What signals lead to.
pub struct Plan {
    /// What SIGTERM begins.
    pub drain: Drain,
    /// Told of SIGHUP and SIGUSR1.
    pub reloader: Reloader,
}

/// What stopping takes.
pub struct Drain {
    /// How long the listeners keep serving after SIGTERM.
    pub lasts: Duration,
    /// Tells whether clients are let in yet, and is told of SIGTERM.
    pub flags: Flags,
    /// Asked for requests in flight.
    pub current: Current,
    /// Tells when the feed has stopped, which may write the apps cache before.
    pub apps: Arc<Status>,
}

/// Receives signals and tells Pingora when to close its listeners.
pub struct Signals(watch::Receiver<bool>);

impl Signals {
    /// Begins to receive signals.
    ///
    /// # Errors
    /// The system gives no thread, or no signals.
    pub fn receive(plan: Plan) -> Result<Self, StartError> {
        let failed = |e: std::io::Error| StartError::Process(format!("signals: {e}"));
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let received = runtime.block_on(async { Received::new() }).map_err(failed)?;
        let (close, closing) = watch::channel(false);
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(plan.follow(received, close)))
            .map_err(failed)?;
        Ok(Self(closing))
    }
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        // The sender lives as long as the process.
        let _ = self.0.clone().wait_for(|close| *close).await;
        ShutdownSignal::GracefulTerminate
    }
}

struct Received {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user1: Signal,
    quit: Signal,
}

enum Stop {
    Drain,
    AtOnce,
}

impl Received {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// The next signal that stops the process; the others are dealt with on the way.
    async fn stop(&mut self, reloader: &mut Reloader) -> Stop {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Stop::Drain,
                _ = self.interrupt.recv() => return Stop::AtOnce,
                _ = self.user1.recv() => reloader.reopen_logs(),
                _ = self.hangup.recv() => reloader.reload().await,
                Some(renewal) = reloader.renewals.recv() => reloader.renew(renewal).await,
                _ = self.quit.recv() => warn!("SIGQUIT: handing over to a new process is not supported yet"),
            }
        }
    }

    /// Until SIGINT comes; a second SIGTERM changes nothing.
    async fn interrupted(&mut self, reloader: &mut Reloader) {
        while matches!(self.stop(reloader).await, Stop::Drain) {}
    }
}

impl Plan {
    async fn follow(self, mut received: Received, close: watch::Sender<bool>) {
        let Self { drain, mut reloader } = self;
        if matches!(received.stop(&mut reloader).await, Stop::Drain) {
            drain.flags.draining.store(true, Ordering::Relaxed);
            info!(seconds = drain.lasts.as_secs_f64(), "draining: not ready any more, still serving");
            tokio::select! {
                () = drain.wind_down(close) => {}
                () = received.interrupted(&mut reloader) => {}
            }
        }
        info!(abandoned = drain.in_flight(), "stopped");
        end(&drain.current.load())
    }
}

impl Drain {
    fn in_flight(&self) -> usize {
        self.current.load().in_flight()
    }

    /// Serves on for the drain, then closes the listeners and waits for what is in flight.
    async fn wind_down(&self, close: watch::Sender<bool>) {
        /// How often the count is looked at; the first look leaves the listeners time to close.
        const LOOK: Duration = Duration::from_millis(50);
        // Nobody needs time to notice a gateway that never let anybody in.
        if self.flags.listening.load(Ordering::Acquire) {
            tokio::time::sleep(self.lasts).await;
        }
        close.send_replace(true);
        let nothing_left = async {
            loop {
                tokio::time::sleep(LOOK).await;
                let profiles = self.flags.profiles.load(Ordering::Acquire);
                if self.in_flight() == 0 && !profiles && self.apps.phase() == Phase::Stopped {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(LAST_REQUESTS, nothing_left).await;
    }
}

/// Ends the process. Pingora's own way out sleeps out its grace period whatever happens.
#[expect(clippy::exit, reason = "the server's own thread is asleep and can't be woken")]
fn end(state: &State) -> ! {
    state.flush_logs();
    super::bootstrap::remove_pid_file();
    std::process::exit(0)
}
