//! A `SecantusDB` of the test's own: its program, its storage, its signals.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::process::Process;
use crate::support::{poll, ports};

/// What every server of a test is started with: `kill -9` must lose no write that was acknowledged.
const ALWAYS: [&str; 4] = ["--noop-heartbeat-seconds", "1", "--enable-test-commands", "--sync-on-commit"];

/// How long a server may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(5);

/// The server, up or down.
pub(super) struct Server {
    address: SocketAddr,
    arguments: Vec<String>,
    /// `None` while it is down.
    process: Option<Process>,
    /// The storage, while the server is down.
    idle: Option<TempDir>,
}

impl Server {
    /// One that isn't started yet.
    pub(super) fn down() -> Self {
        let idle = Some(TempDir::new().expect("a temporary directory"));
        Self { address: ports::free(), arguments: Vec::new(), process: None, idle }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// More arguments, from the next start on.
    pub(super) fn arguments(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|a| (*a).to_owned()).collect();
    }

    /// Starts it on its port and storage; doesn't wait until it answers.
    pub(super) fn start(&mut self) {
        let dir = self.idle.take().expect("a server that is down");
        let storage = dir.path().join("data");
        let mut command = Command::new(program());
        command.args(["--host", "127.0.0.1", "--port", &self.address.port().to_string()]);
        command.args(ALWAYS).args(&self.arguments).arg("--storage-path").arg(storage);
        self.process = Some(Process::start("SecantusDB", &mut command, dir));
    }

    pub(super) fn kill(&mut self) {
        self.idle = Some(self.process.take().expect("a running server").kill());
    }

    pub(super) async fn terminate(&mut self) {
        let mut process = self.process.take().expect("a running server");
        process.signal(Signal::SIGTERM);
        // One that won't end is killed, as an init system would: this server hangs in its shutdown now and then.
        let _ = tokio::time::timeout(PATIENCE, process.wait(poll::DEADLINE)).await;
        self.idle = Some(process.kill());
    }

    pub(super) fn signal(&self, signal: Signal) {
        self.process.as_ref().expect("a running server").signal(signal);
    }
}

/// The server's program; its lack fails the test.
fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("RTMS_SECANTUS") {
        return path.into();
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_rtms-gateway"));
    let found = binary.ancestors().map(|dir| dir.join("venv/bin/secantusd-py")).find(|path| path.exists());
    found.unwrap_or_else(|| {
        panic!(
            "no database for tests beside {}: run `make setup` (or set MONGODB_URI or RTMS_SECANTUS)",
            binary.display()
        )
    })
}
