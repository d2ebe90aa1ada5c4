//! The apps file, on a real disk; the clock is told.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use super::super::file::Watch;
use super::*;

struct Disk {
    folder: tempfile::TempDir,
    watch: Watch,
    status: Arc<Status>,
    published: Arc<arc_swap::ArcSwap<Snapshot>>,
    told: Arc<Recorder>,
}

impl Disk {
    fn new() -> Self {
        Self::at("apps.json")
    }

    fn at(file: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let told = Arc::new(Recorder::default());
        let status = Arc::new(Status::new(SourceKind::File));
        let apps = Apps::new(SecretEncoding::Raw);
        let published = apps.published();
        let report = Report::new(Arc::clone(&status), told.clone(), Box::new(super::super::file::name));
        let watch = Watch::new(folder.path().join(file), apps, report);
        Self { folder, watch, status, published, told }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn write(&self, text: &str) {
        fs::write(self.path("apps.json"), text).unwrap();
    }

    /// Looks, long after everything that was written.
    fn look(&mut self) -> Duration {
        self.watch.look(SystemTime::now() + Duration::from_mins(1))
    }

    fn apps(&self) -> usize {
        self.published.load().len()
    }

    fn changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.told.changes.lock().unwrap())
    }

    fn reloads(&self) -> Vec<ReloadCause> {
        std::mem::take(&mut self.told.reloads.lock().unwrap())
    }
}

const ONE: &str = r#"[{"appId": "A", "jwt_secretkey": "s"}]"#;
const TWO: &str = r#"[{"appId": "B"}, {"appId": "A", "jwt_secretkey": "t"}]"#;

