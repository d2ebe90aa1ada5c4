//! The driver with a store in memory, under a paused clock.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::super::cache::{CacheFile, CacheKey};
use super::super::driver::drive;
use super::fake::{Fake, Fault};
use super::*;

/// A running feed.
pub(super) struct Running {
    pub(super) rig: Rig,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    ready: Arc<AtomicUsize>,
}

fn run(fake: &Arc<Fake>) -> Running {
    run_with(fake, None)
}

/// With a cache file.
pub(super) fn run_cached(fake: &Arc<Fake>, path: &Path) -> Running {
    let key = CacheKey::parse(&"0f".repeat(32)).unwrap();
    run_with(fake, Some(CacheFile::new(path.to_owned(), key, "fake".to_owned())))
}

fn run_with(fake: &Arc<Fake>, cache: Option<CacheFile>) -> Running {
    let mut rig = Rig::new();
    let spare = Rig::new();
    let mut supervisor = std::mem::replace(&mut rig.supervisor, spare.supervisor);
    if cache.is_some() {
        supervisor = supervisor.with_cache();
        rig.status.has_cache("apps.cache".into());
    }
    let (stop, stopped) = watch::channel(false);
    let ready = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&ready);
    let source = Arc::clone(fake);
    let task = tokio::spawn(async move {
        drive(source, supervisor, cache, stopped, move || {
            told.fetch_add(1, Ordering::Relaxed);
        })
        .await;
    });
    Running { rig, stop, task, ready }
}

impl Running {
    pub(super) async fn until(&self, what: &str, condition: impl Fn(&Rig) -> bool) {
        let began = Instant::now();
        while !condition(&self.rig) {
            assert!(began.elapsed() < Duration::from_mins(5), "{what}: not within five minutes");
            // Virtual time: it moves the paused clock on, nobody waits.
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub(super) async fn end(self) {
        self.stop.send_replace(true);
        tokio::time::timeout(Duration::from_secs(1), self.task).await.unwrap().unwrap();
        assert_eq!(self.rig.status.phase(), Phase::Stopped);
    }
}

#[tokio::test(start_paused = true)]
async fn starts_follows_and_stops() {
    let fake = Fake::new(&[(1, "A:s")]);
    let running = run(&fake);
    running.until("ready", |rig| rig.status.ready()).await;
    assert_eq!(running.rig.states(&["A"]), "jwt");
    fake.put(2, "B");
    running.until("followed", |rig| rig.states(&["B"]) == "open").await;
    assert_eq!(running.ready.load(Ordering::Relaxed), 1);
    assert_eq!(running.rig.status.server().as_deref(), Some("fake"));
    running.end().await;
    assert_eq!(fake.calls(), ["position", "load", "follow", "close"]);
}

#[tokio::test(start_paused = true)]
async fn a_cut_stream_is_reopened_without_a_reload_and_without_losing_a_change() {
    let fake = Fake::new(&[(1, "A:s")]);
    let running = run(&fake);
    running.until("ready", |rig| rig.status.ready()).await;
    fake.calls();
    fake.put(2, "B");
    fake.cut(vec![Fault::Fail(FailureKind::Transient), Fault::Fail(FailureKind::Transient)]);
    fake.put(1, "A!");
    running.until("caught up", |rig| rig.states(&["A", "B"]) == "disabled open").await;
    assert_eq!(fake.calls(), ["follow", "follow", "follow"]);
    assert_eq!(running.ready.load(Ordering::Relaxed), 1);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_given_up_after_eleven_seconds() {
    let fake = Fake::new(&[(1, "A")]);
    let running = run(&fake);
    running.until("following", |rig| rig.status.phase() == Phase::Following).await;
    fake.calls();
    let began = Instant::now();
    fake.fall_silent(true);
    running.until("given up", |rig| rig.status.failures() > 0).await;
    let waited = began.elapsed();
    assert!(waited > Duration::from_millis(9_900) && waited < Duration::from_secs(12), "{waited:?}");
    assert_eq!(running.rig.status.last_error().unwrap().0, "the stream: no reply for 11 s");
    assert!(running.rig.status.ready() && running.rig.states(&["A"]) == "open");
    fake.put(1, "A!");
    fake.fall_silent(false);
    running.until("caught up", |rig| rig.states(&["A"]) == "disabled").await;
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_never_answers_is_given_up() {
    let fake = Fake::new(&[(1, "A")]);
    fake.cut(vec![Fault::Hang, Fault::Fail(FailureKind::Unauthorised)]);
    let running = run(&fake);
    running.until("ready", |rig| rig.status.ready()).await;
    assert_eq!(fake.calls(), ["position", "position", "position", "load", "follow"]);
    assert_eq!(running.rig.status.failures(), 2);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn comparisons_come_round() {
    let fake = Fake::new(&[(1, "A")]);
    let running = run(&fake);
    running.until("ready", |rig| rig.status.ready()).await;
    sleep(PACE.reconcile_every * 4).await;
    let compared = fake.calls().iter().filter(|c| **c == "compare").count();
    assert!((3..=5).contains(&compared), "{compared}");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn stops_in_any_state() {
    use FailureKind::{HistoryLost, Standalone, Transient, Unauthorised};
    let mut faults: Vec<Vec<Fault>> = vec![vec![], vec![Fault::Hang]];
    faults.extend([Transient, HistoryLost, Unauthorised, Standalone].map(|kind| vec![Fault::Fail(kind)]));
    for fault in faults {
        for millis in [0, 1, 100, 1_500, 30_000] {
            let fake = Fake::new(&[(1, "A")]);
            let kind = fault.first().map(|f| match f {
                Fault::Fail(kind) => Fault::Fail(*kind),
                Fault::Hang => Fault::Hang,
            });
            fake.cut(kind.into_iter().collect());
            let running = run(&fake);
            // Virtual time, as the clock is paused.
            sleep(Duration::from_millis(millis)).await;
            running.end().await;
            assert_eq!(fake.calls().last(), Some(&"close"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stops_when_nobody_could_stop_it_any_more() {
    let running = run(&Fake::new(&[]));
    drop(running.stop);
    tokio::time::timeout(Duration::from_secs(1), running.task).await.unwrap().unwrap();
}
