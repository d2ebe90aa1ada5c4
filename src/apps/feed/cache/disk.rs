//! A file put in the place of another in one step.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Makes a file, readable by its owner alone, lets `write` fill it, and puts it in the place of `path` once it is
/// safely on disk. A file that a crash left half-written beside it is replaced.
pub(super) fn replace(path: &Path, write: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let next = beside(path);
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = File::options().write(true).create_new(true).mode(0o600).open(&next)?;
    let done = write(&file).and_then(|()| file.sync_all()).and_then(|()| put(&file, &next, path));
    if done.is_err() {
        // Nobody needs half a file; that it may stay is no second error.
        let _ = fs::remove_file(&next);
    }
    done
}

fn put(file: &File, next: &Path, path: &Path) -> io::Result<()> {
    let (ours, there) = (file.metadata()?, fs::metadata(next)?);
    if (ours.dev(), ours.ino()) != (there.dev(), there.ino()) {
        return Err(io::Error::other("another process writes the same file; give each gateway one of its own"));
    }
    fs::rename(next, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// The file that is written first: in the same folder, as a rename doesn't leave a file system.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(".tmp");
    path.with_file_name(name)
}
