//! A document as it stands in a store, as far as the API looks at it.

use ::mongodb::bson::{Bson, DateTime, Document as Doc, RawDocumentBuf, doc, serialize_to_bson};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::apps::document::{FIELDS, Value};
use crate::apps::feed;
use crate::apps::{App, Document};
use crate::profiles::edit::{Edit, Given, NAME, REVISION, SECRETS};
use crate::profiles::hex;

/// Secrets from this length on take part in the entity tag as they are: what is shorter could be guessed from it.
const GUESSABLE: usize = 32;

/// The revision of a new document.
pub(super) const FIRST: i64 = 1;

/// A document as it stands.
#[derive(Clone)]
pub struct Stored {
    /// The fields that the gateway reads.
    pub document: Document,
    /// `appName`, where it is a string.
    pub name: Option<String>,
    /// The names of all other fields.
    pub others: Vec<String>,
    /// The entity tag, without its quotes.
    pub tag: String,
    raw: Doc,
}

impl Stored {
    /// A document of the database.
    pub(super) fn new(raw: Doc) -> Self {
        // As the feed reads it: what is shown is what is judged by. What came as BSON is BSON.
        let document = RawDocumentBuf::try_from(&raw).map(|raw| feed::document(&raw)).unwrap_or_default();
        let somebodys = |name: &&String| {
            let name = name.as_str();
            !FIELDS.contains(&name) && ![NAME, REVISION, "_id"].contains(&name)
        };
        let others = raw.keys().filter(somebodys).cloned().collect();
        let name = raw.get_str(NAME).ok().map(str::to_owned);
        Self { document, name, others, tag: entity_tag(&raw), raw }
    }

    /// An app as it is in force.
    pub(super) fn in_force(app: &App) -> Self {
        let document = app.document();
        let mut raw = Doc::new();
        for field in FIELDS {
            if let Some(value) = document.get(field) {
                raw.insert(field, bson(value));
            }
        }
        Self { tag: entity_tag(&raw), document, name: None, others: Vec::new(), raw }
    }

    /// The `_id`.
    pub(super) fn id(&self) -> Bson {
        self.raw.get("_id").cloned().unwrap_or(Bson::Null)
    }

    /// A filter for this document in this very state, as far as the gateway's own fields and those of `names` go.
    pub(super) fn pinned<'n>(&self, names: impl Iterator<Item = &'n str>) -> Doc {
        let mut filter = doc! { "_id": self.id() };
        for name in FIELDS.into_iter().chain([NAME, REVISION]).chain(names) {
            let state = match self.raw.get(name) {
                // As a bare value null would also mean: no such field.
                Some(Bson::Null) => doc! { "$type": "null" },
                Some(value) => doc! { "$eq": value.clone() },
                None => doc! { "$exists": false },
            };
            filter.insert(name, state);
        }
        filter
    }

    /// Whether anything would differ after `edit`.
    #[must_use]
    pub fn would_change_by(&self, edit: &Edit) -> bool {
        let same = |(name, given): &(String, Given)| self.raw.get(name) == Some(&given_bson(given));
        !edit.set.iter().all(same) || edit.unset.iter().any(|name| self.raw.contains_key(name))
    }

    /// Whether a document made of `edit` alone would be this one.
    #[must_use]
    pub fn is_made_of(&self, edit: &Edit) -> bool {
        let given = document(edit);
        let ours = |name: &&str| ![REVISION, "_id"].contains(name);
        let present = |doc: &Doc, name: &str| !matches!(doc.get(name), None | Some(Bson::Null));
        let mut names: Vec<&str> = self.raw.keys().chain(given.keys()).map(String::as_str).filter(ours).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().all(|name| match (self.raw.get(name), given.get(name)) {
            (Some(Bson::String(a)), Some(Bson::String(b))) => a.as_bytes().ct_eq(b.as_bytes()).into(),
            (Some(a), Some(b)) => a == b,
            _ => !present(&self.raw, name) && !present(&given, name),
        })
    }
}

/// The document that an edit makes out of nothing.
pub(super) fn document(edit: &Edit) -> Doc {
    edit.set.iter().map(|(name, given)| (name.clone(), given_bson(given))).collect()
}

/// The update of this document that an edit is. Its revision is pinned, and so it can be set: counting it up would fail
/// on one that isn't a number, whoever wrote it.
pub(super) fn update(stored: &Stored, edit: &Edit) -> Doc {
    let revision = match stored.raw.get(REVISION) {
        Some(Bson::Int64(n)) => n.checked_add(1),
        Some(Bson::Int32(n)) => i64::from(*n).checked_add(1),
        _ => None,
    };
    let mut set = document(edit);
    set.insert(REVISION, revision.unwrap_or(FIRST));
    let mut update = doc! { "$set": set };
    let unset: Doc = edit.unset.iter().map(|name| (name.clone(), Bson::String(String::new()))).collect();
    if !unset.is_empty() {
        update.insert("$unset", unset);
    }
    update
}

fn given_bson(given: &Given) -> Bson {
    match given {
        Given::Ours(value) => bson(value),
        // What can't be kept was refused before.
        Given::Other(json) => serialize_to_bson(json).unwrap_or(Bson::Null),
    }
}

