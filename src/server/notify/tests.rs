use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::*;

fn managed(role: Role) -> Notifier {
    Notifier { role: Some(Mutex::new(role)), watchdog: None }
}

fn role(notifier: &Notifier) -> Role {
    *notifier.role().unwrap()
}

#[test]
fn without_a_manager_nothing_has_a_role() {
    let notifier = Notifier { role: None, watchdog: None };
    notifier.loading();
    notifier.serving(false);
    notifier.draining();
    notifier.relieved();
    assert!(notifier.role().is_none() && notifier.reloading().is_none());
}

#[test]
fn a_reload_is_told_of_by_a_process_that_serves_alone() {
    let notifier = managed(Role::Starting);
    assert!(notifier.reloading().is_none(), "its end would say that the process is ready");
    notifier.serving(false);
    assert_eq!(role(&notifier), Role::Serving);
    notifier.reloading().unwrap().over(None);
    notifier.draining();
    assert!(notifier.reloading().is_none());
    assert_eq!(role(&notifier), Role::Stopping);
}

#[test]
fn a_process_that_stops_or_was_relieved_never_becomes_ready_again() {
    let notifier = managed(Role::Waiting);
    notifier.loading();
    notifier.stopping();
    notifier.serving(false);
    assert_eq!(role(&notifier), Role::Stopping);
    notifier.relieved();
    notifier.serving(true);
    notifier.stopping();
    assert_eq!(role(&notifier), Role::Relieved);
}

#[test]
fn a_process_that_is_stopped_before_it_took_over_says_nothing_of_it() {
    let notifier = managed(Role::Waiting);
    notifier.draining();
    notifier.stopping();
    assert_eq!(role(&notifier), Role::Waiting, "`STOPPING=1` would end the service of the one that serves");
}

#[test]
fn one_thread_that_is_stuck_ends_the_pings_until_it_goes_on() {
    let runtime = pingora_runtime::Runtime::new_no_steal(2, "serving");
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let ping = move || {
        counted.fetch_add(1, Ordering::Relaxed);
    };
    runtime.get_handle().spawn(pings(Duration::from_millis(1), ping));
    let so_far = || count.load(Ordering::Relaxed);
    let grows = |from: usize| {
        let start = Instant::now();
        while so_far() <= from && start.elapsed() < Duration::from_secs(10) {
            std::thread::yield_now();
        }
        so_far() > from
    };
    assert!(grows(5));
    let (release, stuck) = std::sync::mpsc::channel::<()>();
    runtime.get_handle().spawn(async move { stuck.recv() });
    // Each ping picks one of two threads; that 300 in a row miss the stuck one doesn't happen.
    let before = so_far();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        std::thread::yield_now();
    }
    let starved = so_far();
    assert!(starved < before + 300, "{before} {starved}");
    drop(release);
    assert!(grows(starved));
}

#[test]
fn a_reason_stays_within_its_line() {
    assert!(!Doing::Refused("a\nREADY=1").to_string().contains('\n'));
}

#[test]
fn the_managers_socket_is_a_path_or_an_abstract_name() {
    let name = format!("rtms-notify-{}", std::process::id());
    let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let told = UnixDatagram::unbound().unwrap();
    told.send_to_addr(b"READY=1", &address(format!("@{name}").as_bytes()).unwrap()).unwrap();
    let mut message = [0; 16];
    assert_eq!(manager.recv(&mut message).unwrap(), 7);
    assert!(address(b"/run/systemd/notify").unwrap().as_pathname().is_some());
}
