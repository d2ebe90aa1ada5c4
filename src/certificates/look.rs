//! One look at files that are of use together: are they what is in force?

use std::path::PathBuf;
use std::time::SystemTime;

use super::contents::{Contents, Digest};
use crate::error::StartError;
use crate::stamp::Stamp;

/// What a look found.
pub enum Found {
    /// The files are what is in force.
    Same,
    /// They were written while they were read: nothing can be said before the next look.
    Unclear,
    /// They are something else.
    New(Contents),
}

/// Files, and what they looked like when they were last known to be what is in force.
pub struct Look {
    files: Vec<PathBuf>,
    seen: Option<Vec<Stamp>>,
}

impl Look {
    /// Files that nobody has looked at yet.
    pub const fn at(files: Vec<PathBuf>) -> Self {
        Self { files, seen: None }
    }

    /// Compares the files with what is in force: by their stamps where those tell, else by what is in them.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn look(&mut self, in_force: &Digest, now: SystemTime) -> Result<Found, StartError> {
        let stamps = self.stamps()?;
        if self.seen.as_ref() == Some(&stamps) {
            return Ok(Found::Same);
        }
        self.seen = None;
        let contents = Contents::read(&self.files)?;
        if self.stamps()? != stamps {
            return Ok(Found::Unclear);
        }
        if contents.digest != *in_force {
            return Ok(Found::New(contents));
        }
        // A write right after this look could bear the same stamp: then the next one reads again.
        if !stamps.iter().any(|stamp| stamp.is_young(now)) {
            self.seen = Some(stamps);
        }
        Ok(Found::Same)
    }

    fn stamps(&self) -> Result<Vec<Stamp>, StartError> {
        self.files.iter().map(|file| Stamp::of(file).map_err(|e| StartError::file(file, &e))).collect()
    }
}
