//! The MongoDB room: the only one that knows the driver. It translates, and decides nothing.
//!
//! One client serves the stream, the loads and the reads. The connection string may carry a password: it is wiped
//! when dropped, and no text that leaves this room can hold a part of it.

mod client;
mod errors;
mod load;
mod origin;
mod stream;
mod translate;
mod uri;

use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use ::mongodb::bson::{RawDocumentBuf, Timestamp};
use ::mongodb::error::Error;
use ::mongodb::{ClientSession, Collection, Database};
use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc};

use self::client::Observed;
pub(crate) use self::client::{Connected, Connection};
use self::errors::Translator;
pub(super) use self::origin::origin;
pub(crate) use self::translate::document;
pub(super) use self::translate::name;
pub use self::uri::{UriFault, check_uri};
use super::failure::{Failure, FailureKind};
use super::source::{Documents, OpTime, Signal, Source, Token};
use crate::apps::DocId;

/// How long leaving may take.
const LEAVE: Duration = Duration::from_millis(500);

/// A collection of app documents.
pub(super) struct MongoSource {
    connection: Connection,
    database: String,
    collection: String,
    /// Made at the first use, as `mongodb+srv` asks the DNS; made anew when nothing more is to be had of it.
    connected: Mutex<Option<Connected>>,
    reads: Mutex<Reads>,
    /// What reads must not fall behind while there was no position yet.
    floor: StdMutex<Option<Timestamp>>,
    server: StdMutex<Option<String>>,
}

/// The causally consistent session of loads and reads: nothing read in it is older than the last position.
#[derive(Default)]
struct Reads {
    session: Option<ClientSession>,
    /// Its time, for a session on another client that must not fall behind it.
    at: Option<Timestamp>,
}

impl MongoSource {
    pub(super) fn new(uri: &str, database: String, collection: String) -> Self {
        Self {
            connection: Connection::new(uri),
            database,
            collection,
            connected: Mutex::new(None),
            reads: Mutex::default(),
            floor: StdMutex::new(None),
            server: StdMutex::new(None),
        }
    }

    async fn connected(&self) -> Result<Connected, Failure> {
        let mut slot = self.connected.lock().await;
        if let Some(connected) = slot.as_ref().filter(|c| !c.is_spent()) {
            return Ok(connected.clone());
        }
        let observed = Arc::new(Observed::default());
        let client = self.connection.connect(&observed, client::POOL).await?;
        self.reads.lock().await.session = None;
        Ok(slot.insert(Connected { client, observed }).clone())
    }

    fn database(&self, connected: &Connected) -> Database {
        connected.client.database(&self.database)
    }

    fn documents(&self, connected: &Connected) -> Collection<RawDocumentBuf> {
        self.database(connected).collection(&self.collection)
    }

    fn translator<'a>(&'a self, connected: &'a Connected) -> Translator<'a> {
        Translator { secrets: self.connection.secrets(), observed: Some(&connected.observed) }
    }

    fn failure(&self, connected: &Connected, error: &Error) -> Failure {
        self.translator(connected).failure(error)
    }

    /// Finds out what the server is; one without change streams is a failure.
    async fn identify(&self, connected: &Connected, database: &Database) -> Result<(), Failure> {
        let found = tokio::select! {
            found = client::kind_of_server(database) => found.map_err(|e| self.failure(connected, &e))?,
            () = connected.observed.deserted() => return Err(self.translator(connected).nobody()),
        };
        let found = found.ok_or_else(|| Failure::new(FailureKind::Standalone, errors::STANDALONE))?;
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        Ok(())
    }

