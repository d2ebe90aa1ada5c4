//! What is shipped in deploy/: its configurations pass, and the times in them fit into those of what supervises the process.

use std::fs;
use std::time::Duration;

use rtms_gateway::config;
use rtms_gateway::config::settings::Settings;

use crate::files::{Folder, repository};

/// The folders that the unit makes.
const MADE: [&str; 2] = ["/run/rtms-gateway/", "/var/log/rtms-gateway/"];

/// The settings of a configuration in deploy/, which must pass without a warning.
fn deployed(name: &str) -> Settings {
    let yaml = fs::read_to_string(repository("deploy").join(name)).unwrap();
    let yaml = MADE.iter().fold(yaml, |yaml, folder| yaml.replace(folder, ""));
    let env = |name: &str| (name == "RTMS_PROFILES_TOKEN").then(|| "a-token".to_owned());
    let loaded = config::load(&Folder::new().write("gateway.yaml", yaml), &env);
    let loaded = loaded.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    loaded.settings
}

/// What a process takes to end, at most.
fn ends_within(settings: &Settings) -> Duration {
    let server = &settings.server;
    server.drain + server.finish_requests.max(server.finish_streams)
}

/// The number of seconds after this in a file of deploy/; it must be there once.
fn seconds(file: &str, key: &str) -> Duration {
    let text = fs::read_to_string(repository("deploy").join(file)).unwrap();
    let mut values = text.lines().filter_map(|line| line.trim().strip_prefix(key));
    let value = values.next().unwrap_or_else(|| panic!("{file} has no {key}"));
    assert_eq!(values.next(), None, "{file} has {key} twice");
    Duration::from_secs(value.trim().trim_end_matches('s').parse().unwrap())
}

#[test]
fn whoever_supervises_a_process_leaves_it_the_time_to_end() {
    for (configuration, file, key) in [
        ("systemd/gateway.yaml", "systemd/rtms-gateway.service", "TimeoutStopSec="),
        ("compose/gateway.yaml", "compose.yaml", "stop_grace_period:"),
        ("kubernetes/gateway.yaml", "kubernetes/deployment.yaml", "terminationGracePeriodSeconds:"),
    ] {
        let (given, needed) = (seconds(file, key), ends_within(&deployed(configuration)));
        assert!(given >= needed + Duration::from_secs(5), "{file}: {key}{given:?} for {needed:?}");
    }
}

#[test]
fn the_unit_finds_the_files_of_its_configuration() {
    let settings = deployed("systemd/gateway.yaml");
    // Where deploy/systemd/reload looks.
    assert!(settings.server.pid_file.is_some_and(|file| file.ends_with("pid")));
    assert!(settings.server.upgrade_socket.is_some());
    let unit = fs::read_to_string(repository("deploy/systemd/rtms-gateway.service")).unwrap();
    for folder in ["RuntimeDirectory=rtms-gateway", "LogsDirectory=rtms-gateway", "NotifyAccess=all"] {
        assert!(unit.lines().any(|line| line == folder), "{folder}");
    }
}

#[test]
fn the_units_watchdog_is_fed_after_an_upgrade_too() {
    let unit = "systemd/rtms-gateway.service";
    let fed = seconds(unit, "Environment=WATCHDOG_USEC=").as_secs();
    assert_eq!(Duration::from_micros(fed), seconds(unit, "WatchdogSec="));
}

#[test]
fn admin_pages_are_reached_by_probes_where_there_are_any() {
    for configuration in ["compose/gateway.yaml", "kubernetes/gateway.yaml"] {
        assert_eq!(deployed(configuration).admin.unwrap().to_string(), "0.0.0.0:9901", "{configuration}");
    }
    assert!(deployed("systemd/gateway.yaml").admin.unwrap().ip().is_loopback());
}
