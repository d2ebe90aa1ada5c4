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

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub(super) use self::contents::{Cached, Image, Place};
pub use self::key::CacheKey;
pub(super) use self::refusal::Refusal;
use self::segments::{Opener, Sealer};

/// How far ahead of this machine's clock a file may be: clocks are set back a little now and then.
const AHEAD: Duration = Duration::from_mins(5);

/// Whether a cache may be written to this path: nothing stands there, or a cache, however damaged. Anything else is
/// somebody's, and would be lost.
///
/// # Errors
/// Nobody can tell, as it can't be read.
pub fn is_free_for_cache(path: &Path) -> io::Result<bool> {
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        metadata => metadata?,
    };
    // A pipe would keep whoever opens it waiting.
    if !metadata.is_file() {
        return Ok(false);
    }
    let mut start = Vec::new();
    File::open(path)?.take(head::MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(head::MAGIC.starts_with(&start))
}

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
        if !is_free_for_cache(&self.path)? {
            return Err(Refusal::Foreign);
        }
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

    /// Writes the file anew, unless another stands in its place. Takes a second for a million documents.
    pub(super) fn write(&self, image: &Image, now: SystemTime) -> io::Result<()> {
        if !is_free_for_cache(&self.path)? {
            return Err(io::Error::other("what stands there is no apps cache, and isn't replaced; take it away"));
        }
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