#[tokio::test(start_paused = true)]
async fn a_missing_file_is_waited_for() {
    let mut disk = Disk::new();
    assert_eq!(disk.look(), Duration::from_millis(250));
    disk.look();
    assert!(disk.status.not_ready().unwrap().contains("apps.json can't be read"));
    assert_eq!(disk.reloads(), [ReloadCause::FileBroken]);
    disk.write(ONE);
    disk.look();
    assert!(disk.status.ready() && disk.status.alarms().is_empty());
    assert_eq!((disk.apps(), disk.reloads(), disk.changes()), (1, vec![ReloadCause::Start], vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_change_is_put_in_force_once_and_counted_by_kind() {
    let mut disk = Disk::new();
    disk.write(ONE);
    disk.look();
    *disk.told.publishes.lock().unwrap() = 0;
    disk.write(TWO);
    disk.look();
    disk.look();
    assert_eq!(disk.changes(), [Change::Insert, Change::Update], "the order of the entries means nothing");
    assert_eq!(*disk.told.publishes.lock().unwrap(), 1);
    assert_eq!(disk.told.lags.lock().unwrap().len(), 1);
    disk.write("[]");
    disk.look();
    assert_eq!(disk.changes(), [Change::Delete, Change::Delete]);
    assert_eq!(disk.reloads(), [ReloadCause::Start, ReloadCause::FileChanged, ReloadCause::FileChanged]);
    assert_eq!(disk.apps(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_changes_nothing_and_is_stale_until_it_is_whole() {
    let mut disk = Disk::new();
    disk.write(ONE);
    disk.look();
    disk.reloads();
    for broken in ["[{", "{}", "[{"] {
        disk.write(broken);
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(1)).await;
            disk.look();
        }
    }
    assert_eq!(disk.reloads(), [ReloadCause::FileBroken; 3], "once for each content");
    assert_eq!(disk.apps(), 1);
    assert_eq!(disk.status.staleness(), Duration::from_secs(9));
    assert!(disk.status.alarm(Alarm::FileBroken) && disk.status.last_error().is_some());
    disk.write(ONE);
    disk.look();
    assert_eq!(disk.status.staleness(), Duration::ZERO);
    assert!(disk.status.alarms().is_empty() && disk.status.last_error().is_none());
    assert!(disk.reloads().is_empty(), "what is in force is on disk again: nothing to load");
}

#[tokio::test(start_paused = true)]
async fn a_rename_and_a_swapped_symlink_are_noticed() {
    let mut disk = Disk::at("link.json");
    fs::write(disk.path("one.json"), ONE).unwrap();
    fs::write(disk.path("two.json"), TWO).unwrap();
    std::os::unix::fs::symlink(disk.path("one.json"), disk.path("link.json")).unwrap();
    disk.look();
    assert_eq!(disk.apps(), 1);
    std::os::unix::fs::symlink(disk.path("two.json"), disk.path("new")).unwrap();
    fs::rename(disk.path("new"), disk.path("link.json")).unwrap();
    disk.look();
    assert_eq!(disk.apps(), 2);
    fs::write(disk.path("three.json"), "[]").unwrap();
    fs::rename(disk.path("three.json"), disk.path("two.json")).unwrap();
    disk.look();
    assert_eq!(disk.apps(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_left_alone_but_not_for_ever() {
    let mut disk = Disk::new();
    disk.write(ONE);
    let looked = (0..20).map(|_| {
        let young = fs::metadata(disk.folder.path().join("apps.json")).unwrap().modified().unwrap();
        disk.watch.look(young + Duration::from_millis(1))
    });
    let waits: Vec<u128> = looked.map(|w| w.as_millis()).take_while(|w| *w == 25).collect();
    assert_eq!(waits.len(), 12);
    assert_eq!(disk.apps(), 1);
    // Read so shortly after its write: a second write could bear the same times, so it is read once more.
    let times = fs::metadata(disk.path("apps.json")).unwrap().modified().unwrap();
    disk.write(&ONE.replace("\"s\"", "\"t\""));
    fs::File::open(disk.path("apps.json")).unwrap().set_modified(times).unwrap();
    disk.look();
    assert_eq!(disk.changes(), [Change::Update]);
}

#[tokio::test(start_paused = true)]
async fn a_touched_file_is_no_change() {
    let mut disk = Disk::new();
    disk.write(ONE);
    disk.look();
    disk.reloads();
    fs::File::open(disk.path("apps.json")).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    disk.look();
    assert!(disk.reloads().is_empty() && disk.status.staleness().is_zero());
}

#[tokio::test(start_paused = true)]
async fn senseless_entries_are_unusable_and_do_not_hurt_the_others() {
    let mut disk = Disk::new();
    disk.write(r#"[{"appId": "A"}, 5, {"appId": "B"}, {"appId": "B", "disabled": true}, {"appName": "x"}]"#);
    disk.look();
    let listed: Vec<String> = disk.status.unusable().into_iter().map(|u| format!("{}: {}", u.app, u.fault)).collect();
    assert_eq!(
        listed,
        ["B: two documents have this `appId`", "entry 2: `appId` is missing", "entry 5: `appId` is missing"]
    );
    assert_eq!(disk.status.counts().unusable, 4);
    assert!(matches!(disk.published.load().get("B").unwrap().policy, Policy::Unusable));
    assert!(matches!(disk.published.load().get("A").unwrap().policy, Policy::Open));
    disk.write(r#"[{"appId": "A"}, {"appId": "B"}]"#);
    disk.look();
    assert!(disk.status.unusable().is_empty() && disk.status.counts().open == 2);
}

#[tokio::test]
async fn runs_until_stopped_and_says_when_it_is_ready() {
    let disk = Disk::new();
    let (status, published) = (Arc::clone(&disk.status), Arc::clone(&disk.published));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(super::super::file::run(disk.watch, stopped, move || ready.send(()).unwrap()));
    fs::write(disk.folder.path().join("apps.json"), TWO).unwrap();
    tokio::time::timeout(Duration::from_secs(10), is_ready).await.unwrap().unwrap();
    assert_eq!(published.load().len(), 2);
    stop.send_replace(true);
    tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap();
    assert_eq!(status.phase(), Phase::Stopped);
}
