//! What the supervisor needs from a store with a change stream, and nothing of how one is spoken to.
//!
//! The MongoDB room implements [`Source`]; the tests have one in memory. Every method is one exchange, made in a
//! task of its own; the caller bounds its time and may drop it at any point.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::failure::Failure;
use super::words::{Change, ReloadCause};
use crate::apps::DocId;
use crate::apps::document::{Document, Name, Record, Type, Value};

/// A moment of the store's logical clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpTime(pub u64);

impl OpTime {
    /// Later than any moment: what a load counts as if the store doesn't tell its time.
    pub const MAX: Self = Self(u64::MAX);
}

/// A place in the stream, opaque: it can be kept, but two of them can't be ordered.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub Arc<[u8]>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} bytes)", self.0.len())
    }
}

/// Documents that were read, and the moment they are at least as new as.
pub struct Documents {
    /// Each with its `_id`.
    pub found: Vec<(DocId, Record)>,
    /// The store's time when the last of them had been read; [`OpTime::MAX`] where it doesn't tell.
    pub at: OpTime,
}

/// What the stream said of one change.
pub struct Event {
    /// When it happened; an event without a time is never applied, its document is read.
    pub at: Option<OpTime>,
    /// The writer's wall clock, in milliseconds since the epoch.
    pub wrote: Option<i64>,
    /// What happened.
    pub what: What,
}

/// What happened.
pub enum What {
    /// The document is now this one.
    Put(DocId, Document, Change),
    /// Some of its fields changed.
    Patch(DocId, Patch),
    /// It is gone.
    Remove(DocId),
    /// It changed, but the event doesn't say how.
    Doubtful(DocId),
    /// The collection as we know it is gone, or the event can't be read at all: everything must be read again.
    Gone(ReloadCause),
    /// Nothing that concerns us.
    Unknown,
}

/// A partial update: only names that matter here.
#[derive(Default)]
pub struct Patch {
    /// Top-level fields and their new values.
    pub set: Vec<(String, Value)>,
    /// Top-level fields that are gone.
    pub unset: Vec<String>,
    /// Top-level fields of which a part changed (a dotted name, a truncated array).
    pub nested: Vec<String>,
}

impl Patch {
    /// Applies it; `false`, and nothing changed, if the update can't be told from the event alone.
    ///
    /// A part of an object or array leaves it one, which no field of ours may be. On anything else a dotted name
    /// either created the object or is a field with a dot in its name: then only the document itself knows.
    pub fn apply(self, document: &mut Document) -> bool {
        let composite = |name: &String| {
            matches!(Name::classify(name), Some(Name::Ours(_)))
                && matches!(document.get(name), Some(Value::Other(Type::Object | Type::Array)))
        };
        if !self.nested.iter().all(composite) {
            return false;
        }
        for (name, value) in self.set {
            document.set(&name, value);
        }
        for name in self.unset {
            document.unset(&name);
        }
        true
    }
}

/// What one reply of the stream carried; without events it proves contact all the same.
pub struct Batch {
    /// In the order they happened.
    pub events: Vec<Event>,
    /// The place after them.
    pub token: Option<Token>,
    /// The stream had broken and was resumed below us: nobody knows where.
    pub resumed: bool,
}

/// What [`Source::follow`] reports.
pub enum Signal {
    /// The stream is open, and this was the store's time by then, if it tells: what happened before has yet to come.
    Opened(Option<OpTime>),
    /// A reply came.
    Batch(Batch),
}

/// A store of app documents with a change stream.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// Takes a position: everything that happens after it can be followed from the token.
    async fn position(&self) -> Result<Token, Failure>;

    /// Reads all documents, none older than the position taken before.
    async fn load(&self) -> Result<Documents, Failure>;

    /// Reads all documents, none older than `since`; runs beside the stream.
    async fn compare(&self, since: OpTime) -> Result<Documents, Failure>;

    /// Reads single documents, none older than anything read or taken before; those that don't exist are left out.
    async fn read(&self, ids: Vec<DocId>) -> Result<Documents, Failure>;

    /// Nothing may be read from here on that is older than this; a later position takes its place.
    fn not_before(&self, at: OpTime);

    /// Follows the stream from a token and reports to `sink` until it fails. Ends when `sink` is closed.
    async fn follow(&self, after: Token, sink: mpsc::Sender<Signal>) -> Failure;

    /// Takes leave of the store; bounded in time.
    async fn close(&self);

    /// What the server turned out to be, for `/status`.
    fn server(&self) -> Option<String>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(nested: &[&str]) -> Patch {
        Patch {
            set: vec![("disabled".into(), Value::Bool(true)), ("jwtSecretKey".into(), Value::string("x"))],
            unset: vec!["secret_encoding".into()],
            nested: nested.iter().map(|s| (*s).to_owned()).collect(),
        }
    }

    fn document(secret: Value) -> Document {
        let mut document = Document::default();
        document.set("appId", Value::string("A"));
        document.set("jwt_secretkey", secret);
        document.set("secret_encoding", Value::string("raw"));
        document
    }

    #[test]
    fn a_patch_sets_and_unsets_top_level_fields() {
        let mut d = document(Value::string("s"));
        assert!(patch(&[]).apply(&mut d));
        assert!(d.get("disabled") == Some(&Value::Bool(true)));
        assert!(d.get("secret_encoding").is_none());
        assert_eq!(d.look_alike(), Some(("jwtSecretKey", "jwt_secretkey")));
    }

    #[test]
    fn a_part_of_a_composite_changes_nothing_and_a_part_of_anything_else_needs_a_read() {
        for composite in [Type::Object, Type::Array] {
            let mut d = document(Value::Other(composite));
            assert!(patch(&["jwt_secretkey"]).apply(&mut d));
            assert!(d.get("jwt_secretkey") == Some(&Value::Other(composite)));
        }
        for (secret, nested) in
            [(Value::string("s"), "jwt_secretkey"), (Value::Null, "disabled"), (Value::Null, "appid")]
        {
            let mut d = document(secret);
            let before = d.clone();
            assert!(!patch(&[nested]).apply(&mut d));
            assert!(d == before);
        }
    }
}
