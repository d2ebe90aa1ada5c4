//! An app as the API shows it: everything an operator needs to know, and no secret.

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::change::rfc3339;
use super::hex;
use super::rules::Rules;
use super::store::{Found, Stored};
use crate::apps::document::Value;
use crate::apps::reading::Weak;
use crate::apps::{Policy, SecretEncoding, Snapshot, reading};

/// Keys from this length on have a fingerprint: a shorter one could be guessed from it.
const FINGERPRINTED: usize = 32;

/// What happens to an app's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A token is required.
    Jwt,
    /// No secret: requests pass unchecked, where the route lets them.
    Open,
    /// Every request is rejected.
    Disabled,
    /// The document makes no sense: every request is rejected.
    Unusable,
}

/// An app. Secrets are never part of it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// The app's id.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$", example = "TR21063826")]
    pub app_id: String,
    /// Its name, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub app_name: Option<String>,
    /// What happens to its requests.
    pub state: State,
    /// Why it is unusable.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub problem: Option<String>,
    /// Whether it has a secret.
    pub jwt: bool,
    /// Length of the secret in bytes, once decoded.
    #[serde(rename = "key_length", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    pub key_length: Option<usize>,
    /// The first 8 hex digits of the SHA-256 of the decoded secret; only for secrets of 32 bytes and more.
    #[serde(rename = "fingerprint", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9a-f]{8}$")]
    pub fingerprint: Option<String>,
    /// How the secrets are encoded in the document.
    #[serde(rename = "secret_encoding")]
    pub secret_encoding: Encoding,
    /// Length of the secret before the one in force, while there is one.
    #[serde(rename = "previous_key_length", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    pub previous_key_length: Option<usize>,
    /// Fingerprint of the secret before the one in force.
    #[serde(rename = "previous_fingerprint", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9a-f]{8}$")]
    pub previous_fingerprint: Option<String>,
    /// Until when the secret before the one in force is good.
    #[serde(rename = "previous_expires_at", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "date-time")]
    pub previous_expires_at: Option<String>,
    /// When this gateway last saw a token signed with the previous secret, to the second; null: not since it holds it.
    /// Other gateways of the same database have seen others.
    #[serde(rename = "previous_last_used")]
    #[schema(format = "date-time")]
    pub previous_last_used: Option<String>,
    /// Whether it is switched off.
    pub disabled: bool,
    /// Tokens issued before this moment are rejected.
    #[serde(rename = "tokens_valid_after", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "date-time")]
    pub tokens_valid_after: Option<String>,
    /// What is weak about its secrets; empty: nothing.
    pub weak: Vec<Weakness>,
    /// Names of the document's other fields, which the gateway keeps and ignores. Their values aren't shown: they may be
    /// secrets of somebody else.
    #[serde(rename = "other_fields")]
    pub other_fields: Vec<String>,
    /// Whether this gateway judges by this very state by now.
    #[serde(rename = "in_force")]
    pub in_force: bool,
}

/// How secrets are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// The string's bytes are the key.
    Raw,
    /// The key's base64.
    Base64,
}

/// Something about a secret that works but should not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weakness {
    /// A key under 32 bytes (RFC 7518 section 3.2).
    Short,
    /// A key that ends in NUL: HMAC can't tell it from the same key without.
    TrailingNul,
}

impl Profile {
    /// The profile of what was found for `app_id`; `None`: nothing was.
    #[must_use]
    pub fn new(app_id: &str, found: &Found, rules: &Rules, snapshot: &Snapshot) -> Option<Self> {
        match found {
            Found::Nothing => None,
            Found::One(stored) => Some(Self::of(app_id, stored, rules, snapshot)),
            Found::Several => Some(Self::contested(app_id, rules, snapshot)),
        }
    }

