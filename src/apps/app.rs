//! One app as a request sees it: what its document decided, in as few bytes as that takes.

use std::fmt;

use zeroize::Zeroize as _;

use super::doc_id::DocId;
use super::document::{self, Document, Record};
use super::reading::Weak;
use super::secrets::{Previous, Secrets};

/// How a secret stands in a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretEncoding {
    /// The string's bytes are the key.
    #[default]
    Raw,
    /// The key's base64, standard or URL-safe alphabet, padding optional.
    Base64,
}

impl SecretEncoding {
    /// The setting's word, as in `auth.secret_encoding`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "raw" => Some(Self::Raw),
            "base64" => Some(Self::Base64),
            _ => None,
        }
    }
}

/// An app: what happens to its requests, and the document that says so.
///
/// A million of these are kept, so their size is counted: what a request needs stands together, and all bytes of
/// varying length are one allocation.
pub struct App {
    /// What its document decided.
    pub policy: Policy,
    /// What is weak about its secrets.
    pub weak: Weak,
    id: ShortId,
    /// A long appId; the `_id`; the record.
    bytes: Box<[u8]>,
}

/// An appId, in place where it is short: recognising an app touches no other memory.
#[derive(Clone, Copy)]
struct ShortId {
    len: u8,
    bytes: [u8; Self::MAX],
}

impl ShortId {
    const MAX: usize = 13;
}

impl App {
    /// The app that the document `owner` makes; `id` is `None` where it has no sound appId.
    #[must_use]
    pub fn new(id: Option<&str>, (policy, weak): (Policy, Weak), owner: &DocId, record: &Record) -> Self {
        let id = id.unwrap_or_default();
        let mut short = ShortId { len: id.len().try_into().unwrap_or(u8::MAX), bytes: [0; ShortId::MAX] };
        let mut bytes = Vec::with_capacity(id.len() + 8 + 12 + record.bytes().len());
        match short.bytes.get_mut(..id.len()) {
            Some(place) => place.copy_from_slice(id.as_bytes()),
            None => bytes.extend_from_slice(id.as_bytes()),
        }
        owner.put(&mut bytes);
        bytes.extend_from_slice(record.bytes());
        let packed = bytes.as_slice().into();
        bytes.zeroize();
        Self { policy, weak, id: short, bytes: packed }
    }

    /// What stands in the index for an appId that several documents claim.
    pub(super) fn unusable(id: &str, owner: &DocId) -> Self {
        Self::new(Some(id), (Policy::Unusable, Weak::default()), owner, &Document::default().pack())
    }

    /// The appId, byte for byte as in the path; `None`: the document has no sound one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        let len = usize::from(self.id.len);
        let bytes = self.id.bytes.get(..len).or_else(|| self.bytes.get(..len))?;
        std::str::from_utf8(bytes).ok().filter(|id| !id.is_empty())
    }

    /// Whether this is the app with this id.
    #[must_use]
    pub fn has_id(&self, id: &str) -> bool {
        let len = usize::from(self.id.len);
        self.id.bytes.get(..len).or_else(|| self.bytes.get(..len)) == Some(id.as_bytes())
    }

    /// The `_id` of its document.
    #[must_use]
    pub fn owner(&self) -> DocId {
        DocId::take(&mut self.after_id()).unwrap_or_else(|| DocId::from_bytes(&[]))
    }

    /// Whether this app's document has this `_id`.
    #[must_use]
    pub fn is_owned_by(&self, id: &DocId) -> bool {
        id.is_at_start_of(self.after_id())
    }

    /// When its previous secret last verified a token, in milliseconds since the epoch, to the second.
    #[must_use]
    pub fn previous_last_used(&self) -> Option<i64> {
        self.previous()?.last_used()
    }

    /// Takes over what the app it replaces knows beside its document.
    pub(super) fn inherit(&self, before: &Self) {
        if let (Some(now), Some(before)) = (self.previous(), before.previous()) {
            now.inherit(before);
        }
    }

    fn previous(&self) -> Option<&Previous> {
        match &self.policy {
            Policy::Jwt(secrets) => secrets.previous(),
            _ => None,
        }
    }

    /// Its document.
    #[must_use]
    pub fn document(&self) -> Document {
        document::unpack(self.record())
    }

    /// The packed `_id`, and the packed document after it.
    pub(super) fn stored(&self) -> &[u8] {
        self.after_id()
    }

    /// The packed document.
    pub(super) fn record(&self) -> &[u8] {
        let mut rest = self.after_id();
        let _ = DocId::skip(&mut rest);
        rest
    }

    fn after_id(&self) -> &[u8] {
        let len = usize::from(self.id.len);
        self.bytes.get(if len > ShortId::MAX { len } else { 0 }..).unwrap_or_default()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("id", &self.id()).field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// What happens to an app's requests on a judged route.
#[derive(Debug)]
pub enum Policy {
    /// No secret: requests pass unchecked, unless the route refuses open apps.
    Open,
    /// A token is required.
    Jwt(Secrets),
    /// Every request is rejected.
    Disabled,
    /// The document makes no sense: every request is rejected.
    Unusable,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::Value;

    #[test]
    fn an_app_gives_back_what_it_was_made_of() {
        let mut document = Document::default();
        document.set("jwt_secretkey", Value::string("s"));
        let long = "a".repeat(64);
        for id in [None, Some("A"), Some("TR21063826"), Some("exactly13char"), Some("fourteen_chars"), Some(&*long)] {
            for owner in [DocId::ObjectId([3; 12]), DocId::from_bytes(b"other")] {
                let app = App::new(id, (Policy::Open, Weak::default()), &owner, &document.pack());
                assert_eq!(app.id(), id);
                assert_eq!(app.owner(), owner);
                assert!(app.is_owned_by(&owner) && !app.is_owned_by(&DocId::ObjectId([4; 12])));
                assert!(app.document() == document);
                assert!(id.is_none_or(|id| app.has_id(id)) && !app.has_id("B"));
            }
        }
    }

    #[test]
    fn an_app_takes_no_more_than_it_must() {
        // With the counts of its `Arc`, two cache lines.
        assert_eq!(size_of::<App>(), 112);
    }
}
