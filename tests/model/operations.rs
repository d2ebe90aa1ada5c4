//! Random writes, made to the database and to the model alike.

use std::collections::BTreeMap;

use fastrand::Rng;
use mongodb::ClientSession;
use mongodb::bson::{Bson, Document, doc};

use super::documents;
use super::ladder;
use crate::support::mongo::Mongo;

/// Every document by the text of its `_id`.
pub(super) type Documents = BTreeMap<String, Document>;

/// One write to one document.
#[derive(Clone, Debug)]
pub(super) enum Write {
    Insert(Document),
    /// `$set` and `$unset`.
    Update(Bson, Document, Document),
    Replace(Bson, Document),
    Delete(Bson),
}

impl Write {
    /// A random one that fits the documents that are there.
    pub(super) fn random(documents: &Documents, rng: &mut Rng) -> Self {
        if rng.u8(..10) == 0 {
            return ladder::climb(documents, rng);
        }
        let id = documents::id(rng);
        let Some(there) = documents.get(&id.to_string()) else {
            let mut document = doc! { "_id": id };
            document.extend(documents::document(rng));
            return Self::Insert(document);
        };
        match rng.u8(..10) {
            0 => Self::Delete(id),
            1 | 2 => Self::Replace(id, documents::document(rng)),
            _ => update(id, there, rng),
        }
    }

    /// The `_id` it writes to.
    pub(super) fn id(&self) -> &Bson {
        match self {
            Self::Insert(document) => document.get("_id").expect("an _id"),
            Self::Update(id, ..) | Self::Replace(id, _) | Self::Delete(id) => id,
        }
    }

    /// Makes it in the model.
    pub(super) fn model(&self, documents: &mut Documents) {
        let key = self.id().to_string();
        match self.clone() {
            Self::Insert(document) => drop(documents.insert(key, document)),
            Self::Delete(_) => drop(documents.remove(&key)),
            Self::Replace(id, document) => {
                let mut whole = doc! { "_id": id };
                whole.extend(document);
                documents.insert(key, whole);
            }
            Self::Update(_, set, unset) => {
                let document = documents.get_mut(&key).expect("a document to update");
                for (name, value) in set {
                    match name.split_once('.') {
                        None => drop(document.insert(name, value)),
                        Some((top, below)) => {
                            let inner = document.entry(top.to_owned()).or_insert(Document::new().into());
                            inner.as_document_mut().expect("no dotted name but into documents").insert(below, value);
                        }
                    }
                }
                for name in unset.keys() {
                    document.remove(name);
                }
            }
        }
    }

    /// Makes it in the database.
    pub(super) async fn database(&self, mongo: &Mongo, session: Option<&mut ClientSession>) {
        let apps = mongo.apps();
        macro_rules! make {
            ($action:expr) => {
                match session {
                    Some(session) => $action.session(session).await.map(drop),
                    None => $action.await.map(drop),
                }
            };
        }
        let made = match self.clone() {
            Self::Insert(document) => make!(apps.insert_one(document)),
            Self::Update(id, set, unset) => {
                let mut update = Document::new();
                for (word, fields) in [("$set", set), ("$unset", unset)] {
                    if !fields.is_empty() {
                        update.insert(word, fields);
                    }
                }
                make!(apps.update_one(doc! { "_id": id }, update))
            }
            Self::Replace(id, document) => make!(apps.replace_one(doc! { "_id": id }, document)),
            Self::Delete(id) => make!(apps.delete_one(doc! { "_id": id })),
        };
        made.unwrap_or_else(|error| panic!("{self:?}: {error}"));
    }
}

fn update(id: Bson, there: &Document, rng: &mut Rng) -> Write {
    let (mut set, mut unset) = (Document::new(), Document::new());
    for _ in 0..rng.u8(1..4) {
        let (name, value) = documents::change(rng);
        match rng.u8(..8) {
            // A part of a field, which may create it: the event alone doesn't say what becomes of that.
            0 if matches!(there.get(name), None | Some(Bson::Document(_))) && !set.contains_key(name) => {
                set.insert(format!("{name}.x"), rng.i32(..));
            }
            1 | 2 => drop(unset.insert(documents::field(rng), "")),
            _ => drop(set.insert(name, value)),
        }
    }
    // No name may stand in both, nor beside a part of itself.
    let parts: Vec<String> =
        set.keys().filter_map(|name| name.split_once('.')).map(|(top, _)| top.to_owned()).collect();
    for name in parts {
        set.remove(&name);
        unset.remove(&name);
    }
    let unset: Document = unset.into_iter().filter(|(name, _)| !set.contains_key(name)).collect();
    if set.is_empty() && unset.is_empty() {
        set.insert("appName", "still there");
    }
    Write::Update(id, set, unset)
}

/// What happens at once, or to the collection as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    /// A single write.
    Write,
    /// A document moves to another `_id`.
    Reinsert,
    /// Two documents swap their appIds.
    Swap,
    /// A few writes at once.
    Commit,
    /// A few writes that are taken back.
    Abort,
    /// Many documents change at once.
    Many,
}

impl Operation {
    pub(super) fn random(rng: &mut Rng) -> Self {
        match rng.u8(..100) {
            0..3 => Self::Reinsert,
            3..6 => Self::Swap,
            6..9 => Self::Commit,
            9..11 => Self::Abort,
            11 => Self::Many,
            _ => Self::Write,
        }
    }

    /// The writes it consists of.
    pub(super) fn writes(self, documents: &Documents, rng: &mut Rng) -> Vec<Write> {
        match self {
            Self::Write => vec![Write::random(documents, rng)],
            Self::Reinsert => reinsert(documents, rng),
            Self::Swap => swap(documents, rng),
            Self::Commit | Self::Abort => {
                let mut after = documents.clone();
                let mut writes = Vec::new();
                for _ in 0..rng.u8(2..6) {
                    let write = Write::random(&after, rng);
                    write.model(&mut after);
                    writes.push(write);
                }
                writes
            }
            Self::Many => {
                let (name, value) = documents::change(rng);
                let some = documents.values().filter(|d| !ladder::is_one(d) && rng.bool());
                let set = if name == "appId" {
                    doc! { "appName": "many" }
                } else {
                    doc! { name: value }
                };
                some.map(|d| Write::Update(d["_id"].clone(), set.clone(), Document::new())).collect()
            }
        }
    }
}

fn any<'d>(documents: &'d Documents, rng: &mut Rng) -> Option<&'d Document> {
    documents.values().nth(rng.usize(..documents.len().max(1))).filter(|d| !ladder::is_one(d))
}

fn reinsert(documents: &Documents, rng: &mut Rng) -> Vec<Write> {
    let id = documents::id(rng);
    let (Some(document), false) = (any(documents, rng), documents.contains_key(&id.to_string())) else {
        return Vec::new();
    };
    let mut moved = document.clone();
    moved.insert("_id", id);
    vec![Write::Delete(document["_id"].clone()), Write::Insert(moved)]
}

fn swap(documents: &Documents, rng: &mut Rng) -> Vec<Write> {
    let (Some(a), Some(b)) = (any(documents, rng), any(documents, rng)) else { return Vec::new() };
    let set = |from: &Document, to: &Document| match from.get("appId") {
        Some(app) => Write::Update(to["_id"].clone(), doc! { "appId": app.clone() }, Document::new()),
        None => Write::Update(to["_id"].clone(), Document::new(), doc! { "appId": "" }),
    };
    vec![set(a, b), set(b, a)]
}
