//! The collection of app documents: read from the primary, written with a majority.

use std::time::Duration;

use ::mongodb::bson::{Document as Doc, doc};
use ::mongodb::error::{Error, ErrorKind, WriteFailure};
use ::mongodb::options::{CollectionOptions, ReadPreference, ReturnDocument, SelectionCriteria, WriteConcern};
use ::mongodb::{ClientSession, Collection};
use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::stored::{FIRST, document, update};
use super::{Attempt, Found, Listed, Store, StoreError, Stored, Written, index};
use crate::apps::feed::{Connected, Connection, OpTime};
use crate::profiles::edit::{Edit, REVISION};

/// How long a majority may take to have a write.
const MAJORITY: Duration = Duration::from_secs(5);
/// How long one exchange may take in all, finding a server included.
const EXCHANGE: Duration = Duration::from_secs(12);
/// The server's code for a second document where an index allows one.
const DUPLICATE: i32 = 11000;
/// Unauthorised, authentication failed.
const DENIED: [i32; 2] = [13, 18];

/// A collection of app documents.
pub struct MongoStore {
    connection: Connection,
    database: String,
    collection: String,
    /// Made at the first use; made anew when it has no server left to ask.
    connected: Mutex<Option<Connected>>,
}

impl MongoStore {
    /// The collection at `uri`. Dials nothing.
    #[must_use]
    pub fn new(uri: &str, database: String, collection: String) -> Self {
        Self { connection: Connection::new(uri), database, collection, connected: Mutex::new(None) }
    }

    async fn connected(&self) -> Result<Connected, StoreError> {
        let mut slot = self.connected.lock().await;
        if let Some(connected) = slot.as_ref().filter(|c| !c.is_spent()) {
            return Ok(connected.clone());
        }
        let connected = self.connection.open().await.map_err(|f| StoreError::Unreachable(f.text))?;
        Ok(slot.insert(connected).clone())
    }

    /// Runs one exchange with the collection, in a session of its own, so that its time is known. `write`: what was
    /// sent may have been stored when no answer came.
    async fn exchange<T>(
        &self,
        write: bool,
        exchange: impl AsyncFnOnce(&Collection<Doc>, &mut ClientSession) -> Result<T, Error>,
    ) -> Result<(T, Option<OpTime>), StoreError> {
        // Names may take their time to be resolved, one call after the other.
        let connected = timeout(EXCHANGE, self.connected()).await;
        let connected = connected.map_err(|_| StoreError::Unreachable("no answer in time".to_owned()))??;
        let documents = self.documents(&connected);
        let run = async {
            let mut session = connected.client.start_session().await?;
            let done = exchange(&documents, &mut session).await?;
            Ok((done, session.operation_time().map(OpTime::from)))
        };
        match timeout(EXCHANGE, run).await {
            Ok(done) => done.map_err(|error| self.error(&connected, &error, write)),
            Err(_) if write => Err(StoreError::Unconfirmed("no answer in time".to_owned())),
            Err(_) => Err(StoreError::Unreachable("no answer in time".to_owned())),
        }
    }

    fn documents(&self, connected: &Connected) -> Collection<Doc> {
        let majority = WriteConcern::builder().w(::mongodb::options::Acknowledgment::Majority).w_timeout(MAJORITY);
        let options = CollectionOptions::builder()
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .write_concern(majority.build())
            .build();
        connected.client.database(&self.database).collection_with_options(&self.collection, options)
    }

    fn error(&self, connected: &Connected, error: &Error, write: bool) -> StoreError {
        let text = self.connection.readable(connected, error);
        match (&*error.kind, code(error)) {
            (_, Some(DUPLICATE)) => StoreError::Exists,
            (ErrorKind::Write(WriteFailure::WriteConcernError(_)), _) => StoreError::Unconfirmed(text),
            (ErrorKind::Authentication { .. }, _) => StoreError::Denied(text),
            (_, Some(code)) if DENIED.contains(&code) => StoreError::Denied(text),
            (ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. }, _) if write => StoreError::Unconfirmed(text),
            (
                ErrorKind::Io(_)
                | ErrorKind::ConnectionPoolCleared { .. }
                | ErrorKind::ServerSelection { .. }
                | ErrorKind::DnsResolve { .. },
                _,
            ) => StoreError::Unreachable(text),
            // Stepping down, shutting down, no primary yet: the driver has tried twice. A server that is interrupted while
            // it waits for the others has the write already, and they may have it.
            _ if error.contains_label(::mongodb::error::RETRYABLE_WRITE_ERROR) => {
                if write {
                    StoreError::Unconfirmed(text)
                } else {
                    StoreError::Unreachable(text)
                }
            }
            _ => StoreError::Failed(text),
        }
    }
}

