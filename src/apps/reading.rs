//! What a document decides about its app: the rules, and what can be wrong with it.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::app::{Policy, SecretEncoding};
use super::document::{Document, Value};
use super::secrets::{Previous, Secrets};
use crate::apps::key::HmacKey;

/// What is wrong with a document. Never carries a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No `appId`.
    #[error("`appId` is missing")]
    NoAppId,
    /// An `appId` that no path can name.
    #[error("`appId` must be 1 to 64 characters of A-Z a-z 0-9 . _ -")]
    AppIdForm,
    /// A field of the wrong type.
    #[error("`{field}` is a {found}, it must be {wanted}")]
    Type {
        /// The field.
        field: &'static str,
        /// What stands there.
        found: &'static str,
        /// What should.
        wanted: &'static str,
    },
    /// A secret without a byte.
    #[error("`{0}` is empty; leave the field out to switch JWT off")]
    EmptySecret(&'static str),
    /// A secret that isn't base64.
    #[error("`{0}` is not base64, as `secret_encoding: base64` says it is")]
    Undecodable(&'static str),
    /// An unknown encoding.
    #[error("`secret_encoding` must be `raw` or `base64`")]
    Encoding,
    /// A previous secret without a current one.
    #[error("`jwt_secretkey_previous` stands without `jwt_secretkey`")]
    PreviousAlone,
    /// A field that equals one of ours but for case and `_`.
    #[error("`{found}` looks like `{meant}` but isn't; rename it")]
    LookAlike {
        /// The field as it stands.
        found: String,
        /// The field it was probably meant to be.
        meant: &'static str,
    },
    /// A date that can't be read.
    #[error("`{0}` is not an RFC 3339 date such as 2026-01-31T12:00:00Z")]
    BadDate(&'static str),
    /// Another document has the same `appId`.
    #[error("two documents have this `appId`")]
    Duplicate,
}

/// Secrets that work but shouldn't be used; counted, not refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weak {
    /// A key under 32 bytes (RFC 7518 section 3.2).
    pub short: bool,
    /// A key that ends in NUL: HMAC can't tell it from the same key without.
    pub trailing_nul: bool,
}

/// What a document decided.
#[derive(Debug)]
pub struct Reading {
    /// The app it speaks of, where that can be told.
    pub app_id: Option<Box<str>>,
    /// What happens to the app's requests; [`Policy::Unusable`] where there is a fault.
    pub policy: Policy,
    /// Why the app is unusable, if it is.
    pub fault: Option<Fault>,
    /// What is weak about its secrets.
    pub weak: Weak,
}

/// Judges a document. `default` is `auth.secret_encoding`.
#[must_use]
pub fn read(document: &Document, default: SecretEncoding) -> Reading {
    let mut weak = Weak::default();
    let (app_id, fault) = match app_id(document) {
        Ok(id) => (Some(id), None),
        Err(fault) => (None, Some(fault)),
    };
    let outcome = match fault {
        Some(fault) => Err(fault),
        None => policy(document, default, &mut weak),
    };
    match outcome {
        Ok(policy) => Reading { app_id, policy, fault: None, weak },
        Err(fault) => Reading { app_id, policy: Policy::Unusable, fault: Some(fault), weak },
    }
}

/// Whether `id` has the form of an appId: 1 to 64 of `[A-Za-z0-9._-]`.
#[must_use]
pub fn valid_app_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn app_id(document: &Document) -> Result<Box<str>, Fault> {
    let id = string(document, "appId")?.ok_or(Fault::NoAppId)?;
    if valid_app_id(id) { Ok(id.into()) } else { Err(Fault::AppIdForm) }
}

fn policy(document: &Document, default: SecretEncoding, weak: &mut Weak) -> Result<Policy, Fault> {
    if let Some((found, meant)) = document.look_alike() {
        return Err(Fault::LookAlike { found: found.to_owned(), meant });
    }
    let encoding = match string(document, "secret_encoding")? {
        None => default,
        Some(word) => SecretEncoding::parse(word).ok_or(Fault::Encoding)?,
    };
    let current = key(document, "jwt_secretkey", encoding, weak)?;
    let previous = key(document, "jwt_secretkey_previous", encoding, weak)?;
    let expires_at = date(document, "previous_expires_at")?;
    let valid_after = date(document, "tokens_valid_after")?;
    let disabled = match document.get("disabled") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(b)) => *b,
        Some(other) => return Err(type_fault("disabled", other, "true or false")),
    };
    if previous.is_some() && current.is_none() {
        return Err(Fault::PreviousAlone);
    }
    Ok(match current {
        _ if disabled => Policy::Disabled,
        None => Policy::Open,
        Some(current) => Policy::Jwt(Secrets::new(
            current,
            // Without a date the previous secret isn't in force.
            previous.zip(expires_at).map(|(key, until)| Previous::new(key, until)),
            // Rounded up: `iat` has whole seconds, and one minted in the same second before the cut must not pass.
            valid_after.map(|ms| ms.div_euclid(1000) + i64::from(ms.rem_euclid(1000) != 0)),
        )),
    })
}

fn type_fault(field: &'static str, found: &Value, wanted: &'static str) -> Fault {
    Fault::Type { field, found: found.type_name(), wanted }
}

fn string<'d>(document: &'d Document, field: &'static str) -> Result<Option<&'d str>, Fault> {
    match document.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Str(s)) => Ok(Some(s)),
        Some(other) => Err(type_fault(field, other, "a string")),
    }
}

