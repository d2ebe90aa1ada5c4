//! Signals: when the process stops, and how.
//!
//! SIGTERM takes the gateway out of rotation first and keeps serving for `server.drain`, so that load balancers
//! have time to notice; then the listeners close, and the process ends as soon as nothing is in flight. SIGQUIT hands
//! the listeners to a new process first; then connections have `server.drain` to move there. Signals are received from
//! before anything else starts, on a thread of their own, so that none finds the process unprepared.

use std::path::Path;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::info;

use super::drain::Drain;
use super::handover::{self, Giver, Inheritance};
use super::pid_file;
use super::reload::Reloader;
use super::stages::reached;
use crate::error::StartError;
use crate::gateway::state::State;

/// What signals lead to.
pub struct Plan {
    /// What SIGTERM begins.
    pub drain: Drain,
    /// Told of SIGHUP and SIGUSR1.
    pub reloader: Reloader,
    /// Told of SIGQUIT.
    pub giver: Giver,
}

/// Signals that are received, but not acted upon yet.
pub struct Caught {
    runtime: Runtime,
    received: Received,
}

impl Caught {
    /// Begins to receive signals.
    ///
    /// # Errors
    /// The system gives no signals.
    pub fn begin() -> Result<Self, StartError> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let received = runtime.block_on(async { Received::new() }).map_err(failed)?;
        Ok(Self { runtime, received })
    }

    /// Waits for the running process to hand over; `None`: told to stop meanwhile.
    ///
    /// # Errors
    /// Nobody came.
    pub fn inherit(&mut self, path: &Path) -> Result<Option<Inheritance>, StartError> {
        let Self { runtime, received } = self;
        runtime.block_on(async {
            tokio::select! {
                inheritance = handover::receive(path) => inheritance.map(Some),
                _ = received.terminate.recv() => Ok(None),
                _ = received.interrupt.recv() => Ok(None),
            }
        })
    }

    /// Acts upon signals from now on, on a thread of its own. The process parts with its clients when `parting` says so.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn follow(self, plan: Plan, parting: watch::Receiver<bool>) -> Result<Signals, StartError> {
        let Self { runtime, received } = self;
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(plan.follow(received)))
            .map_err(failed)?;
        Ok(Signals(parting))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` passes")]
fn failed(error: std::io::Error) -> StartError {
    StartError::Process(format!("signals: {error}"))
}

/// Tells Pingora when to stop what serves requests to come.
pub struct Signals(watch::Receiver<bool>);

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        reached(&mut self.0.clone()).await;
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
    HandedOver,
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

    /// The next event that stops the process; others are dealt with on the way.
    async fn stop(&mut self, reloader: &mut Reloader, giver: &mut Giver) -> Stop {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Stop::Drain,
                _ = self.interrupt.recv() => return Stop::AtOnce,
                _ = self.user1.recv() => reloader.reopen_logs(),
                _ = self.hangup.recv() => reloader.reload().await,
                Some(renewal) = reloader.renewals.recv() => reloader.renew(renewal).await,
                _ = self.quit.recv() => giver.begin(),
                () = giver.taken() => return Stop::HandedOver,
            }
        }
    }

    /// The next event that stops a process which SIGTERM stops already.
    async fn sooner(&mut self, reloader: &mut Reloader, giver: &mut Giver) -> Stop {
        loop {
            match self.stop(reloader, giver).await {
                Stop::Drain => {}
                stop => return stop,
            }
        }
    }

    /// Until SIGINT comes; nothing else changes anything any more.
    async fn interrupted(&mut self, reloader: &mut Reloader, giver: &mut Giver) {
        while !matches!(self.sooner(reloader, giver).await, Stop::AtOnce) {}
    }
}

impl Plan {
    async fn follow(self, mut received: Received) {
        let Self { drain, mut reloader, mut giver } = self;
        let mut stop = received.stop(&mut reloader, &mut giver).await;
        if matches!(stop, Stop::Drain) {
            stop = tokio::select! {
                () = drain.serve_on() => stop,
                sooner = received.sooner(&mut reloader, &mut giver) => sooner,
            };
        }
        let sockets = giver.sockets.clone();
        let last = async {
            sockets.close();
            if matches!(stop, Stop::HandedOver) {
                drain.move_clients().await;
            }
            drain.finish().await;
        };
        if matches!(stop, Stop::AtOnce) {
            drain.notifier.stopping();
        } else {
            tokio::select! {
                () = last => {}
                () = received.interrupted(&mut reloader, &mut giver) => {}
            }
        }
        let (requests, streams) = drain.in_flight();
        info!(abandoned = requests, streams, "stopped");
        end(&drain.current.load())
    }
}

/// Ends the process. Pingora's own way out sleeps out its grace period whatever happens.
#[expect(clippy::exit, reason = "the server's own thread is asleep and can't be woken")]
fn end(state: &State) -> ! {
    state.flush_logs();
    pid_file::remove();
    std::process::exit(0)
}