    /// The profile of a document.
    #[must_use]
    pub fn of(app_id: &str, stored: &Stored, rules: &Rules, snapshot: &Snapshot) -> Self {
        let document = &stored.document;
        let reading = reading::read(document, rules.encoding);
        let in_force = snapshot.get(app_id);
        // A document may stand alone in the store and still be one of two here, or the other way round.
        let contested = in_force.is_some_and(|app| matches!(app.policy, Policy::Unusable)) && reading.fault.is_none();
        let key = |field| rules.key(document, field);
        let (current, previous) = (key("jwt_secretkey"), key("jwt_secretkey_previous"));
        let date = |field| match document.get(field) {
            Some(Value::Date(ms)) => rfc3339(*ms),
            _ => None,
        };
        let used = in_force.and_then(|app| app.previous_last_used()).and_then(rfc3339);
        Self {
            app_id: app_id.to_owned(),
            app_name: stored.name.clone(),
            state: state(&reading.policy),
            problem: reading.fault.map(|fault| fault.to_string()),
            jwt: current.is_some(),
            key_length: current.as_deref().map(Vec::len),
            fingerprint: current.as_deref().and_then(|key| fingerprint(key)),
            secret_encoding: encoding(rules.encoding_of(document).unwrap_or(rules.encoding)),
            previous_key_length: previous.as_deref().map(Vec::len),
            previous_fingerprint: previous.as_deref().and_then(|key| fingerprint(key)),
            previous_expires_at: date("previous_expires_at"),
            previous_last_used: used,
            disabled: document.get("disabled") == Some(&Value::Bool(true)),
            tokens_valid_after: date("tokens_valid_after"),
            weak: weaknesses(reading.weak),
            other_fields: stored.others.clone(),
            in_force: !contested && in_force.is_some_and(|app| app.document().is_same_as(document)),
        }
    }

    /// Two documents claim one appId: neither is shown.
    fn contested(app_id: &str, rules: &Rules, snapshot: &Snapshot) -> Self {
        Self {
            app_id: app_id.to_owned(),
            app_name: None,
            state: State::Unusable,
            problem: Some("two documents have this `appId`; remove one of them in the database".to_owned()),
            jwt: false,
            key_length: None,
            fingerprint: None,
            secret_encoding: encoding(rules.encoding),
            previous_key_length: None,
            previous_fingerprint: None,
            previous_expires_at: None,
            previous_last_used: None,
            disabled: false,
            tokens_valid_after: None,
            weak: Vec::new(),
            other_fields: Vec::new(),
            in_force: snapshot.get(app_id).is_some_and(|app| matches!(app.policy, Policy::Unusable)),
        }
    }
}

const fn state(policy: &Policy) -> State {
    match policy {
        Policy::Jwt(_) => State::Jwt,
        Policy::Open => State::Open,
        Policy::Disabled => State::Disabled,
        Policy::Unusable => State::Unusable,
    }
}

const fn encoding(encoding: SecretEncoding) -> Encoding {
    match encoding {
        SecretEncoding::Raw => Encoding::Raw,
        SecretEncoding::Base64 => Encoding::Base64,
    }
}

fn weaknesses(weak: Weak) -> Vec<Weakness> {
    let found = [(weak.short, Weakness::Short), (weak.trailing_nul, Weakness::TrailingNul)];
    found.into_iter().filter_map(|(is, weakness)| is.then_some(weakness)).collect()
}

/// The first 8 hex digits of a key's SHA-256, where that gives nothing away.
fn fingerprint(key: &[u8]) -> Option<String> {
    (key.len() >= FINGERPRINTED).then(|| hex(Sha256::digest(key).iter().take(4)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_that_cannot_be_guessed_have_a_fingerprint() {
        assert_eq!(fingerprint(&[b'x'; 31]), None);
        // What `printf 'x%.0s' {1..32} | sha256sum` begins with.
        assert_eq!(fingerprint(&[b'x'; 32]).as_deref(), Some("c62e4615"));
    }
}