/// A filter on `appId`. A list that holds such a string fits a bare condition, too, but is no app's id.
fn by_app(mut condition: Doc) -> Doc {
    condition.insert("$not", doc! { "$type": "array" });
    doc! { "appId": condition }
}

fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(c) => Some(c.code),
        ErrorKind::Write(WriteFailure::WriteError(e)) => Some(e.code),
        _ => None,
    }
}

#[async_trait]
impl Store for MongoStore {
    async fn find(&self, app_id: &str) -> Result<(Found, Option<OpTime>), StoreError> {
        let (mut found, at) = self
            .exchange(false, async |documents, session| {
                let mut cursor = documents.find(by_app(doc! { "$eq": app_id })).limit(2).session(&mut *session).await?;
                cursor.stream(session).try_collect::<Vec<Doc>>().await
            })
            .await?;
        let found = match (found.pop(), found.pop()) {
            (None, _) => Found::Nothing,
            (Some(only), None) => Found::One(Box::new(Stored::new(only))),
            _ => Found::Several,
        };
        Ok((found, at))
    }

    async fn page(&self, after: &str, limit: usize) -> Result<(Vec<Listed>, bool), StoreError> {
        // One more tells whether there are more, and whether the last one stands alone.
        let most = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
        let (found, _) = self
            .exchange(false, async |documents, session| {
                let find = documents
                    .find(by_app(doc! { "$gt": after, "$type": "string" }))
                    .sort(doc! { "appId": 1 })
                    .limit(most);
                let mut cursor = find.session(&mut *session).await?;
                cursor.stream(session).try_collect::<Vec<Doc>>().await
            })
            .await?;
        let more = found.len() > limit;
        let mut listed: Vec<Listed> = Vec::new();
        for (n, raw) in found.into_iter().enumerate() {
            let app_id = raw.get_str("appId").unwrap_or_default().to_owned();
            match listed.last_mut() {
                Some(last) if last.app_id == app_id => last.found = Found::Several,
                _ if n == limit => {}
                _ => listed.push(Listed { app_id, found: Found::One(Box::new(Stored::new(raw))) }),
            }
        }
        Ok((listed, more))
    }

    async fn insert(&self, edit: &Edit) -> Result<Written, StoreError> {
        let mut raw = document(edit);
        raw.insert(REVISION, FIRST);
        let (result, at) =
            self.exchange(true, async |documents, session| documents.insert_one(&raw).session(session).await).await?;
        let mut stored = doc! { "_id": result.inserted_id };
        stored.extend(raw);
        Ok(Written { stored: Some(Box::new(Stored::new(stored))), at })
    }

    async fn update(&self, stored: &Stored, edit: &Edit) -> Result<Attempt, StoreError> {
        let (after, at) = self
            .exchange(true, async |documents, session| {
                documents
                    .find_one_and_update(stored.pinned(edit.names()), update(stored, edit))
                    .return_document(ReturnDocument::After)
                    .session(session)
                    .await
            })
            .await?;
        Ok(match after {
            None => Attempt::Overtaken,
            Some(raw) => Attempt::Written(Written { stored: Some(Box::new(Stored::new(raw))), at }),
        })
    }

    async fn remove(&self, stored: &Stored) -> Result<Attempt, StoreError> {
        let (result, at) = self
            .exchange(true, async |documents, session| {
                documents.delete_one(stored.pinned(std::iter::empty())).session(session).await
            })
            .await?;
        Ok(if result.deleted_count == 0 { Attempt::Overtaken } else { Attempt::Written(Written { stored: None, at }) })
    }

    fn read_only(&self) -> Option<String> {
        None
    }

    async fn attend(&self) {
        let mut keeper = index::Keeper::default();
        loop {
            let made = self.exchange(true, async |documents, session| index::make(documents, session).await).await;
            sleep(keeper.heard(made.map(|(state, _)| state))).await;
        }
    }
}
