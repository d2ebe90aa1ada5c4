//! What a file looks like from outside, without reading it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Two writes this close to each other may bear the same times.
const GRANULE: Duration = Duration::from_millis(20);

/// What tells a file from another one, and from itself before a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let meta = fs::metadata(path)?;
        if !meta.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok(Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            written: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }

    /// Whether a write right now could go unseen. By the time of the inode: nobody can set that.
    pub(crate) fn is_young(&self, now: SystemTime) -> bool {
        now.duration_since(moment(self.changed)).is_ok_and(|age| age < GRANULE)
    }

    /// When the file got its content or its name, in milliseconds since the epoch.
    pub(crate) fn since(&self) -> i64 {
        let (seconds, nanos) = self.written.max(self.changed);
        seconds * 1000 + nanos / 1_000_000
    }
}

fn moment((seconds, nanos): (i64, i64)) -> SystemTime {
    let [seconds, nanos] = [seconds, nanos].map(|part| u64::try_from(part).unwrap_or(0));
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanos)
}
