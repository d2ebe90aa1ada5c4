//! What the supervisor is told, and what it commands.

use std::time::{Duration, SystemTime};

use crate::apps::DocId;
use crate::apps::feed::cache::{Cached, Refusal};
use crate::apps::feed::failure::Failure;
use crate::apps::feed::source::{Batch, Documents, OpTime, Token};

/// How fast full reloads and comparisons may follow each other.
#[derive(Clone, Copy, Debug)]
pub(in crate::apps::feed) struct Pace {
    /// A full reload waits a random time up to this, so that a fleet doesn't reload at once.
    pub(in crate::apps::feed) resync_delay: Duration,
    /// The least time from one full load to the next.
    pub(in crate::apps::feed) min_interval: Duration,
    /// How often the collection is compared; zero: never.
    pub(in crate::apps::feed) reconcile_every: Duration,
}

/// What happened.
pub(in crate::apps::feed) enum Input {
    /// A position was taken, or not.
    Positioned(Result<Token, Failure>),
    /// Everything was read, or not.
    Loaded(Result<Documents, Failure>),
    /// The stream is open, at this time of the store's, if it tells.
    Opened(Option<OpTime>),
    /// The stream replied.
    Batch(Batch),
    /// The stream is over.
    Ended(Failure),
    /// Single documents were read, or not.
    Read(Result<Documents, Failure>),
    /// The collection was read for comparison, or not.
    Compared(Result<Documents, Failure>),
    /// The time asked for with [`Command::Wake`] has passed.
    Woke,
    /// The time asked for with [`Command::CompareIn`] has passed.
    CompareDue,
    /// There is time for a slice of the merge.
    Slice,
    /// The time asked for with [`Command::CacheIn`] has passed.
    CacheDue,
    /// The cache file was read: it can be used, it isn't there, or it can't be used.
    CacheRead(Result<Option<Cached>, Refusal>),
    /// The cache file was written at this time, or why not.
    CacheWritten(Result<SystemTime, String>),
}

/// What is to be done. A new command of a kind replaces the one before.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::apps::feed) enum Command {
    /// Take a position.
    Position,
    /// Read everything, after the position.
    Load,
    /// Open the stream at this token.
    Follow(Token),
    /// Read these documents.
    Read(Vec<DocId>),
    /// Read everything beside the stream, not older than this.
    Compare(OpTime),
    /// Drop the stream and everything under way.
    Close,
    /// [`Input::Woke`] after this time.
    Wake(Duration),
    /// [`Input::CompareDue`] after this time.
    CompareIn(Duration),
    /// Read nothing from here on that is older than this.
    NotBefore(OpTime),
    /// Read the cache file.
    ReadCache,
    /// Write the cache file, as [`Supervisor::image`](super::Supervisor::image) has it right now.
    WriteCache,
    /// [`Input::CacheDue`] after this time.
    CacheIn(Duration),
}