fn bson(value: &Value) -> Bson {
    match value {
        Value::Str(text) => Bson::String(text.to_string()),
        Value::Bool(is) => Bson::Boolean(*is),
        Value::Date(ms) => Bson::DateTime(DateTime::from_millis(*ms)),
        Value::Null | Value::BadDate | Value::Other(_) => Bson::Null,
    }
}

/// An entity tag: another one for every state of the document that the API or anybody else writes. A short secret takes
/// part by its length alone, as a hash of everything else and a guess would tell it; the revision, which every write
/// of the API moves, stands for it.
fn entity_tag(raw: &Doc) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    for (name, value) in raw {
        part(name.as_bytes());
        match value {
            Bson::String(text) if SECRETS.contains(&name.as_str()) && text.len() < GUESSABLE => {
                part(&text.len().to_le_bytes());
            }
            value => part(&doc! { "": value.clone() }.to_vec().unwrap_or_default()),
        }
    }
    hex(hash.finalize().iter().take(12))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::profiles::edit;

    fn edit_of(body: serde_json::Value) -> Edit {
        let serde_json::Value::Object(members) = body else { panic!("an object") };
        let (edit, mistakes) = edit::read(members);
        mistakes.or(edit).unwrap_or_else(|_| panic!("sound"))
    }

    #[test]
    fn a_document_is_made_of_what_it_was_created_with_and_of_nothing_less_or_more() {
        let body = json!({"appId": "A", "jwt_secretkey": "s", "appName": "n", "x": {"y": [1]}, "disabled": null});
        let edit = edit_of(body);
        let mut raw = document(&edit);
        raw.insert("_id", 1);
        raw.insert(REVISION, 5_i64);
        assert!(Stored::new(raw.clone()).is_made_of(&edit));
        raw.insert("tokens_valid_after", Bson::Null);
        assert!(Stored::new(raw.clone()).is_made_of(&edit), "null is absence");
        for (name, value) in [("disabled", Bson::Boolean(true)), ("jwt_secretkey", "t".into()), ("more", 1.into())] {
            let mut other = raw.clone();
            other.insert(name, value);
            assert!(!Stored::new(other).is_made_of(&edit), "{name}");
        }
        raw.remove("appName");
        assert!(!Stored::new(raw).is_made_of(&edit));
    }

    #[test]
    fn the_tag_tells_every_state_from_the_next_and_no_short_secret() {
        let long = |c: &str| c.repeat(32);
        let base = doc! { "_id": 1, "appId": "A", "jwt_secretkey": long("a"), "x": 1, REVISION: 1_i64 };
        let tag = |change: Doc| {
            let mut raw = base.clone();
            raw.extend(change);
            entity_tag(&raw)
        };
        let changes = [
            doc! {},
            doc! { "jwt_secretkey": long("b") },
            doc! { "jwt_secretkey": "short" },
            doc! { "x": 2 },
            doc! { "x": 1_i64 },
            doc! { "disabled": true },
            doc! { REVISION: 2_i64 },
        ];
        let tags: std::collections::HashSet<String> = changes.into_iter().map(tag).collect();
        assert_eq!(tags.len(), 7);
        assert_eq!(tag(doc! { "jwt_secretkey": "guess" }), tag(doc! { "jwt_secretkey": "other" }));
    }

    #[test]
    fn only_the_names_of_other_peoples_fields_are_kept_apart() {
        let stored = Stored::new(doc! { "_id": 1, "appId": "A", "appName": "n", "fcm_key": "k", REVISION: 1_i64 });
        assert_eq!((stored.name.as_deref(), stored.others), (Some("n"), vec!["fcm_key".to_owned()]));
        assert!(stored.document.get("appId") == Some(&Value::string("A")));
    }

    #[test]
    fn a_filter_pins_what_was_read() {
        let stored = Stored::new(doc! { "_id": 1, "appId": "A", "disabled": Bson::Null, "x": 1 });
        let filter = stored.pinned(["x", "y"].into_iter());
        assert_eq!(filter.get("appId"), Some(&Bson::Document(doc! { "$eq": "A" })));
        assert_eq!(filter.get("disabled"), Some(&Bson::Document(doc! { "$type": "null" })));
        assert_eq!(filter.get("jwt_secretkey"), Some(&Bson::Document(doc! { "$exists": false })));
        assert_eq!(filter.get("x"), Some(&Bson::Document(doc! { "$eq": 1 })));
        assert_eq!(filter.get("y"), Some(&Bson::Document(doc! { "$exists": false })));
    }

    #[test]
    fn an_update_sets_takes_out_and_counts() {
        let edit = edit_of(json!({"disabled": true, "appName": null}));
        let at = |revision: Bson| Stored::new(doc! { "_id": 1, REVISION: revision });
        let expected = doc! { "$set": { "disabled": true, REVISION: 5_i64 }, "$unset": { "appName": "" } };
        assert_eq!(update(&at(4.into()), &edit), expected);
        assert_eq!(update(&at(4_i64.into()), &edit), expected);
        for odd in [Bson::Null, "4".into(), i64::MAX.into(), f64::NAN.into()] {
            assert_eq!(update(&at(odd), &Edit::default()), doc! { "$set": { REVISION: FIRST } });
        }
    }
}
