//! A cache file on disk: what comes back, and everything that doesn't.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::apps::document::{Document, Value};
use crate::apps::feed::source::{OpTime, Token};
use crate::apps::{Apps, DocId, SecretEncoding};

const SECRET: &str = "a-secret-that-must-not-be-seen";

fn key(byte: u8) -> CacheKey {
    CacheKey::parse(&format!("{byte:02x}").repeat(32)).unwrap()
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

/// An image of so many documents.
fn image(count: u32) -> Image {
    let mut apps = Apps::new(SecretEncoding::Raw);
    for n in 0..count {
        let mut document = Document::default();
        document.set("appId", Value::string(&format!("TR{n}")));
        document.set("jwt_secretkey", Value::string(SECRET));
        let [a, b, c, d] = n.to_le_bytes();
        let object_id = DocId::ObjectId([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0]);
        let id = if n % 2 == 0 { object_id } else { DocId::from_bytes(&n.to_le_bytes()) };
        apps.upsert(&id, &document);
    }
    let place = Place {
        token: Token(Arc::new(*b"a token")),
        horizon: OpTime(70),
        newest: OpTime(90),
        owed: vec![DocId::ObjectId([1; 12]), DocId::from_bytes(b"other")],
        contact: now() - Duration::from_secs(7),
    };
    Image { place, documents: apps.held() }
}

struct Folder {
    dir: TempDir,
    file: CacheFile,
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = CacheFile::new(dir.path().join("apps.cache"), key(1), "here".to_owned());
        Self { dir, file }
    }

    fn written(count: u32) -> Self {
        let folder = Self::new();
        folder.file.write(&image(count), now()).unwrap();
        folder
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.file.path).unwrap()
    }

    /// What reading says when the file holds these bytes.
    fn refusal(&self, bytes: &[u8]) -> Option<String> {
        fs::write(&self.file.path, bytes).unwrap();
        self.file.read(now()).err().map(|refusal| refusal.to_string())
    }

    fn read(&self) -> Cached {
        self.file.read(now()).unwrap().unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

#[test]
fn everything_comes_back_as_it_was() {
    for count in [0, 1, 2, 40_000] {
        let folder = Folder::written(count);
        let cached = folder.read();
        assert_eq!((cached.written, cached.found.len()), (now(), count as usize));
        let image = image(count);
        assert_eq!(cached.place, image.place);
        let packed = |(id, record): (DocId, crate::apps::document::Record)| {
            let mut bytes = Vec::new();
            id.put(&mut bytes);
            [bytes, record.bytes().to_vec()].concat()
        };
        let mut found: Vec<Vec<u8>> = cached.found.into_iter().map(packed).collect();
        let mut wanted: Vec<Vec<u8>> = image.documents.iter().map(<[u8]>::to_vec).collect();
        found.sort();
        wanted.sort();
        assert!(found == wanted, "{count}");
    }
}

#[test]
fn no_file_is_no_mistake() {
    assert!(Folder::new().file.read(now()).unwrap().is_none());
}

#[test]
fn every_flipped_bit_and_every_lost_or_added_byte_is_seen() {
    let folder = Folder::written(2);
    let bytes = folder.bytes();
    assert!(bytes.len() < 500, "{}", bytes.len());
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(folder.refusal(&flipped).is_some(), "byte {at} flipped");
        assert!(folder.refusal(&bytes[..at]).is_some(), "cut at {at}");
    }
    assert!(folder.refusal(&[&bytes[..], b"x"].concat()).is_some());
    assert!(folder.refusal(&[&bytes[..], &bytes[80..]].concat()).is_some());
    assert!(folder.refusal(&bytes).is_none());
}

