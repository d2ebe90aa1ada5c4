//! From raw BSON to what the supervisor knows. Whatever can't be read for certain is said to be so: a document is
//! read again, a field is of a type no field of ours may have.

use ::mongodb::bson::raw::cstr;
use ::mongodb::bson::{Bson, DateTime, RawBsonRef, RawDocument, RawDocumentBuf};

use super::op_time;
use crate::apps::DocId;
use crate::apps::document::{Document, FIELDS, Name, Record, Type, Value};
use crate::apps::feed::source::{Event, Patch, What};
use crate::apps::feed::words::{Change, ReloadCause};

/// The longest an `_id` is written out.
const LONGEST_NAME: usize = 80;

/// One event of the stream.
pub(super) fn event(raw: &RawDocument, collection: &str) -> Event {
    Event {
        at: raw.get_timestamp("clusterTime").ok().map(op_time),
        wrote: raw.get_datetime("wallTime").ok().map(DateTime::timestamp_millis),
        what: what(raw, collection),
    }
}

fn what(raw: &RawDocument, collection: &str) -> What {
    let Ok(kind) = raw.get_str("operationType") else { return What::Gone(ReloadCause::Unreadable) };
    match kind {
        "drop" | "dropDatabase" => return What::Gone(ReloadCause::Dropped),
        "rename" => return What::Gone(ReloadCause::Renamed),
        "invalidate" => return What::Gone(ReloadCause::Invalidated),
        "insert" | "update" | "replace" | "delete" => {}
        _ => return What::Unknown,
    }
    if raw.get_document("ns").ok().and_then(|ns| ns.get_str("coll").ok()) != Some(collection) {
        return What::Unknown;
    }
    let key = raw.get_document("documentKey").ok().and_then(|key| key.get("_id").ok().flatten());
    let Some(id) = key.map(doc_id) else { return What::Gone(ReloadCause::Unreadable) };
    let full = || raw.get_document("fullDocument").ok().map(document);
    let whole = |id: DocId, change| match full() {
        Some(document) => What::Put(id, document, change),
        None => What::Doubtful(id),
    };
    match kind {
        "insert" => whole(id, Change::Insert),
        "replace" => whole(id, Change::Replace),
        "delete" => What::Remove(id),
        _ => match raw.get_document("updateDescription").ok().and_then(patch) {
            Some(patch) => What::Patch(id, patch),
            None => What::Doubtful(id),
        },
    }
}

/// What an update says it did; `None` if a part of it can't be read.
fn patch(update: &RawDocument) -> Option<Patch> {
    let mut patch = Patch::default();
    if let Some(set) = update.get("updatedFields").ok()? {
        for element in set.as_document()?.iter_elements() {
            let element = element.ok()?;
            let name = element.key().as_str();
            if let Some((top, _)) = name.split_once('.') {
                nested(&mut patch, top);
            } else if Name::classify(name).is_some() {
                patch.set.push((name.to_owned(), element.value().map_or(UNREADABLE, value)));
            }
        }
    }
    if let Some(unset) = update.get("removedFields").ok()? {
        for name in unset.as_array()? {
            let name = name.ok()?.as_str()?;
            match name.split_once('.') {
                Some((top, _)) => nested(&mut patch, top),
                None => patch.unset.extend(Name::classify(name).is_some().then(|| name.to_owned())),
            }
        }
    }
    if let Some(truncated) = update.get("truncatedArrays").ok()?.filter(|t| !matches!(t, RawBsonRef::Null)) {
        for array in truncated.as_array()? {
            let field = array.ok()?.as_document()?.get_str("field").ok()?;
            nested(&mut patch, field.split_once('.').map_or(field, |(top, _)| top));
        }
    }
    Some(patch)
}

fn nested(patch: &mut Patch, top: &str) {
    if Name::classify(top).is_some() {
        patch.nested.push(top.to_owned());
    }
}

const UNREADABLE: Value = Value::Other(Type::Unsupported);

/// A document with its `_id`, packed; `None` if it has no `_id` that can be read.
pub(super) fn record(raw: &RawDocument) -> Option<(DocId, Record)> {
    let id = doc_id(raw.get("_id").ok().flatten()?);
    Some((id, document(raw).pack()))
}

/// The fields of a document that matter. One with a name that isn't UTF-8 can't be read beyond that place: what isn't
/// known makes its own app unusable, and must not stand in the way of any other.
pub(crate) fn document(raw: &RawDocument) -> Document {
    let mut document = Document::default();
    for element in raw.iter_elements() {
        let Ok(element) = element else {
            for field in FIELDS {
                if document.get(field).is_none() {
                    document.set(field, UNREADABLE);
                }
            }
            break;
        };
        let name = element.key().as_str();
        // BSON allows a name twice, and then nobody knows which one is meant.
        let twice = document.get(name).is_some();
        document.set(name, if twice { UNREADABLE } else { element.value().map_or(UNREADABLE, value) });
    }
    document
}

fn value(raw: RawBsonRef<'_>) -> Value {
    match raw {
        RawBsonRef::Null => Value::Null,
        RawBsonRef::String(s) => Value::string(s),
        RawBsonRef::Boolean(b) => Value::Bool(b),
        RawBsonRef::DateTime(date) => Value::Date(date.timestamp_millis()),
        RawBsonRef::Double(_) | RawBsonRef::Int32(_) | RawBsonRef::Int64(_) | RawBsonRef::Decimal128(_) => {
            Value::Other(Type::Number)
        }
        RawBsonRef::Document(_) => Value::Other(Type::Object),
        RawBsonRef::Array(_) => Value::Other(Type::Array),
        RawBsonRef::Binary(_) => Value::Other(Type::Binary),
        _ => UNREADABLE,
    }
}

/// An `_id` as we keep it: twelve bytes, or a small BSON document of it.
fn doc_id(id: RawBsonRef<'_>) -> DocId {
    match id {
        RawBsonRef::ObjectId(id) => DocId::ObjectId(id.bytes()),
        other => {
            let mut document = RawDocumentBuf::new();
            document.append(cstr!("_id"), other);
            DocId::from_bytes(document.as_bytes())
        }
    }
}

/// The `_id` again, to ask for it.
pub(super) fn bson(id: &DocId) -> Option<Bson> {
    match id {
        DocId::ObjectId(bytes) => Some(Bson::ObjectId((*bytes).into())),
        DocId::Other(bytes) => RawDocument::from_bytes(bytes).ok()?.get("_id").ok().flatten()?.try_into().ok(),
    }
}

/// The `_id` for people.
pub(in crate::apps::feed) fn name(id: &DocId) -> String {
    let mut text = match bson(id) {
        Some(Bson::ObjectId(id)) => format!("_id {id}"),
        Some(other) => format!("_id {other}"),
        None => "_id that can't be read".to_owned(),
    };
    if let Some((end, _)) = text.char_indices().nth(LONGEST_NAME) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

#[cfg(test)]
#[path = "translate_tests.rs"]
mod tests;
