//! What Prometheus' own tool says about the shipped files and a live scrape.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::server::repository;

/// Runs it in the folder of the rules: whether it was content, and what it printed.
fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(repository("deploy/prometheus"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .expect("promtool is missing: `scripts/setup.sh all` installs it, or `apt-get install prometheus`");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads its input");
    let done = child.wait_with_output().expect("a child of ours");
    let printed = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8_lossy(&printed).into_owned())
}

/// What it has against a scrape: nothing, where it has no word to say.
pub fn metrics(scrape: &str) -> Vec<String> {
    let (content, printed) = promtool(&["check", "metrics"], scrape);
    let quiet = content && printed.trim().is_empty();
    if quiet { Vec::new() } else { vec![format!("promtool check metrics: {printed}")] }
}

#[test]
fn the_shipped_configuration_and_rules_are_sound() {
    for arguments in [["check", "config", "prometheus.yaml"], ["check", "rules", "rules.yaml"]] {
        let (content, printed) = promtool(&arguments, "");
        assert!(content, "{arguments:?}: {printed}");
    }
}

#[test]
fn every_alert_fires_when_it_should_and_only_then() {
    let (content, printed) = promtool(&["test", "rules", "rules_test.yaml", "rules_long_test.yaml"], "");
    assert!(content, "{printed}");
}
