//! A service manager's notification socket, as systemd's: datagrams of lines (`sd_notify(3)`).

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use tempfile::TempDir;

use super::poll;

/// Listens, and remembers everything that was said.
pub struct Manager {
    socket: UnixDatagram,
    dir: TempDir,
    said: Vec<Vec<String>>,
}

impl Manager {
    /// A socket at a path of its own.
    pub fn new() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let socket = UnixDatagram::bind(dir.path().join("notify")).expect("a socket of ours");
        socket.set_nonblocking(true).expect("a socket of ours");
        Self { socket, dir, said: Vec::new() }
    }

    /// What `NOTIFY_SOCKET` is to be.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("notify")
    }

    /// Everything said so far, pings apart: a list of lines for each message.
    pub fn said(&mut self) -> Vec<Vec<String>> {
        self.listen();
        self.said.iter().filter(|message| **message != ["WATCHDOG=1"]).cloned().collect()
    }

    /// How many pings came so far.
    pub fn pings(&mut self) -> usize {
        self.listen();
        self.said.iter().filter(|message| **message == ["WATCHDOG=1"]).count()
    }

    /// Waits for a message with this line; the whole message.
    pub async fn hears(&mut self, line: &str) -> Vec<String> {
        poll::until(&format!("the manager is told {line}"), async || {
            self.said().into_iter().find(|message| message.iter().any(|said| said == line))
        })
        .await
    }

    /// Forgets what was said.
    pub fn forget(&mut self) {
        self.listen();
        self.said.clear();
    }

    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(size) = self.socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..size]).into_owned();
            self.said.push(text.lines().map(str::to_owned).collect());
        }
    }
}
