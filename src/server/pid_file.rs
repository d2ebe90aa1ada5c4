//! The pid file: written when the process starts, or takes the place of another; gone when it ends, unless it speaks of
//! another process by then.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, PoisonError};

use crate::error::StartError;

/// Ours, if there is one.
static OURS: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Writes this process's id, and remembers where.
///
/// # Errors
/// The file can't be written.
pub fn write(path: &Path) -> Result<(), StartError> {
    put(path, process::id()).map_err(|e| StartError::file(path, &e))?;
    *OURS.lock().unwrap_or_else(PoisonError::into_inner) = Some(path.to_owned());
    Ok(())
}

/// Writes it again: another process may have written its own, and ended.
pub fn renew() {
    let ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = &*ours
        && !speaks_of(path, process::id())
        && let Err(error) = put(path, process::id())
    {
        tracing::error!(file = %path.display(), %error, "the pid file could not be written");
    }
}

/// Takes it away; the process is about to end.
pub fn remove() {
    if let Some(path) = OURS.lock().unwrap_or_else(PoisonError::into_inner).take() {
        remove_if_of(&path, process::id());
    }
}

fn put(path: &Path, id: u32) -> std::io::Result<()> {
    fs::write(path, format!("{id}\n"))
}

fn speaks_of(path: &Path, id: u32) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.trim() == id.to_string())
}

fn remove_if_of(path: &Path, id: u32) {
    if speaks_of(path, id) {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_is_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        put(&path, 12).unwrap();
        remove_if_of(&path, 1);
        assert!(path.exists());
        remove_if_of(&path, 12);
        assert!(!path.exists());
        remove_if_of(&path, 12);
    }
}
