//! A feed that starts from what another one left on disk, under a paused clock.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::driving::{Running, run_cached};
use super::fake::{Fake, Fault};
use super::*;

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("apps.cache");
    (dir, path)
}

async fn ready(running: &Running) {
    running.until("ready", |rig| rig.status.ready()).await;
}

/// A store with two apps, and the file that a feed of it left behind.
async fn left_behind() -> (Arc<Fake>, TempDir, PathBuf) {
    let (dir, path) = place();
    let fake = Fake::new(&[(1, "A:s"), (2, "B")]);
    let running = run_cached(&fake, &path);
    ready(&running).await;
    fake.put(3, "C");
    running.until("followed", |rig| rig.states(&["C"]) == "open").await;
    running.end().await;
    fake.calls();
    (fake, dir, path)
}

#[tokio::test(start_paused = true)]
async fn a_silent_source_is_replaced_after_three_seconds_and_followed_from_the_token() {
    let (fake, _dir, path) = left_behind().await;
    // Changed while nobody looked.
    fake.put(1, "A!");
    fake.put(4, "D");
    fake.cut(vec![Fault::Hang, Fault::Fail(FailureKind::Transient), Fault::Fail(FailureKind::Unauthorised)]);
    let began = Instant::now();
    let running = run_cached(&fake, &path);
    ready(&running).await;
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(3) && waited < Duration::from_millis(3_100), "{waited:?}");
    assert_eq!(running.rig.states(&["A", "B", "C", "D"]), "jwt open open -", "what was stopped with is in force");
    assert!(running.rig.status.alarm(Alarm::FromCache));
    running.until("caught up", |rig| rig.states(&["A", "D"]) == "disabled open").await;
    running.until("well", |rig| rig.status.alarms().is_empty()).await;
    assert_eq!(fake.calls(), ["position", "follow", "follow", "follow"], "no full load");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_there_is_loaded_and_the_file_not_even_read() {
    let (fake, _dir, path) = left_behind().await;
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let running = run_cached(&fake, &path);
    ready(&running).await;
    running.until("written", |rig| rig.status.cache().unwrap().written_at.is_some()).await;
    assert!(running.rig.status.alarms().is_empty());
    assert_eq!(running.rig.reloads(), [ReloadCause::Start]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_used_is_told_of_and_overwritten_once_the_source_is_there() {
    let (fake, _dir, path) = left_behind().await;
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - 1);
    fs::write(&path, &bytes).unwrap();
    fake.cut(vec![Fault::Fail(FailureKind::Transient), Fault::Fail(FailureKind::Unauthorised)]);
    let running = run_cached(&fake, &path);
    running.until("told", |rig| rig.status.alarm(Alarm::CacheBroken)).await;
    assert!(!running.rig.status.ready() && running.rig.states(&["A"]) == "-");
    ready(&running).await;
    running.until("overwritten", |rig| rig.status.alarms().is_empty()).await;
    assert_eq!(running.rig.reloads(), [ReloadCause::CacheRefused, ReloadCause::Start]);
    running.end().await;
    fake.cut(vec![Fault::Hang]);
    let running = run_cached(&fake, &path);
    ready(&running).await;
    assert_eq!(running.rig.reloads(), [ReloadCause::Cache]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_file_keeps_up_with_changes_and_with_time() {
    let (_dir, path) = place();
    let fake = Fake::new(&[(1, "A")]);
    let running = run_cached(&fake, &path);
    let changed = async |within: Duration| {
        let before = fs::read(&path).unwrap_or_default();
        let began = Instant::now();
        while fs::read(&path).unwrap_or_default() == before {
            assert!(began.elapsed() < within + Duration::from_secs(1), "not written within {within:?}");
            // Virtual time, as the clock is paused.
            sleep(Duration::from_millis(100)).await;
        }
        began.elapsed()
    };
    changed(Duration::ZERO).await;
    fake.put(2, "B");
    assert!(changed(Duration::from_secs(30)).await > Duration::from_secs(29));
    assert!(changed(Duration::from_mins(5)).await > Duration::from_secs(290));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_written_is_an_alarm_and_nothing_else() {
    let (dir, _) = place();
    let folder = dir.path().join("absent");
    let fake = Fake::new(&[(1, "A")]);
    let running = run_cached(&fake, &folder.join("apps.cache"));
    running.until("told", |rig| rig.status.alarm(Alarm::CacheBroken)).await;
    assert!(running.rig.status.ready() && running.rig.states(&["A"]) == "open");
    fs::create_dir(&folder).unwrap();
    running.until("written", |rig| rig.status.alarms().is_empty()).await;
    running.end().await;
}
