//! The unique index on `appId`: what makes creating an app safe against somebody else creating the same one.
//!
//! Where documents stand in its way it can't be made; that is reported, not fatal: the gateway counts such apps as
//! unusable anyway, and the index is tried again until it can be had.

use std::time::Duration;

use ::mongodb::bson::{Document as Doc, doc};
use ::mongodb::error::{Error, ErrorKind};
use ::mongodb::options::IndexOptions;
use ::mongodb::{ClientSession, Collection, IndexModel};
use futures_util::TryStreamExt as _;
use tracing::{info, warn};

use super::StoreError;

/// Looked at again, as a collection that is dropped loses its indexes.
const AGAIN: Duration = Duration::from_secs(15);
/// Tried again where something stands in its way.
const RETRY: Duration = Duration::from_secs(30);
/// Tried again where the database can't be reached.
const SOON: Duration = Duration::from_secs(2);

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A unique index was there.
    Present,
    /// It was made.
    Made,
    /// There is another index of that name or key, which isn't unique.
    InTheWay,
}

/// Hears what came of each attempt, says what differs from before, and knows when to try again.
#[derive(Default)]
pub(super) struct Keeper {
    said: Option<String>,
}

impl Keeper {
    /// What came of an attempt; how long until the next one.
    pub(super) fn heard(&mut self, attempt: Result<State, StoreError>) -> Duration {
        let why = match attempt {
            Ok(State::Present) => None,
            Ok(State::Made) => {
                info!("made the unique index on `appId`");
                None
            }
            // The feed says so already.
            Err(StoreError::Unreachable(_) | StoreError::Unconfirmed(_)) => return SOON,
            Ok(State::InTheWay) => Some("an index on `appId` that isn't unique stands there; drop it".to_owned()),
            Err(StoreError::Exists) => Some("documents have the same `appId`; remove all but one".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = why.as_deref().filter(|_| why != self.said) {
            warn!(why, "there is no unique index on `appId`: two programs may create one app twice");
        }
        self.said = why;
        if self.said.is_some() { RETRY } else { AGAIN }
    }
}

/// Makes the index, if it isn't there.
pub(super) async fn make(documents: &Collection<Doc>, session: &mut ClientSession) -> Result<State, Error> {
    if is_there(documents, session).await? {
        return Ok(State::Present);
    }
    // Sparse, so that documents without an appId, which are nobody's, don't stand in each other's way.
    let options = IndexOptions::builder().unique(true).sparse(true).build();
    let index = IndexModel::builder().keys(doc! { "appId": 1 }).options(options).build();
    match documents.create_index(index).session(session).await {
        Ok(_) => Ok(State::Made),
        // IndexOptionsConflict, IndexKeySpecsConflict.
        Err(error) if matches!(&*error.kind, ErrorKind::Command(c) if c.code == 85 || c.code == 86) => {
            Ok(State::InTheWay)
        }
        Err(error) => Err(error),
    }
}

async fn is_there(documents: &Collection<Doc>, session: &mut ClientSession) -> Result<bool, Error> {
    let mut cursor = match documents.list_indexes().session(&mut *session).await {
        Ok(cursor) => cursor,
        // NamespaceNotFound: no collection yet, and so no index.
        Err(error) if matches!(&*error.kind, ErrorKind::Command(c) if c.code == 26) => return Ok(false),
        Err(error) => return Err(error),
    };
    let indexes: Vec<IndexModel> = cursor.stream(session).try_collect().await?;
    let by_app = |index: &IndexModel| index.keys.keys().eq(["appId"]);
    let unique = |index: &IndexModel| index.options.as_ref().and_then(|o| o.unique).unwrap_or(false);
    // One that leaves documents out by a condition of somebody else's promises nothing about those.
    let partial = |index: &IndexModel| index.options.as_ref().is_some_and(|o| o.partial_filter_expression.is_some());
    Ok(indexes.iter().any(|index| by_app(index) && unique(index) && !partial(index)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_tried_until_it_can_be_had_and_looked_after_then() {
        let mut keeper = Keeper::default();
        assert_eq!(keeper.heard(Err(StoreError::Unreachable(String::new()))), SOON);
        for _ in 0..2 {
            assert_eq!(keeper.heard(Err(StoreError::Exists)), RETRY);
            assert!(keeper.said.as_deref().is_some_and(|why| why.contains("same `appId`")));
        }
        assert_eq!(keeper.heard(Err(StoreError::Unreachable(String::new()))), SOON);
        assert!(keeper.said.is_some(), "an outage between is no news about the documents");
        assert_eq!(keeper.heard(Ok(State::InTheWay)), RETRY);
        assert_eq!(keeper.heard(Ok(State::Made)), AGAIN);
        assert_eq!((keeper.heard(Ok(State::Present)), keeper.said), (AGAIN, None));
    }
}
