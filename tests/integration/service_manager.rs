//! What the service manager hears from start to stop, over a socket like systemd's.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::gateway::{Builder, Gateway, gateway};
use crate::support::manager::Manager;
use crate::support::upstream::Upstream;
use crate::support::{APP, poll, tokens};

/// More than any stop may take here.
const BOUND: Duration = Duration::from_secs(30);

fn told(builder: Builder, manager: &Manager) -> Builder {
    builder.variable("NOTIFY_SOCKET", &manager.path().display().to_string())
}

fn status(text: &str) -> String {
    format!("STATUS={text}")
}

#[tokio::test]
async fn ready_is_said_once_the_first_apps_are_in_force() {
    let (upstream, mut manager) = (Upstream::start().await, Manager::new());
    let gateway = told(gateway(&upstream).set("/apps/file/path", json!("later.yaml")), &manager).launch().await;
    manager.hears(&status("loading the apps; not serving yet")).await;
    assert_eq!(gateway.readyz().await.0, 503);
    gateway.signal(Signal::SIGHUP);
    gateway.says("the configuration was reloaded").await;
    assert_eq!(manager.said().len(), 1, "a reload must not end in READY=1 before: {:?}", manager.said());
    fs::copy(gateway.apps_file(), gateway.dir().join("later.yaml")).unwrap();
    assert_eq!(manager.hears("READY=1").await, ["READY=1", "STATUS=serving"]);
    assert_eq!(gateway.readyz().await.0, 200);
}

#[tokio::test]
async fn a_reload_is_announced_and_its_end_too_whatever_comes_of_it() {
    let (upstream, mut manager) = (Upstream::start().await, Manager::new());
    let gateway = told(gateway(&upstream).customer(), &manager).start().await;
    for (address, end) in [
        (None, "serving; the configuration was reloaded"),
        (Some("127.0.0.1:1"), "serving; the configuration was not reloaded: restart_needed: admin"),
    ] {
        manager.hears("READY=1").await;
        manager.forget();
        if let Some(address) = address {
            gateway.edit(&[("/admin/address", json!(address))]);
        }
        gateway.signal(Signal::SIGHUP);
        let begun = manager.hears("RELOADING=1").await;
        let since = begun[1].strip_prefix("MONOTONIC_USEC=").expect("when it began").parse::<u64>().unwrap();
        assert!(since > 0 && begun[0] == "RELOADING=1", "{begun:?}");
        assert_eq!(manager.hears("READY=1").await, ["READY=1".to_owned(), status(end)]);
    }
}

#[tokio::test]
async fn a_stop_is_announced_as_soon_as_it_begins() {
    let (upstream, mut manager) = (Upstream::start().await, Manager::new());
    let mut gateway = told(gateway(&upstream).customer().set("/server/drain", json!("2s")), &manager).start().await;
    gateway.signal(Signal::SIGTERM);
    let said = manager.hears("STOPPING=1").await;
    assert_eq!(said[1], status("draining: not ready any more, still serving"));
    gateway.still_runs();
    gateway.signal(Signal::SIGHUP);
    assert_eq!(gateway.ends(BOUND).await.code(), Some(0), "{}", gateway.printed());
    let said = manager.said();
    assert_eq!(said.last().unwrap(), &[status("stopping: waiting for what is under way")], "{said:?}");
    let readies = said.iter().filter(|message| message.contains(&"READY=1".to_owned())).count();
    assert_eq!(readies, 1, "a reload while draining says nothing: {said:?}");
}

#[tokio::test]
async fn sigint_is_a_stop_too() {
    let (upstream, mut manager) = (Upstream::start().await, Manager::new());
    let mut gateway = told(gateway(&upstream).customer(), &manager).start().await;
    gateway.signal(Signal::SIGINT);
    assert_eq!(gateway.ends(BOUND).await.code(), Some(0));
    manager.hears("STOPPING=1").await;
}

