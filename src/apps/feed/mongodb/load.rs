//! Reads of whole documents: all of them, or some by `_id`; always with read concern majority, in a session.

use std::time::Duration;

use ::mongodb::bson::{Bson, Document, RawBsonRef, RawDocumentBuf, doc};
use ::mongodb::options::ReadConcern;
use ::mongodb::{ClientSession, Collection};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::errors::Translator;
use super::{Failure, FailureKind, op_time, translate};
use crate::apps::DocId;
use crate::apps::feed::source::{Documents, OpTime};

/// Documents in one reply. Small enough not to keep a thread for long.
const BATCH: u32 = 2000;
/// The longest a server may take for one reply.
const STALL: Duration = Duration::from_secs(30);

/// All documents.
pub(super) async fn all(
    collection: &Collection<RawDocumentBuf>,
    session: &mut ClientSession,
    translator: &Translator<'_>,
) -> Result<Documents, Failure> {
    read(collection, session, doc! {}, translator).await
}

/// The documents with these `_id`s.
pub(super) async fn some(
    collection: &Collection<RawDocumentBuf>,
    session: &mut ClientSession,
    ids: &[DocId],
    translator: &Translator<'_>,
) -> Result<Documents, Failure> {
    let ids: Vec<Bson> = ids.iter().filter_map(translate::bson).collect();
    read(collection, session, doc! { "_id": { "$in": ids } }, translator).await
}

async fn read(
    collection: &Collection<RawDocumentBuf>,
    session: &mut ClientSession,
    filter: Document,
    translator: &Translator<'_>,
) -> Result<Documents, Failure> {
    let failure = |e: &_| translator.failure(e);
    let find = collection.find(filter).batch_size(BATCH).read_concern(ReadConcern::majority());
    let cursor = timeout(STALL, find.session(&mut *session).batch()).await.map_err(|_| stalled())?;
    let mut cursor = cursor.map_err(|e| failure(&e))?;
    let mut found = Vec::new();
    let mut batches = cursor.stream(&mut *session);
    while let Some(batch) = timeout(STALL, batches.next()).await.map_err(|_| stalled())? {
        let batch = batch.map_err(|e| failure(&e))?;
        let documents = batch.doc_slices().map_err(|e| failure(&e))?;
        for document in documents {
            let document = document.ok().and_then(RawBsonRef::as_document).and_then(translate::record);
            found.push(document.ok_or_else(unreadable)?);
        }
    }
    drop(batches);
    Ok(Documents { found, at: session.operation_time().map_or(OpTime::MAX, op_time) })
}

fn stalled() -> Failure {
    Failure::new(FailureKind::Transient, format!("reading documents: no reply for {} s", STALL.as_secs()))
}

fn unreadable() -> Failure {
    Failure::new(FailureKind::Unlisted, "the server sent a document without a readable _id")
}
