//! The pictures of the dashboards in docs/: what a run of three minutes looks like.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::scenario::run;
use crate::server::repository;

/// The Python that has matplotlib: that of the build folder, or `RTMS_PYTHON`.
fn python() -> PathBuf {
    if let Some(path) = std::env::var_os("RTMS_PYTHON") {
        return path.into();
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_rtms-gateway"));
    let found = binary.ancestors().map(|dir| dir.join("venv/bin/python")).find(|path| path.exists());
    found.expect("no Python in the build folder: `scripts/setup.sh panels` makes it")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "makes the pictures in docs/: `make panels`"]
async fn the_dashboards_are_drawn() {
    let run = run(Duration::from_mins(3)).await;
    let mut command = Command::new(python());
    command.arg("-B").arg(repository("scripts/panels.py")).arg(format!("http://{}", run.prometheus.address));
    command.args([run.from, run.to].map(|moment| format!("{moment:.0}"))).arg(repository("docs"));
    let done = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("a program");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
