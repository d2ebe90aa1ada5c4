//! A compact JWS with HS256, verified before any claim is read (RFC 7515, RFC 7519, RFC 8725).
//!
//! One pass over each part, strict where `jsonwebtoken` is lenient: `crit`, `b64`, `zip`, `enc`, duplicate
//! members, payloads that aren't objects, and base64url with a second spelling are all refused. Nothing in the
//! header is ever followed: `kid`, `jku`, `x5u` and `jwk` are read past.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::apps::key::HmacKey;
use crate::json::{Malformed, Names, Reader, Value};
use crate::reason::Reason;
use crate::scan;

/// What libraries write for `{"alg":"HS256","typ":"JWT"}`, the same in the other order, and `{"alg":"HS256"}`: known to be
/// right, so that nothing need be read.
const USUAL_HEADERS: [&str; 3] =
    ["eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJIUzI1NiJ9"];

/// A token taken apart; nothing in it is believed yet.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'t> {
    signed: &'t str,
    header: &'t str,
    payload: &'t str,
    signature: &'t str,
}

impl<'t> Parts<'t> {
    /// Splits a token at its two dots.
    ///
    /// # Errors
    /// [`Reason::TokenMalformed`] for any other number of parts.
    pub fn split(token: &'t str) -> Result<Self, Reason> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Reason::TokenMalformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Reason::TokenMalformed)?;
        if payload.contains('.') {
            return Err(Reason::TokenMalformed);
        }
        Ok(Self { signed, header, payload, signature })
    }

    /// Checks the header and decodes the signature. `scratch` is overwritten.
    ///
    /// # Errors
    /// [`Reason::AlgorithmNotAllowed`], [`Reason::TokenMalformed`], [`Reason::SignatureInvalid`] for a signature
    /// that isn't 32 bytes.
    pub fn check_header(&self, scratch: &mut Vec<u8>) -> Result<Unverified<'t>, Reason> {
        if !USUAL_HEADERS.contains(&self.header) {
            header(decode(self.header, scratch)?)?;
        }
        let signature = decode(self.signature, scratch)?;
        let tag: [u8; 32] = signature.try_into().map_err(|_| Reason::SignatureInvalid)?;
        Ok(Unverified { signed: self.signed, payload: self.payload, tag })
    }
}

/// A token whose header is right and whose signature is still to be checked.
pub struct Unverified<'t> {
    signed: &'t str,
    payload: &'t str,
    tag: [u8; 32],
}

impl Unverified<'_> {
    /// Whether `key` signed this token; constant time.
    #[must_use]
    pub fn signed_by(&self, key: &HmacKey) -> bool {
        #[cfg(test)]
        VERIFIED.with(|bytes| bytes.set(bytes.get() + self.signed.len()));
        key.verify(self.signed.as_bytes(), &self.tag)
    }

    /// The claims. Call it only after [`Unverified::signed_by`] said yes.
    ///
    /// # Errors
    /// [`Reason::TokenMalformed`] for a payload that isn't one strict JSON object, [`Reason::ClaimsInvalid`] for a
    /// claim of the wrong type.
    pub fn claims<'b>(&self, scratch: &'b mut Vec<u8>) -> Result<Claims<'b>, Reason> {
        claims(decode(self.payload, scratch)?)
    }
}

#[cfg(test)]
thread_local! {
    /// Bytes whose signature this thread has computed: the work by which a verdict could be told from outside.
    pub(super) static VERIFIED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The claims that are looked at, as they stand in the token.
#[derive(Debug, Default, PartialEq)]
pub struct Claims<'b> {
    /// `appId`.
    pub app: Option<Cow<'b, str>>,
    /// `userId`.
    pub user: Option<Cow<'b, str>>,
    /// `appUserId`.
    pub app_user: Option<Cow<'b, str>>,
    /// `customerId`.
    pub customer: Option<Cow<'b, str>>,
    /// `exp`, seconds since the epoch.
    pub exp: Option<f64>,
    /// `nbf`, seconds since the epoch.
    pub nbf: Option<f64>,
    /// `iat`, seconds since the epoch.
    pub iat: Option<f64>,
}

