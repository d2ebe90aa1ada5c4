//! A new process that takes the place of a running gateway.

use std::path::Path;
use std::process::{Command, ExitStatus};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::Gateway;
use crate::support::config::{set, text};
use crate::support::poll;
use crate::support::process::Process;

impl Gateway {
    /// A new process that waits for this one to hand over, under the same configuration. It needs the directory of the
    /// first one, which must not be dropped before.
    pub fn successor(&self) -> Self {
        self.successor_under("gateway.yaml")
    }

    /// The same, under another configuration in the same directory.
    pub fn successor_under(&self, config: &str) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let process = Process::start("successor", &mut self.upgrade_command(config), dir);
        self.successor_process(process)
    }

    fn successor_process(&self, process: Process) -> Self {
        let (home, addresses) = (self.home.clone(), self.addresses.clone());
        Self { process, home, addresses, admin: self.admin, profiles: self.profiles }
    }

    /// The same under `next.yaml`, with a service manager at this socket.
    pub fn successor_told(&self, manager: &Path) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let mut command = self.upgrade_command("next.yaml");
        command.env("NOTIFY_SOCKET", manager);
        self.successor_process(Process::start("successor", &mut command, dir))
    }

    /// `run --upgrade` that ends by itself: how, and what it printed.
    pub fn no_successor(&self) -> (ExitStatus, String) {
        let done = self.upgrade_command("gateway.yaml").output().expect("the gateway's program");
        (done.status, String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned())
    }

    fn upgrade_command(&self, config: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rtms-gateway"));
        command.args(["run", "--upgrade", "-c"]).arg(self.home.join(config));
        command
    }

    /// Writes another configuration beside this gateway's, which differs in these values.
    pub fn configure(&self, name: &str, changes: &[(&str, Value)]) {
        let file = std::fs::read(self.home.join("gateway.yaml")).expect("a file of ours");
        let mut config = serde_json::from_slice(&file).expect("JSON of ours");
        for (pointer, value) in changes {
            set(&mut config, pointer, value.clone());
        }
        std::fs::write(self.home.join(name), text(&config)).expect("a directory of ours");
    }

    /// Waits until the process has printed this.
    pub async fn says(&self, what: &str) {
        poll::until_true(what, async || self.printed().contains(what)).await;
    }

    /// Hands over to the successor, which waits already or will, and waits until that serves.
    pub async fn hand_over(&self, successor: &Self) {
        self.signal(Signal::SIGQUIT);
        successor.says("took over").await;
    }
}