fn date(document: &Document, field: &'static str) -> Result<Option<i64>, Fault> {
    match document.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Date(ms)) => Ok(Some(*ms)),
        Some(Value::BadDate) => Err(Fault::BadDate(field)),
        Some(other) => Err(type_fault(field, other, "a date")),
    }
}

/// A secret's base64 in either alphabet, padded or not; trailing bits must be zero, so that a key has one spelling.
#[must_use]
pub fn decode_base64(secret: &str) -> Option<Zeroizing<Vec<u8>>> {
    const EITHER: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, EITHER);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, EITHER);
    STANDARD.decode(secret).or_else(|_| URL_SAFE.decode(secret)).map(Zeroizing::new).ok()
}

/// The prepared key of a secret.
fn key(
    document: &Document,
    field: &'static str,
    encoding: SecretEncoding,
    weak: &mut Weak,
) -> Result<Option<HmacKey>, Fault> {
    let Some(secret) = string(document, field)? else { return Ok(None) };
    let bytes = match encoding {
        SecretEncoding::Raw => Zeroizing::new(secret.as_bytes().to_vec()),
        SecretEncoding::Base64 => decode_base64(secret).ok_or(Fault::Undecodable(field))?,
    };
    if bytes.is_empty() {
        return Err(Fault::EmptySecret(field));
    }
    weak.short |= bytes.len() < 32;
    weak.trailing_nul |= bytes.last() == Some(&0);
    Ok(Some(HmacKey::new(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::document::Type;

    fn doc(fields: &[(&str, Value)]) -> Document {
        let mut d = Document::default();
        d.set("appId", Value::string("TR21063826"));
        for (name, value) in fields {
            d.set(name, value.clone());
        }
        d
    }

    fn fault(fields: &[(&str, Value)]) -> Option<Fault> {
        let reading = read(&doc(fields), SecretEncoding::Raw);
        assert_eq!(reading.fault.is_some(), matches!(reading.policy, Policy::Unusable));
        reading.fault
    }

    #[test]
    fn senseless_documents_are_unusable_and_never_open() {
        let s = Value::string;
        let cases: Vec<(Vec<(&str, Value)>, Fault)> = vec![
            (vec![("appId", Value::Null)], Fault::NoAppId),
            (vec![("appId", s("a/b"))], Fault::AppIdForm),
            (vec![("appId", s(&"a".repeat(65)))], Fault::AppIdForm),
            (vec![("jwt_secretkey", s(""))], Fault::EmptySecret("jwt_secretkey")),
            (
                vec![("jwt_secretkey", Value::Other(Type::Binary))],
                Fault::Type { field: "jwt_secretkey", found: "binary value", wanted: "a string" },
            ),
            (vec![("jwt_secretkey_previous", s("x"))], Fault::PreviousAlone),
            (vec![("secret_encoding", s("hex"))], Fault::Encoding),
            (vec![("jwt_secretkey", s("a*b")), ("secret_encoding", s("base64"))], Fault::Undecodable("jwt_secretkey")),
            (vec![("jwt_secretkey", s("====")), ("secret_encoding", s("base64"))], Fault::Undecodable("jwt_secretkey")),
            (
                vec![("disabled", s("true"))],
                Fault::Type { field: "disabled", found: "string", wanted: "true or false" },
            ),
            (vec![("tokens_valid_after", Value::BadDate)], Fault::BadDate("tokens_valid_after")),
            (
                vec![("tokens_valid_after", s("2026-01-01T00:00:00Z"))],
                Fault::Type { field: "tokens_valid_after", found: "string", wanted: "a date" },
            ),
            (vec![("jwtSecretKey", s("x"))], Fault::LookAlike { found: "jwtSecretKey".into(), meant: "jwt_secretkey" }),
        ];
        for (fields, expected) in cases {
            assert_eq!(fault(&fields), Some(expected));
        }
    }

    #[test]
    fn null_is_absence() {
        assert_eq!(fault(&[("jwt_secretkey", Value::Null), ("disabled", Value::Null)]), None);
    }

    #[test]
    fn base64_of_either_alphabet_padded_or_not_is_the_same_key() {
        let key = |text: &str| {
            let d = doc(&[("jwt_secretkey", Value::string(text)), ("secret_encoding", Value::string("base64"))]);
            match read(&d, SecretEncoding::Raw).policy {
                Policy::Jwt(secrets) => secrets.current.sign(b"m"),
                other => panic!("{text}: {other:?}"),
            }
        };
        let expected = HmacKey::new(&[0xfb, 0xff, 0xfe, 0x01]).sign(b"m");
        for text in ["+//+AQ==", "+//+AQ", "-__-AQ==", "-__-AQ"] {
            assert_eq!(key(text), expected, "{text}");
        }
    }

    #[test]
    fn the_previous_secret_needs_a_date_and_valid_after_rounds_up() {
        let s = Value::string;
        let secrets = |fields: &[(&str, Value)]| match read(&doc(fields), SecretEncoding::Raw).policy {
            Policy::Jwt(secrets) => secrets,
            other => panic!("{other:?}"),
        };
        let base = [("jwt_secretkey", s("new")), ("jwt_secretkey_previous", s("old"))];
        assert!(secrets(&base).previous().is_none());
        let mut dated = base.to_vec();
        dated.push(("previous_expires_at", Value::Date(1_000)));
        dated.push(("tokens_valid_after", Value::Date(1_001)));
        let read = secrets(&dated);
        assert_eq!(read.previous().map(Previous::until), Some(1_000));
        assert_eq!(read.valid_after(), Some(2));
    }
}
