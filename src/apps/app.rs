//! One app as a request sees it: what its document decided, in as few bytes as that takes.

use std::fmt;

use super::snapshot::DocId;
use crate::auth::hmac::HmacKey;

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

/// An app: its id and what happens to its requests.
#[derive(Debug)]
pub struct App {
    /// The appId, byte for byte as in the path.
    pub id: Box<str>,
    /// What its document decided.
    pub policy: Policy,
    /// The document it comes from.
    pub owner: DocId,
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

/// The secrets of an app, as prepared keys.
pub struct Secrets {
    /// The secret in force.
    pub current: HmacKey,
    /// The secret before it, with the moment its force ends, in milliseconds since the epoch.
    pub previous: Option<Box<(HmacKey, i64)>>,
    /// Tokens issued before this second (since the epoch) are revoked.
    pub valid_after: Option<i64>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("previous_until", &self.previous.as_ref().map(|p| p.1))
            .field("valid_after", &self.valid_after)
            .finish_non_exhaustive()
    }
}