#[tokio::test]
async fn a_new_process_becomes_the_main_one_when_it_takes_over_and_the_old_one_falls_silent() {
    let (upstream, mut manager) = (Upstream::start().await, Manager::new());
    let builder = gateway(&upstream).customer().set("/server/upgrade_socket", json!("upgrade.sock"));
    let builder = told(builder, &manager).variable("WATCHDOG_USEC", "200000");
    let mut old = builder.start().await;
    manager.hears("READY=1").await;
    manager.forget();
    old.configure("next.yaml", &[("/apps/file/path", json!("next-apps.yaml"))]);
    fs::write(old.dir().join("next-apps.yaml"), "- {").unwrap();
    let new = old.successor_told(&manager.path());
    old.signal(Signal::SIGQUIT);
    new.says("handed over; it serves until we do").await;
    assert_eq!(manager.said(), Vec::<Vec<String>>::new(), "it doesn't serve yet");
    fs::copy(old.apps_file(), old.dir().join("next-apps.yaml")).unwrap();
    let said = manager.hears("READY=1").await;
    assert_eq!(said, [format!("MAINPID={}", new.pid()), "READY=1".to_owned(), status("serving")]);
    // The new one has no watchdog here, so that every ping from here on would be the old one's.
    old.says("handed over: accepting no more").await;
    manager.forget();
    assert_eq!(old.ends(BOUND).await.code(), Some(0), "{}", old.printed());
    assert!(manager.pings() <= 1, "only one that was under way: {}", manager.pings());
    assert_eq!(manager.said(), Vec::<Vec<String>>::new(), "STOPPING=1 would end the service");
}

#[tokio::test]
async fn the_watchdog_is_fed_while_the_process_serves_and_starves_when_it_hangs() {
    let (upstream, mut manager) = (Upstream::start().await, Manager::new());
    let builder = told(gateway(&upstream).customer(), &manager).variable("WATCHDOG_USEC", "200000");
    let gateway = builder.start().await;
    poll::until_true("pings", async || manager.pings() >= 10).await;
    gateway.signal(Signal::SIGSTOP);
    poll::until_true("it is stopped", async || {
        let stat = fs::read_to_string(Path::new("/proc").join(gateway.pid().to_string()).join("stat")).unwrap();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    })
    .await;
    manager.forget();
    // Several times what lies between two pings: that none comes can't be waited for otherwise.
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(manager.pings(), 0);
    gateway.signal(Signal::SIGCONT);
    poll::until_true("pings again", async || manager.pings() > 0).await;
}

#[tokio::test]
async fn somebody_elses_watchdog_is_not_fed() {
    let (upstream, mut manager) = (Upstream::start().await, Manager::new());
    let builder = told(gateway(&upstream).customer(), &manager).variable("WATCHDOG_USEC", "200000");
    let gateway = builder.variable("WATCHDOG_PID", "1").start().await;
    gateway.signal(Signal::SIGHUP);
    manager.hears("RELOADING=1").await;
    manager.hears(&status("serving; the configuration was reloaded")).await;
    assert_eq!(manager.pings(), 0);
    assert!(!gateway.printed().contains("watchdog"));
}

#[tokio::test]
async fn a_manager_that_is_gone_changes_nothing() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let mut gateway = told(gateway(&upstream).customer(), &manager).start().await;
    drop(manager);
    gateway.reload(&[], "ok").await;
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.ends(BOUND).await.code(), Some(0), "{}", gateway.printed());
}

#[tokio::test]
async fn a_manager_that_hears_nothing_any_more_holds_nothing_up() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let builder = told(gateway(&upstream).customer(), &manager).variable("WATCHDOG_USEC", "40000");
    let mut gateway = builder.start().await;
    // Its queue is full.
    gateway.says("the service manager could not be told").await;
    for _ in 0..20 {
        assert_eq!(gateway.verdict(APP, &tokens::good()).await, (200, "0".into()));
    }
    gateway.reload(&[], "ok").await;
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.ends(BOUND).await.code(), Some(0), "{}", gateway.printed());
}

