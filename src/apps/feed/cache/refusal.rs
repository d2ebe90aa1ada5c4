//! Why a cache file isn't used: each cause with its remedy, never with a word of what is in the file.

use std::io;

/// Why a cache file isn't used.
#[derive(Debug, thiserror::Error)]
pub(in crate::apps::feed) enum Refusal {
    /// The system doesn't let us.
    #[error("can't be read: {0}; let the gateway's user read it")]
    Unreadable(io::Error),
    /// It doesn't begin as one.
    #[error("is no apps cache; let `apps.cache.path` name a file of its own")]
    Foreign,
    /// Another version of the form.
    #[error("has the form of another version of this gateway; the next write replaces it")]
    Version,
    /// Written with another key.
    #[error(
        "was written with another key, or its head is damaged; give the key it was written with, or let the next write \
         replace it"
    )]
    Key,
    /// The apps of another source.
    #[error(
        "holds the apps of another source (hosts, replica set, database or collection differ); the next write replaces \
         it"
    )]
    Source,
    /// Cut short, changed, or put together from pieces.
    #[error("is damaged; the next write replaces it")]
    Damaged,
    /// Newer than now: its age can't be told.
    #[error("was written in the future by this machine's clock, so its age can't be told; set the clock")]
    Future,
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}
