//! Files read together.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::StartError;

/// What tells contents apart: SHA-256 over all files.
pub type Digest = [u8; 32];

/// The bytes of some files; wiped when they go, as one may be a key.
pub struct Contents {
    files: Vec<(PathBuf, Zeroizing<Vec<u8>>)>,
    /// Of all of them, in their order.
    pub digest: Digest,
}

impl Contents {
    /// Reads files.
    ///
    /// # Errors
    /// The first one that can't be read.
    pub fn read(paths: &[PathBuf]) -> Result<Self, StartError> {
        let mut hash = Sha256::new();
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let bytes = fs::read(path).map(Zeroizing::new).map_err(|e| StartError::file(path, &e))?;
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(&*bytes);
            files.push((path.clone(), bytes));
        }
        Ok(Self { files, digest: hash.finalize().into() })
    }

    /// One of them.
    ///
    /// # Errors
    /// It isn't one of them.
    pub fn of(&self, path: &Path) -> Result<&[u8], StartError> {
        let found = self.files.iter().find(|(known, _)| known == path);
        found.map(|(_, bytes)| &***bytes).ok_or_else(|| StartError::file(path, &"was not read"))
    }
}