/// What the unit's `ExecReload=` runs, as the service manager runs it.
fn reload_script(gateway: &Gateway, manager: &Manager) -> Command {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(repository.join("deploy/systemd/reload"));
    command.arg(env!("CARGO_BIN_EXE_rtms-gateway")).arg(gateway.dir().join("gateway.yaml"));
    command.env("RUNTIME_DIRECTORY", gateway.dir()).env("MAINPID", gateway.pid().to_string());
    command.env("NOTIFY_SOCKET", manager.path()).env("WATCHDOG_USEC", "200000");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A gateway as the unit configures it.
fn supervised(upstream: &Upstream, manager: &Manager) -> Builder {
    let builder = gateway(upstream).customer().set("/server/upgrade_socket", json!("upgrade.sock"));
    told(builder.set("/server/pid_file", json!("pid")), manager).variable("WATCHDOG_USEC", "200000")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_units_reload_reloads() {
    let (upstream, mut manager) = (Upstream::start().await, Manager::new());
    let gateway = supervised(&upstream, &manager).start().await;
    assert!(reload_script(&gateway, &manager).status().unwrap().success());
    manager.hears("RELOADING=1").await;
    manager.hears(&status("serving; the configuration was reloaded")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_units_reload_upgrades_where_it_was_asked_to() {
    let (upstream, mut manager) = (Upstream::start().await, Manager::new());
    let mut old = supervised(&upstream, &manager).start().await;
    fs::write(old.dir().join("upgrade"), "").unwrap();
    assert!(reload_script(&old, &manager).status().unwrap().success());
    assert!(!old.dir().join("upgrade").exists(), "the next reload is one");
    let new = fs::read_to_string(old.dir().join("pid")).unwrap().trim().to_owned();
    assert_ne!(new, old.pid().to_string());
    manager.hears(&format!("MAINPID={new}")).await;
    assert_eq!(old.ends(BOUND).await.code(), Some(0), "{}", old.printed());
    manager.forget();
    poll::until_true("the new one feeds the watchdog", async || manager.pings() > 0).await;
    assert_eq!(old.readyz().await.0, 200);

    kill(Pid::from_raw(new.parse().unwrap()), Signal::SIGTERM).unwrap();
    manager.hears("STOPPING=1").await;
    poll::until_true("it has ended", async || !old.dir().join("pid").exists()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_units_upgrade_to_a_bad_configuration_fails_and_changes_nothing() {
    let (upstream, mut manager) = (Upstream::start().await, Manager::new());
    let mut old = supervised(&upstream, &manager).start().await;
    manager.hears("READY=1").await;
    manager.forget();
    old.edit(&[("/admin/unheard_of", json!(1))]);
    fs::write(old.dir().join("upgrade"), "").unwrap();
    assert!(!reload_script(&old, &manager).status().unwrap().success());
    old.still_runs();
    assert_eq!((old.readyz().await.0, manager.said()), (200, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_units_upgrade_gives_up_on_a_process_that_never_serves() {
    let (upstream, mut manager) = (Upstream::start().await, Manager::new());
    let mut old = supervised(&upstream, &manager).start().await;
    manager.hears("READY=1").await;
    manager.forget();
    let nowhere = json!({ "source": "mongodb", "mongodb": { "uri": "mongodb://127.0.0.1:1/?replicaSet=rs0" } });
    old.edit(&[("/apps", nowhere)]);
    fs::write(old.dir().join("upgrade"), "").unwrap();
    assert!(!reload_script(&old, &manager).env("UPGRADE_SECONDS", "2").status().unwrap().success());
    old.says("the new process ended before it served").await;
    old.still_runs();
    assert_eq!((old.readyz().await.0, manager.said()), (200, Vec::new()));
}