    fn floor(&self) -> Option<Timestamp> {
        *self.floor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn new_session(&self, connected: &Connected, since: Option<Timestamp>) -> Result<ClientSession, Failure> {
        let session = connected.client.start_session().causal_consistency(true).await;
        let mut session = session.map_err(|e| self.failure(connected, &e))?;
        if let Some(since) = since {
            session.advance_operation_time(since);
        }
        Ok(session)
    }

    /// Reads in the session: everything, or these documents.
    async fn read_in_session(&self, ids: Option<&[DocId]>) -> Result<Documents, Failure> {
        let connected = self.connected().await?;
        let (documents, translator) = (self.documents(&connected), self.translator(&connected));
        let mut reads = self.reads.lock().await;
        let mut session = match reads.session.take() {
            Some(session) => session,
            None => self.new_session(&connected, reads.at.or(self.floor())).await?,
        };
        let result = match ids {
            Some(ids) => load::some(&documents, &mut session, ids, &translator).await,
            None => load::all(&documents, &mut session, &translator).await,
        };
        *reads = Reads { at: session.operation_time().or(reads.at), session: Some(session) };
        result
    }
}

#[async_trait]
impl Source for MongoSource {
    async fn position(&self) -> Result<Token, Failure> {
        let connected = self.connected().await?;
        let database = self.database(&connected);
        self.identify(&connected, &database).await?;
        let mut session = self.new_session(&connected, None).await?;
        let token = stream::position(&database, &self.collection, &mut session).await;
        let token = token.map_err(|e| self.failure(&connected, &e))?;
        *self.reads.lock().await = Reads { at: session.operation_time(), session: Some(session) };
        *self.floor.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(token)
    }

    async fn load(&self) -> Result<Documents, Failure> {
        self.read_in_session(None).await
    }

    async fn compare(&self, since: OpTime) -> Result<Documents, Failure> {
        let connected = self.connected().await?;
        let since = (since != OpTime::default()).then(|| timestamp(since));
        let mut session = self.new_session(&connected, since).await?;
        load::all(&self.documents(&connected), &mut session, &self.translator(&connected)).await
    }

    async fn read(&self, ids: Vec<DocId>) -> Result<Documents, Failure> {
        self.read_in_session(Some(&ids)).await
    }

    fn not_before(&self, at: OpTime) {
        let floor = (at != OpTime::default()).then(|| timestamp(at));
        *self.floor.lock().unwrap_or_else(PoisonError::into_inner) = floor;
    }

    async fn follow(&self, after: Token, sink: mpsc::Sender<Signal>) -> Failure {
        let connected = match self.connected().await {
            Ok(connected) => connected,
            Err(failure) => return failure,
        };
        let database = self.database(&connected);
        // Without a position before, nobody has asked yet.
        if self.server().is_none()
            && let Err(failure) = self.identify(&connected, &database).await
        {
            return failure;
        }
        let session = match connected.client.start_session().causal_consistency(false).await {
            Ok(session) => session,
            Err(error) => return self.failure(&connected, &error),
        };
        let follower = stream::Follower { collection: &self.collection, observed: &connected.observed, sink };
        match follower.follow(&database, &after, session).await {
            Err(error) if connected.observed.take_resumed() => self.failure(&connected, &error).of_another_place(),
            Err(error) => self.failure(&connected, &error),
            Ok(()) => Failure::new(FailureKind::Transient, "the server closed the stream"),
        }
    }

    async fn close(&self) {
        // Lets the cursors be killed on the server; one that doesn't answer must not hold us up.
        let leave = async {
            self.reads.lock().await.session = None;
            if let Some(connected) = self.connected.lock().await.take() {
                connected.client.shutdown().await;
            }
        };
        let _ = tokio::time::timeout(LEAVE, leave).await;
    }

    fn server(&self) -> Option<String> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn timestamp(at: OpTime) -> Timestamp {
    Timestamp { time: (at.0 >> 32) as u32, increment: (at.0 & u64::from(u32::MAX)) as u32 }
}

fn op_time(at: Timestamp) -> OpTime {
    at.into()
}

impl From<Timestamp> for OpTime {
    fn from(at: Timestamp) -> Self {
        Self(u64::from(at.time) << 32 | u64::from(at.increment))
    }
}
