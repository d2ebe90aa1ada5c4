//! The MongoDB room: the only one that knows the driver. It translates, and decides nothing.
//!
//! One client serves the stream, the loads and the reads. The connection string may carry a password: it is wiped
//! when dropped, and no text that leaves this room can hold a part of it.

mod client;
mod errors;
mod load;
mod stream;
mod translate;

use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use ::mongodb::Client;
use ::mongodb::ClientSession;
use ::mongodb::bson::{RawDocumentBuf, Timestamp};
use ::mongodb::{Collection, Database};
use async_trait::async_trait;
use tokio::sync::{Mutex, OnceCell, mpsc};

pub use self::client::check_uri;
use self::client::{Connection, Observed};
use self::errors::Translator;
pub(super) use self::translate::name;
use super::failure::{Failure, FailureKind};
use super::source::{Documents, OpTime, Signal, Source, Token};
use crate::apps::snapshot::DocId;

/// A collection of app documents.
pub(super) struct MongoSource {
    connection: Connection,
    database: String,
    collection: String,
    /// Made at the first use: a connection string with `mongodb+srv` asks the DNS.
    client: OnceCell<Client>,
    /// The causally consistent session of the last position: nothing read in it is older than that.
    session: Mutex<Option<ClientSession>>,
    observed: Arc<Observed>,
    server: StdMutex<Option<String>>,
}

impl MongoSource {
    pub(super) fn new(uri: &str, database: String, collection: String) -> Self {
        Self {
            connection: Connection::new(uri),
            database,
            collection,
            client: OnceCell::new(),
            session: Mutex::new(None),
            observed: Arc::default(),
            server: StdMutex::new(None),
        }
    }

    async fn client(&self) -> Result<&Client, Failure> {
        self.client.get_or_try_init(|| self.connection.connect(&self.observed)).await
    }

    async fn database(&self) -> Result<Database, Failure> {
        Ok(self.client().await?.database(&self.database))
    }

    async fn documents(&self) -> Result<Collection<RawDocumentBuf>, Failure> {
        Ok(self.database().await?.collection(&self.collection))
    }

    fn translator(&self) -> Translator<'_> {
        Translator { secrets: self.connection.secrets(), standalone: self.observed.standalone() }
    }

    async fn new_session(&self) -> Result<ClientSession, Failure> {
        let session = self.client().await?.start_session().causal_consistency(true).await;
        session.map_err(|e| self.translator().failure(&e))
    }
}

#[async_trait]
impl Source for MongoSource {
    async fn position(&self) -> Result<Token, Failure> {
        let database = self.database().await?;
        let found = client::kind_of_server(&database).await.map_err(|e| self.translator().failure(&e))?;
        let Some(found) = found else {
            return Err(Failure::new(FailureKind::Standalone, errors::STANDALONE));
        };
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        let mut session = self.new_session().await?;
        let token = stream::position(&database, &self.collection, &mut session).await;
        let token = token.map_err(|e| self.translator().failure(&e))?;
        *self.session.lock().await = Some(session);
        Ok(token)
    }

    async fn load(&self) -> Result<Documents, Failure> {
        let documents = self.documents().await?;
        let mut session = self.session.lock().await;
        let session = session.as_mut().ok_or_else(no_position)?;
        load::all(&documents, session, &self.translator()).await
    }

    async fn compare(&self, since: OpTime) -> Result<Documents, Failure> {
        let documents = self.documents().await?;
        let mut session = self.new_session().await?;
        if since != OpTime::default() {
            session.advance_operation_time(timestamp(since));
        }
        load::all(&documents, &mut session, &self.translator()).await
    }

    async fn read(&self, ids: Vec<DocId>) -> Result<Documents, Failure> {
        let documents = self.documents().await?;
        let mut session = self.session.lock().await;
        let session = session.as_mut().ok_or_else(no_position)?;
        load::some(&documents, session, &ids, &self.translator()).await
    }

    async fn follow(&self, after: Token, sink: mpsc::Sender<Signal>) -> Failure {
        let database = match self.database().await {
            Ok(database) => database,
            Err(failure) => return failure,
        };
        let follower = stream::Follower { collection: &self.collection, observed: &self.observed, sink };
        match follower.follow(&database, &after).await {
            Err(error) => self.translator().failure(&error),
            Ok(()) => Failure::new(FailureKind::Transient, "the server closed the stream"),
        }
    }

    async fn close(&self) {
        if let Some(client) = self.client.get() {
            drop(self.session.lock().await.take());
            // Lets the cursors be killed on the server; a server that doesn't answer must not hold us up.
            let leave = client.clone().shutdown();
            let _ = tokio::time::timeout(std::time::Duration::from_millis(500), leave).await;
        }
    }

    fn server(&self) -> Option<String> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn no_position() -> Failure {
    Failure::new(FailureKind::Unlisted, "a read without a position before it")
}

fn timestamp(at: OpTime) -> Timestamp {
    Timestamp { time: (at.0 >> 32) as u32, increment: (at.0 & u64::from(u32::MAX)) as u32 }
}

fn op_time(at: Timestamp) -> OpTime {
    OpTime(u64::from(at.time) << 32 | u64::from(at.increment))
}
