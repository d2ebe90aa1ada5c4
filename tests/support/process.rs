//! Programs that tests start: stopped when dropped, their output shown when the test failed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::poll;

/// A running program, and the directory that is its own.
pub struct Process {
    name: String,
    child: Child,
    dir: TempDir,
}

impl Process {
    /// Starts `command`; standard output and error go to files in `dir`.
    pub fn start(name: &str, command: &mut Command, dir: TempDir) -> Self {
        let open = |file: &str| {
            File::options()
                .create(true)
                .append(true)
                .open(dir.path().join(file))
                .expect("a file in a directory of ours")
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(open("stdout"))
            .stderr(open("stderr"))
            .spawn()
            .unwrap_or_else(|error| panic!("could not start {name}: {error}"));
        Self { name: name.to_owned(), child, dir }
    }

    /// The program's own directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What it wrote to standard output so far.
    pub fn stdout(&self) -> String {
        self.read("stdout")
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        self.read("stderr")
    }

    fn read(&self, file: &str) -> String {
        let path: PathBuf = self.dir.path().join(file);
        String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        kill(pid, signal).unwrap_or_else(|error| panic!("{} is gone: {error}", self.name));
    }

    /// CPU time it has used so far, its own and the kernel's for it.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("a running program");
        let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
        let ticks = fields.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().expect("ticks")).sum::<u64>();
        // Linux counts in hundredths of a second for everybody who asks.
        Duration::from_millis(ticks * 10)
    }

    /// Bytes of memory it holds, and the most it held since [`Self::forget_peak`].
    pub fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a running program");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a field Linux always has");
            let kib: u64 = line.trim_matches([':', ' ', '\t']).trim_end_matches(" kB").parse().expect("a number");
            kib * 1024
        };
        (field("VmRSS"), field("VmHWM"))
    }

    /// Lets the peak of [`Self::memory`] begin anew.
    pub fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").expect("a child of ours");
    }

    /// The exit status, if the program ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours")
    }

    /// Waits for the program to end by itself.
    pub async fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let name = self.name.clone();
        poll::within(deadline, &format!("{name} ends"), async || self.ended()).await
    }

    /// Kills it, waits for it, and gives its directory back.
    pub fn kill(mut self) -> TempDir {
        self.stop();
        let empty = TempDir::new().expect("a temporary directory");
        std::mem::replace(&mut self.dir, empty)
    }

    fn stop(&mut self) {
        // Errors: it ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "the test runner shows it with the failure")]
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            for file in ["stdout", "stderr"] {
                eprintln!("--- {} {file}\n{}", self.name, tail(&self.read(file)));
            }
        }
    }
}

/// The last lines of a text.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(60)).copied().collect::<Vec<_>>().join("\n")
}
