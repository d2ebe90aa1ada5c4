//! Where the documents are: what the API asks of a store, whichever it is.

mod file;
mod index;
mod mongodb;
mod stored;

use async_trait::async_trait;

pub use self::file::FileStore;
pub use self::mongodb::MongoStore;
pub use self::stored::Stored;
use super::edit::Edit;
use crate::apps::feed::OpTime;

/// What the store has for an appId.
pub enum Found {
    /// Nothing.
    Nothing,
    /// One document.
    One(Box<Stored>),
    /// More than one: none of them is in force, and the API doesn't choose.
    Several,
}

/// One entry of a list.
pub struct Listed {
    /// The appId.
    pub app_id: String,
    /// [`Found::One`] or [`Found::Several`].
    pub found: Found,
}

/// A write that is stored.
pub struct Written {
    /// The document as it is now; `None`: it is gone.
    pub stored: Option<Box<Stored>>,
    /// The database's time of the write; `None`: it didn't say.
    pub at: Option<OpTime>,
}

/// What came of an attempt to write.
pub enum Attempt {
    /// Stored.
    Written(Written),
    /// Somebody else changed the document since it was read: read it again.
    Overtaken,
}

/// Why the store didn't do what it was asked. The texts hold no secret.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It can't be written to, ever.
    #[error("read-only: {0}")]
    ReadOnly(String),
    /// There is a document with this appId.
    #[error("there is an app with this appId")]
    Exists,
    /// The database can't be reached, or isn't in a state to answer.
    #[error("the database can't be reached: {0}")]
    Unreachable(String),
    /// The write was sent, and whether a majority has it isn't known.
    #[error("whether it was stored isn't known: {0}")]
    Unconfirmed(String),
    /// The database's user may not do this.
    #[error("the database refused: {0}")]
    Denied(String),
    /// Anything else.
    #[error("the database answered with an error: {0}")]
    Failed(String),
}

/// A collection of app documents.
#[async_trait]
pub trait Store: Send + Sync {
    /// What there is for an appId, and the database's time when it was read; `None`: it didn't say.
    async fn find(&self, app_id: &str) -> Result<(Found, Option<OpTime>), StoreError>;

    /// Up to `limit` entries whose appId comes after `after` byte by byte, in that order, and whether there may be
    /// more.
    async fn page(&self, after: &str, limit: usize) -> Result<(Vec<Listed>, bool), StoreError>;

    /// Writes a new document.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where there is one with this appId.
    async fn insert(&self, edit: &Edit) -> Result<Written, StoreError>;

    /// Changes a document that still is as `stored` says.
    async fn update(&self, stored: &Stored, edit: &Edit) -> Result<Attempt, StoreError>;

    /// Removes a document that still is as `stored` says.
    async fn remove(&self, stored: &Stored) -> Result<Attempt, StoreError>;

    /// Why nothing can be written; `None`: it can.
    fn read_only(&self) -> Option<String>;

    /// What must be kept going beside the requests, until `stop`; returns when there is nothing left to do.
    async fn attend(&self);
}
