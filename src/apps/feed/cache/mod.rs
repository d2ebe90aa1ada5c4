//! The last good state of the apps on disk, so that a gateway can start while its database is down.
//!
//! [`CacheFile`] writes and reads it: [`contents`] in sealed [`segments`] under a [`head`], put in place in one step
//! ([`disk`]). Whatever isn't whole, or of another key, source or version, is a [`Refusal`], and nothing of it is
//! used. [`schedule`] says when to write. When it is used is the supervisor's business.

mod contents;
mod disk;
mod head;
mod key;
mod refusal;
pub(super) mod schedule;
mod segments;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

pub(super) use self::contents::{Cached, Image, Place};
pub use self::key::CacheKey;
pub(super) use self::refusal::Refusal;
use self::segments::{Opener, Sealer};

/// How far ahead of this machine's clock a file may be: clocks are set back a little now and then.
const AHEAD: Duration = Duration::from_mins(5);

/// The cache of one source.
pub(super) struct CacheFile {
    path: PathBuf,
    key: CacheKey,
    /// What tells the source from all others. Holds no secret.
    origin: String,
}

impl CacheFile {
    pub(super) fn new(path: PathBuf, key: CacheKey, origin: String) -> Self {
        Self { path, key, origin }
    }

    /// Reads the file; `None`: there is none. Takes a second for a million documents.
    pub(super) fn read(&self, now: SystemTime) -> Result<Option<Cached>, Refusal> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let size = file.metadata()?.len();
        let mut from = BufReader::new(file);
        let seal = head::open(&mut from, &self.key, &self.origin)?;
        let cached = contents::read(Opener::new(from, seal, size))?;
        let latest = cached.place.contact.max(cached.written);
        if latest.duration_since(now).is_ok_and(|ahead| ahead > AHEAD) {
            return Err(Refusal::Future);
        }
        Ok(Some(cached))
    }

    /// Writes the file anew. Takes a second for a million documents.
    pub(super) fn write(&self, image: &Image, now: SystemTime) -> io::Result<()> {
        disk::replace(&self.path, |mut file| {
            let created = head::create(&self.key, &self.origin);
            let (seal, head) = created.map_err(|_| io::Error::other("no random numbers"))?;
            file.write_all(&head)?;
            let mut out = Sealer::new(file, seal);
            contents::write(image, now, &mut out)?;
            out.finish().map(drop)
        })
    }
}