#[test]
fn each_cause_is_told_with_its_remedy() {
    let folder = Folder::written(2);
    let bytes = folder.bytes();
    let other = |key, origin: &str| {
        let file = CacheFile::new(folder.file.path.clone(), key, origin.to_owned());
        file.read(now()).err().map(|refusal| refusal.to_string()).unwrap_or_default()
    };
    assert!(other(key(2), "here").starts_with("was written with another key"));
    assert!(other(key(1), "there").starts_with("holds the apps of another source"));
    let refusal = |bytes: &[u8]| folder.refusal(bytes).unwrap_or_default();
    assert!(refusal(b"").starts_with("is no apps cache"));
    assert!(refusal(b"- appId: TR1\n  jwt_secretkey: x\n").starts_with("is no apps cache"));
    assert!(refusal(&bytes[..40]).starts_with("is damaged"));
    let mut next = bytes.clone();
    next[15] += 1;
    assert!(refusal(&next).starts_with("has the form of another version"));
    let mut changed = bytes.clone();
    changed[100] ^= 1;
    assert!(refusal(&changed).starts_with("is damaged"));
    fs::remove_file(&folder.file.path).unwrap();
    fs::create_dir(&folder.file.path).unwrap();
    assert!(folder.file.read(now()).err().unwrap().to_string().starts_with("is no apps cache"));
}

#[test]
fn whatever_is_no_cache_is_neither_waited_for_nor_replaced() {
    let folder = Folder::written(1);
    let path = &folder.file.path;
    let (whole, image) = (folder.bytes(), image(2));
    for cut in [&whole[..70], &whole[..10], b""] {
        fs::write(path, cut).unwrap();
        folder.file.write(&image, now()).unwrap();
    }
    fs::write(path, "precious").unwrap();
    assert!(folder.file.write(&image, now()).unwrap_err().to_string().contains("isn't replaced"));
    assert_eq!((folder.bytes(), folder.names()), (b"precious".to_vec(), vec!["apps.cache".to_owned()]));
    fs::remove_file(path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    assert!(matches!(folder.file.read(now()), Err(Refusal::Foreign)));
    assert!(folder.file.write(&image, now()).is_err());
}

#[test]
fn a_clock_that_was_set_back_a_little_is_borne_and_more_is_refused() {
    let folder = Folder::written(1);
    assert!(folder.file.read(now() - Duration::from_mins(4)).is_ok());
    let refusal = folder.file.read(now() - Duration::from_mins(6)).err().unwrap();
    assert!(matches!(refusal, Refusal::Future));
}

#[test]
fn the_file_is_its_owners_alone_and_tells_nothing() {
    let folder = Folder::written(100);
    assert_eq!(fs::metadata(&folder.file.path).unwrap().permissions().mode() & 0o777, 0o600);
    let (bytes, again) = (folder.bytes(), Folder::written(100).bytes());
    for word in [SECRET, "TR1", "a token", "jwt_secretkey", "here"] {
        assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word}");
    }
    let equal = bytes.iter().zip(&again).skip(16).filter(|(a, b)| a == b).count();
    assert!(equal < bytes.len() / 20, "the same apps and the same key, but another file: {equal}");
}

#[test]
fn what_a_crash_left_half_written_is_replaced_and_nothing_else_stays() {
    let folder = Folder::written(1);
    let left = disk::beside(&folder.file.path);
    fs::write(&left, "half a file").unwrap();
    fs::set_permissions(&left, fs::Permissions::from_mode(0o644)).unwrap();
    folder.file.write(&image(3), now()).unwrap();
    assert_eq!(folder.read().found.len(), 3);
    assert_eq!(fs::metadata(&folder.file.path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(folder.names(), ["apps.cache"]);
}

#[test]
fn a_write_that_fails_leaves_the_file_before_in_place() {
    let folder = Folder::written(2);
    let failed = disk::replace(&folder.file.path, |mut file| {
        file.write_all(b"half")?;
        Err(io::Error::other("disk full"))
    });
    assert_eq!(failed.unwrap_err().to_string(), "disk full");
    assert_eq!((folder.names(), folder.read().found.len()), (vec!["apps.cache".to_owned()], 2));
    let stolen = disk::replace(&folder.file.path, |_| {
        let next = disk::beside(&folder.file.path);
        fs::remove_file(&next)?;
        fs::write(&next, "somebody else's")
    });
    assert!(stolen.unwrap_err().to_string().starts_with("another process writes the same file"));
    assert_eq!(folder.read().found.len(), 2);
}
