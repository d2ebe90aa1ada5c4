//! A headless Chromium that opens one page, with a profile of its own; gone when dropped.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::process::Process;

/// No sandbox: containers don't let root have one, and the pages are ours. No traffic but theirs, and no proxy.
const FLAGS: [&str; 13] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--no-proxy-server",
    "--password-store=basic",
];

/// Opens a page. The browser runs until the result is dropped.
pub fn open(url: &str) -> Process {
    let dir = TempDir::new().expect("a temporary directory");
    let mut command = Command::new(program());
    prepare(&mut command, dir.path());
    command.arg(url);
    Process::start("chromium", &mut command, dir)
}

/// The browser as the arguments of a line of shell, which may give it more than three files.
pub fn through_shell(line: &str, dir: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line, "sh"]).arg(program());
    prepare(&mut command, dir);
    command
}

fn prepare(command: &mut Command, dir: &Path) {
    command.args(FLAGS).arg(format!("--user-data-dir={}", dir.join("profile").display()));
    // It keeps settings and crash reports there, and warns where there is none.
    command.env("HOME", dir).env("XDG_RUNTIME_DIR", dir);
}

/// The browser, wherever it is installed. A machine without one fails the test: it would prove nothing.
fn program() -> PathBuf {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let mut candidates = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates
        .find(|file| file.is_file())
        .expect("chromium is missing: `scripts/setup.sh all` installs it, or `apt-get install chromium`")
}
