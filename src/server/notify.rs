//! What the service manager is told (`sd_notify(3)`): ready, reloading, stopping, and that the process isn't hung.
//!
//! Without `NOTIFY_SOCKET` nothing is said, and nothing costs anything. The manager takes every message for the
//! service's, whichever process sent it; so only the one that serves speaks. A new process says nothing until it takes
//! over, and an old one nothing from then on: its pings would hide a hung successor, its `STOPPING=1` end the service.
//! Ready is the same as for `/readyz`: the first apps are in force and the listeners open.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pingora_runtime::current_handle;
use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use super::stages::reached;

/// Where the service manager listens.
const SOCKET: &str = "NOTIFY_SOCKET";
/// Shorter than any watchdog that makes sense: pings more often would only cost.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// How long the manager may take to hear anything but a ping, which isn't waited for at all.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the process is to its manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Nothing yet: another process may still be the service.
    Waiting,
    /// The service, not ready yet.
    Starting,
    /// Ready.
    Serving,
    /// Told to stop.
    Stopping,
    /// Another process serves.
    Relieved,
}

/// What is done, for `systemctl status`.
#[derive(Clone, Copy, Debug)]
enum Doing<'a> {
    Loading,
    Serving,
    Reloading,
    Reloaded,
    Refused(&'a str),
    Draining,
    Stopping,
}

impl fmt::Display for Doing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loading => f.write_str("loading the apps; not serving yet"),
            Self::Serving => f.write_str("serving"),
            Self::Reloading => f.write_str("serving; reloading the configuration"),
            Self::Reloaded => f.write_str("serving; the configuration was reloaded"),
            Self::Refused(why) => {
                // A line of its own would be another message.
                write!(f, "serving; the configuration was not reloaded: {}", why.replace('\n', " "))
            }
            Self::Draining => f.write_str("draining: not ready any more, still serving"),
            Self::Stopping => f.write_str("stopping: waiting for what is under way"),
        }
    }
}

/// Speaks to the service manager, where there is one.
pub struct Notifier {
    /// `None`: there is no manager. Held while something is said, so that it is said in order.
    role: Option<Mutex<Role>>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// As the environment says (`NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`).
    #[must_use]
    pub fn from_environment() -> Self {
        let role = std::env::var_os(SOCKET).map(|_| Mutex::new(Role::Waiting));
        let watchdog = sd_notify::watchdog_enabled().filter(|every| role.is_some() && !every.is_zero());
        Self { role, watchdog }
    }

    /// The process starts, and takes nobody's place.
    pub fn loading(&self) {
        if let Some(mut role) = self.is(Role::Waiting) {
            *role = Role::Starting;
            say(&[], Doing::Loading);
        }
    }

    /// The process serves. `taking_over`: in the place of the one that the manager took for the service so far, which
    /// must not end before this was said.
    pub fn serving(&self, taking_over: bool) {
        let Some(mut role) = self.is(if taking_over { Role::Waiting } else { Role::Starting }) else { return };
        *role = Role::Serving;
        let ready = [NotifyState::MainPid(std::process::id()), NotifyState::Ready];
        say(ready.get(usize::from(!taking_over)..).unwrap_or_default(), Doing::Serving);
    }

    /// A reload begins. It ends when what this gives back is told of it; `None`: nobody is interested.
    pub fn reloading(&self) -> Option<Reload<'_>> {
        let _role = self.is(Role::Serving)?;
        let now = NotifyState::monotonic_usec_now().ok()?;
        say(&[NotifyState::Reloading, now], Doing::Reloading);
        Some(Reload(self))
    }

    /// The process was told to stop; it serves on for a while.
    pub fn draining(&self) {
        self.stop(Doing::Draining);
    }

    /// The process accepts no more, and is about to end.
    pub fn stopping(&self) {
        self.stop(Doing::Stopping);
    }

    /// Another process serves: it speaks from here on.
    pub fn relieved(&self) {
        if let Some(mut role) = self.role() {
            *role = Role::Relieved;
        }
    }

    /// Pings the manager until the process is relieved, where it asked for that.
    ///
    /// Every ping has been on one of the serving threads before, a random one, so that sooner or later none is
    /// sent if any of them is stuck.
    pub async fn attend(&self, mut relieved: watch::Receiver<bool>) {
        let Some(every) = self.watchdog else { return };
        info!(seconds = every.as_secs_f64(), "the service manager's watchdog is fed");
        let pause = (every / 4).max(SHORTEST_PAUSE);
        tokio::select! {
            () = pings(pause, || self.ping()) => {}
            () = reached(&mut relieved) => {}
        }
    }

    fn ping(&self) {
        if self.role().is_some_and(|role| matches!(*role, Role::Serving | Role::Stopping)) {
            send(&[NotifyState::Watchdog], None);
        }
    }

    fn stop(&self, doing: Doing<'_>) {
        let Some(mut role) = self.role() else { return };
        match *role {
            Role::Waiting | Role::Relieved => return,
            Role::Stopping => say(&[], doing),
            Role::Starting | Role::Serving => say(&[NotifyState::Stopping], doing),
        }
        *role = Role::Stopping;
    }

    fn role(&self) -> Option<MutexGuard<'_, Role>> {
        Some(self.role.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is(&self, wanted: Role) -> Option<MutexGuard<'_, Role>> {
        self.role().filter(|role| **role == wanted)
    }
}

/// A reload that the manager knows of.
pub struct Reload<'n>(&'n Notifier);

impl Reload<'_> {
    /// It is over. `refused`: why nothing changed.
    pub fn over(self, refused: Option<&str>) {
        if self.0.is(Role::Serving).is_some() {
            say(&[NotifyState::Ready], refused.map_or(Doing::Reloaded, Doing::Refused));
        }
    }
}

async fn pings(pause: Duration, ping: impl Fn()) {
    while current_handle().spawn(std::future::ready(())).await.is_ok() {
        ping();
        sleep(pause).await;
    }
}

fn say(states: &[NotifyState<'_>], doing: Doing<'_>) {
    let text = doing.to_string();
    let mut all = states.to_vec();
    all.push(NotifyState::Status(&text));
    send(&all, Some(PATIENCE));
}

/// A manager that can't be told is no reason to stop serving, nor to wait for long: it may be stuck itself, and its
/// queue full. `sd_notify::notify` would wait for ever.
fn send(states: &[NotifyState<'_>], patience: Option<Duration>) {
    if let Err(error) = try_to_send(states, patience) {
        warn!(%error, "the service manager could not be told");
    }
}

fn try_to_send(states: &[NotifyState<'_>], patience: Option<Duration>) -> io::Result<()> {
    let Some(path) = std::env::var_os(SOCKET) else { return Ok(()) };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(patience)?;
    socket.set_nonblocking(patience.is_none())?;
    let message: Vec<String> = states.iter().map(ToString::to_string).collect();
    socket.send_to_addr(message.join("\n").as_bytes(), &address(path.as_bytes())?)?;
    Ok(())
}

/// Where `NOTIFY_SOCKET` points: a path, or with `@` a name in the abstract namespace (`sd_notify(3)`).
fn address(socket: &[u8]) -> io::Result<SocketAddr> {
    match socket.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(OsStr::from_bytes(socket)),
    }
}

#[cfg(test)]
mod tests;
