//! The app profiles API held against its own description by Schemathesis, which is installed by `scripts/setup.sh all`:
//! what the description allows is taken, what it doesn't is refused, and every answer is one that it tells of.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use support::gateway::gateway;
use support::gateway::profiles::WRITER;
use support::mongo::Mongo;
use support::upstream::Upstream;

/// In a test's place: a short run each time, another one whenever somebody asks for it.
const EXAMPLES: &str = "100";

/// Statuses that say what stands in the way, rather than what is wrong with the request; 429, as it tries wrong tokens.
const SETTINGS: &str = r#"
warnings = false
[generation]
# The least length of a secret is in bytes; a schema counts characters.
codec = "ascii"
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "412", "429", "504"]
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "409", "412", "413", "415", "429"]
[checks.missing_required_header]
expected-statuses = ["400", "401", "404", "429"]
[checks.not_a_server_error]
# Not in force within a millisecond: documented.
expected-statuses = ["2xx", "3xx", "4xx", "504"]
"#;

/// In the private Python environment of the build folder.
fn program() -> PathBuf {
    let bin = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../venv/bin/schemathesis");
    assert!(bin.is_file(), "{} is missing: scripts/setup.sh all", bin.display());
    bin
}

#[tokio::test]
async fn the_api_is_as_its_description_says() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    let settings = gateway.dir().join("schemathesis.toml");
    std::fs::write(&settings, SETTINGS).unwrap();
    let done = Command::new(program())
        .arg("--config-file")
        .arg(&settings)
        .args(["run", &format!("http://{}/api/v1/openapi.json", gateway.profiles())])
        .args(["-H", &format!("Authorization: Bearer {WRITER}"), "--max-examples", EXAMPLES, "--workers", "1"])
        .current_dir(gateway.dir())
        .output()
        .await
        .expect("Schemathesis runs");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    // Nothing was hidden by a wall of 401s and 429s.
    let log = gateway.printed();
    let (changed, refused) = (log.matches("\"app profile\"").count(), log.matches("app profile not changed").count());
    let tried = said.lines().find(|line| line.contains("generated")).unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "{}: {changed} changes done, {refused} refused", tried.trim());
    assert!(changed >= 50 && refused >= 50, "{changed} {refused}\n{said}");
}