/// A reason on its way through the JSON reader.
struct Fault(Reason);

impl From<Malformed> for Fault {
    fn from(_: Malformed) -> Self {
        Self(Reason::TokenMalformed)
    }
}

/// Canonical base64url into `scratch`: no padding, no other alphabet, no non-zero trailing bits.
fn decode<'b>(part: &str, scratch: &'b mut Vec<u8>) -> Result<&'b [u8], Reason> {
    scratch.clear();
    scratch.resize(part.len(), 0);
    let len = URL_SAFE_NO_PAD.decode_slice(part, scratch).map_err(|_| Reason::TokenMalformed)?;
    scratch.truncate(len);
    Ok(scratch)
}

fn header(bytes: &[u8]) -> Result<(), Reason> {
    let mut reader = Reader::new(bytes).map_err(|_| Reason::TokenMalformed)?;
    let mut names = Names::default();
    let mut algorithm = false;
    let outcome = reader.object(|reader, name| -> Result<(), Fault> {
        let value = reader.value()?;
        match &*name {
            "alg" => algorithm = matches!(value, Value::String(alg) if alg == "HS256"),
            // Each changes what is signed or how it is read (RFC 7515 4.1.11, RFC 7797, RFC 7516).
            "crit" | "b64" | "zip" | "enc" => return Err(Fault(Reason::TokenMalformed)),
            _ => {}
        }
        if names.insert(name) { Ok(()) } else { Err(Fault(Reason::TokenMalformed)) }
    });
    outcome.map_err(|fault| fault.0)?;
    reader.end().map_err(|_| Reason::TokenMalformed)?;
    if algorithm { Ok(()) } else { Err(Reason::AlgorithmNotAllowed) }
}

fn claims(bytes: &[u8]) -> Result<Claims<'_>, Reason> {
    let mut reader = Reader::new(bytes).map_err(|_| Reason::TokenMalformed)?;
    let mut names = Names::default();
    let mut claims = Claims::default();
    let outcome = reader.object(|reader, name| -> Result<(), Fault> {
        let value = reader.value()?;
        match &*name {
            "appId" => claims.app = identity(value)?,
            "userId" => claims.user = identity(value)?,
            "appUserId" => claims.app_user = identity(value)?,
            "customerId" => claims.customer = identity(value)?,
            "exp" => claims.exp = Some(seconds(&value)?),
            "nbf" => claims.nbf = Some(seconds(&value)?),
            "iat" => claims.iat = Some(seconds(&value)?),
            _ => {}
        }
        if names.insert(name) { Ok(()) } else { Err(Fault(Reason::TokenMalformed)) }
    });
    outcome.map_err(|fault| fault.0)?;
    reader.end().map_err(|_| Reason::TokenMalformed)?;
    Ok(claims)
}

/// A string without control characters; `""` and null are absence.
fn identity(value: Value<'_>) -> Result<Option<Cow<'_, str>>, Fault> {
    match value {
        Value::Null => Ok(None),
        Value::String(s) if s.is_empty() => Ok(None),
        Value::String(s) if is_printable(s.as_bytes()) || !s.chars().any(char::is_control) => Ok(Some(s)),
        _ => Err(Fault(Reason::ClaimsInvalid)),
    }
}

/// Whether nothing but printable ASCII is there.
fn is_printable(text: &[u8]) -> bool {
    scan::all(text, |byte| byte.wrapping_sub(b' ') < 0x5f)
}

/// A JSON number, finite and not negative; `-0` is negative.
fn seconds(value: &Value<'_>) -> Result<f64, Fault> {
    match value {
        Value::Number(text) if !text.starts_with('-') => {
            text.parse::<f64>().ok().filter(|n| n.is_finite()).ok_or(Fault(Reason::ClaimsInvalid))
        }
        _ => Err(Fault(Reason::ClaimsInvalid)),
    }
}

#[cfg(test)]
mod tests;
