//! The stream: its position, its events, its end.
//!
//! It watches the database, not the collection, so that it survives a drop and a rename and sees a collection
//! renamed *back*. Events arrive as raw documents: a typed stream would skip a malformed one without a word.

use std::pin::pin;
use std::task::Poll;

use ::mongodb::ClientSession;
use ::mongodb::Database;
use ::mongodb::bson::{Document, RawDocumentBuf, deserialize_from_slice, doc, serialize_to_vec};
use ::mongodb::change_stream::event::ResumeToken;
use ::mongodb::change_stream::session::SessionChangeStream;
use ::mongodb::error::{Error, Result};
use ::mongodb::options::ReadConcern;
use futures_util::poll;
use tokio::sync::mpsc;

use super::super::driver::MAX_AWAIT;
use super::client::Observed;
use super::{op_time, translate};
use crate::apps::feed::source::{Batch, Event, Signal, Token};

type Stream = SessionChangeStream<RawDocumentBuf>;

/// The most events that are published at once.
const LARGEST_BATCH: usize = 1000;

/// Only this collection, also under a name it had or gets; of every event, what is used.
///
/// The end of the whole database has no collection. `fullDocument` stays whole: a misspelt field name must be seen.
fn pipeline(collection: &str) -> [Document; 2] {
    [
        doc! { "$match": { "$or": [
            { "ns.coll": collection },
            { "to.coll": collection },
            { "operationType": { "$in": ["dropDatabase", "invalidate"] } },
        ] } },
        doc! { "$project": {
            "_id": 1, "operationType": 1, "ns": 1, "to": 1, "documentKey": 1, "clusterTime": 1, "wallTime": 1,
            "fullDocument": 1, "updateDescription": 1,
        } },
    ]
}

/// Opens a stream at the present in a causally consistent session, and takes its token.
pub(super) async fn position(database: &Database, collection: &str, session: &mut ClientSession) -> Result<Token> {
    let mut stream = database
        .watch()
        .pipeline(pipeline(collection))
        .read_concern(ReadConcern::majority())
        .max_await_time(MAX_AWAIT)
        .session(&mut *session)
        .await?
        .with_type::<RawDocumentBuf>();
    loop {
        if let Some(token) = stream.resume_token() {
            return kept(&token);
        }
        // The server had an event ready: what comes before its token is in the load, as that is read later.
        stream.next_if_any(session).await?;
        if !stream.is_alive() {
            return Err(std::io::Error::other("the server closed the stream at its opening").into());
        }
    }
}

/// A stream being followed.
pub(super) struct Follower<'a> {
    pub(super) collection: &'a str,
    pub(super) observed: &'a Observed,
    pub(super) sink: mpsc::Sender<Signal>,
}

impl Follower<'_> {
    /// Opens the stream after a token and reports until it fails, is closed (`Ok`), or nobody listens. The session is
    /// there for the server's time.
    pub(super) async fn follow(&self, database: &Database, after: &Token, mut session: ClientSession) -> Result<()> {
        let after: ResumeToken = deserialize_from_slice(&after.0)?;
        // The stream before this one may have been dropped at any point.
        self.observed.streaming(false);
        let stream = database
            .watch()
            .pipeline(pipeline(self.collection))
            .read_concern(ReadConcern::majority())
            .max_await_time(MAX_AWAIT)
            .resume_after(after)
            .session(&mut session)
            .await?
            .with_type::<RawDocumentBuf>();
        self.observed.streaming(true);
        match self.sink.send(Signal::Opened(session.operation_time().map(op_time))).await {
            Ok(()) => self.drain(stream, session).await,
            Err(_) => Ok(()),
        }
    }

    async fn drain(&self, mut stream: Stream, mut session: ClientSession) -> Result<()> {
        let mut events: Vec<Event> = Vec::new();
        let mut token = None;
        loop {
            let next = {
                // Ready at once: an event of the batch we have. Pending: a request is on its way, so the batch is
                // complete, and put in force while the server works. The request is never given up half way:
                // the stream would be worth nothing after that.
                let mut next = pin!(stream.next_if_any(&mut session));
                match poll!(next.as_mut()) {
                    Poll::Ready(next) => next,
                    Poll::Pending => {
                        if !events.is_empty() && !self.send(&mut events, token.clone()).await {
                            return Ok(());
                        }
                        next.await
                    }
                }
            };
            let done = match &next {
                Ok(Some(event)) => {
                    events.push(translate::event(event, self.collection));
                    events.len() >= LARGEST_BATCH
                }
                Ok(None) | Err(_) => true,
            };
            if next.is_ok() {
                token = stream.resume_token().map(|t| kept(&t)).transpose()?.or(token);
            }
            if done && (next.is_ok() || !events.is_empty()) && !self.send(&mut events, token.clone()).await {
                return Ok(());
            }
            if next?.is_none() && !stream.is_alive() {
                return Ok(());
            }
        }
    }

    /// Whether anybody listens.
    async fn send(&self, events: &mut Vec<Event>, token: Option<Token>) -> bool {
        let resumed = self.observed.take_resumed();
        let batch = Batch { events: std::mem::take(events), token, resumed };
        self.sink.send(Signal::Batch(batch)).await.is_ok()
    }
}

/// A token as we keep it: the bytes of its BSON.
fn kept(token: &ResumeToken) -> Result<Token> {
    serialize_to_vec(token).map(|bytes| Token(bytes.into())).map_err(Error::from)
}
