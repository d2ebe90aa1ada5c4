use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::super::{Contents, Digest, Expiry, Held, Holder};
use super::*;
use crate::error::StartError;

const A_SECOND: Duration = Duration::from_secs(1);

/// Takes any contents whose files begin with the same letter, as a key fits its certificate.
struct Pair {
    files: Vec<PathBuf>,
    in_force: Mutex<(Digest, String)>,
}

impl Pair {
    fn text(&self, contents: &Contents) -> Result<String, StartError> {
        let texts = self.files.iter().map(|file| contents.of(file).map(|b| String::from_utf8_lossy(b).into_owned()));
        let texts: Vec<String> = texts.collect::<Result<_, _>>()?;
        let first = texts[0].chars().next();
        let fit = first.is_some() && texts.iter().all(|text| text.chars().next() == first);
        if fit { Ok(texts.concat()) } else { Err(StartError::Process(format!("{texts:?} don't fit"))) }
    }
}

impl Holder for Pair {
    fn digest(&self) -> Digest {
        self.in_force.lock().unwrap().0
    }

    fn expiry(&self) -> Option<Expiry> {
        Some(Expiry(1_800_000_000))
    }

    fn replace(&self, contents: &Contents) -> Result<(), StartError> {
        *self.in_force.lock().unwrap() = (contents.digest, self.text(contents)?);
        Ok(())
    }
}

struct Disk {
    folder: tempfile::TempDir,
    pair: Arc<Pair>,
    watcher: Watcher,
    now: SystemTime,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = ["cert", "key"].map(|name| folder.path().join(name)).into();
        for file in &files {
            fs::write(file, "a").unwrap();
        }
        let contents = Contents::read(&files).unwrap();
        let in_force = Mutex::new((contents.digest, "aa".to_owned()));
        let pair = Arc::new(Pair { files: files.clone(), in_force });
        let holder = Arc::clone(&pair);
        let held = move || Held { name: "u".to_owned(), files: files.clone(), holder: Arc::clone(&holder) as _ };
        let metrics = Metrics::new(&[], &[]).unwrap();
        let watcher = Watcher::new(Box::new(move || vec![held()]), metrics);
        Self { folder, pair, watcher, now: SystemTime::now() + A_SECOND }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The next look; what is in force after it, and what was counted so far: good and bad.
    fn look(&mut self) -> (String, [u64; 2]) {
        self.now += A_SECOND;
        self.watcher.look(false, self.now);
        self.told()
    }

    fn told(&self) -> (String, [u64; 2]) {
        let text = String::from_utf8(self.watcher.metrics.render()).unwrap();
        let count = |result: &str| {
            let series = format!("rtms_certificate_reloads_total{{result=\"{result}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap()
        };
        (self.pair.in_force.lock().unwrap().1.clone(), [count("ok"), count("invalid")])
    }

    fn problem(&self) -> Option<String> {
        self.watcher.board.load()[0].problem.as_ref().map(|problem| problem.text.clone())
    }
}

fn swap(link: &Path, to: &Path) {
    let fresh = link.with_extension("fresh");
    std::os::unix::fs::symlink(to, &fresh).unwrap();
    fs::rename(fresh, link).unwrap();
}

#[test]
fn a_good_pair_takes_the_place_of_the_one_before_once() {
    let mut disk = Disk::new();
    assert_eq!(disk.look(), ("aa".to_owned(), [0, 0]));
    disk.write("cert", "b1");
    disk.write("key", "b2");
    assert_eq!(disk.look(), ("b1b2".to_owned(), [1, 0]));
    assert_eq!(disk.look(), ("b1b2".to_owned(), [1, 0]));
    disk.write("key", "b2");
    assert_eq!(disk.look(), ("b1b2".to_owned(), [1, 0]), "written anew, but the same");
    assert!(disk.watcher.board.load()[0].replaced.is_some());
}

#[test]
fn one_file_after_the_other_in_either_order_is_no_problem_unless_it_lasts() {
    let mut disk = Disk::new();
    for (first, second, text, good) in [("cert", "key", "b", 1), ("key", "cert", "c", 2)] {
        let before = disk.told().0;
        disk.write(first, text);
        assert_eq!(disk.look(), (before, [good - 1, 0]));
        assert_eq!(disk.problem(), None);
        disk.write(second, text);
        assert_eq!(disk.look(), (text.repeat(2), [good, 0]));
    }
}

#[test]
fn what_cannot_be_used_changes_nothing_is_told_once_and_tried_again() {
    let mut disk = Disk::new();
    disk.write("key", "b");
    for (look, bad) in [0, 1, 1, 1].into_iter().enumerate() {
        assert_eq!(disk.look(), ("aa".to_owned(), [0, bad]), "look {look}");
    }
    assert!(disk.problem().unwrap().contains("don't fit"));
    fs::remove_file(disk.path("key")).unwrap();
    for bad in [1, 2, 2] {
        assert_eq!(disk.look(), ("aa".to_owned(), [0, bad]));
    }
    assert!(disk.problem().unwrap().contains("key"), "{:?}", disk.problem());
    disk.write("key", "a");
    assert_eq!((disk.look(), disk.problem()), (("aa".to_owned(), [0, 2]), None), "as it was");
    disk.write("key", "b");
    disk.write("cert", "b");
    assert_eq!(disk.look(), ("bb".to_owned(), [1, 2]));
}

#[test]
fn whoever_asks_is_told_at_once() {
    let mut disk = Disk::new();
    disk.write("key", "b");
    disk.watcher.look(true, disk.now);
    assert_eq!(disk.told(), ("aa".to_owned(), [0, 1]));
    assert_eq!(disk.look(), ("aa".to_owned(), [0, 1]));
}

#[test]
fn files_behind_a_link_that_is_swapped_are_seen() {
    let mut disk = Disk::new();
    for version in ["one", "two"] {
        let folder = disk.path(version);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("cert"), version).unwrap();
        fs::write(folder.join("key"), version).unwrap();
    }
    swap(&disk.path("data"), &disk.path("one"));
    for name in ["cert", "key"] {
        swap(&disk.path(name), &Path::new("data").join(name));
    }
    assert_eq!(disk.look(), ("oneone".to_owned(), [1, 0]));
    swap(&disk.path("data"), &disk.path("two"));
    assert_eq!(disk.look(), ("twotwo".to_owned(), [2, 0]));
}

#[test]
fn a_name_that_is_watched_no_longer_leaves_the_gauge() {
    let mut disk = Disk::new();
    let text = |disk: &Disk| String::from_utf8(disk.watcher.metrics.render()).unwrap();
    let series = "rtms_certificate_expiry_timestamp_seconds{certificate=\"u\"} 1800000000";
    assert!(text(&disk).contains(series));
    disk.watcher.source = Box::new(Vec::new);
    disk.look_at_nothing();
    assert!(!text(&disk).contains("rtms_certificate_expiry_timestamp_seconds{"));
}

impl Disk {
    fn look_at_nothing(&mut self) {
        self.watcher.look(false, self.now);
    }
}
