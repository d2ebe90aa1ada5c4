//! A compact JWS with HS256, verified before any claim is read (RFC 7515, RFC 7519, RFC 8725).
//!
//! One pass over each part, strict where `jsonwebtoken` is lenient: `crit`, `b64`, `zip`, `enc`, duplicate
//! members, payloads that aren't objects, and base64url with a second spelling are all refused. Nothing in the
//! header is ever followed: `kid`, `jku`, `x5u` and `jwk` are read past.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::hmac::HmacKey;
use crate::json::{Malformed, Names, Reader, Value};
use crate::reason::Reason;

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
        header(decode(self.header, scratch)?)?;
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
        Value::String(s) if !s.chars().any(char::is_control) => Ok(Some(s)),
        _ => Err(Fault(Reason::ClaimsInvalid)),
    }
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
mod tests {
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn mint(header: &[u8], payload: &[u8]) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let tag = HmacKey::new(SECRET).sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    fn read(token: &str) -> Result<(bool, String), Reason> {
        let mut scratch = Vec::new();
        let unverified = Parts::split(token)?.check_header(&mut scratch)?;
        let signed = unverified.signed_by(&HmacKey::new(SECRET));
        unverified.claims(&mut scratch).map(|c| (signed, format!("{c:?}")))
    }

    fn header_of(json: &str) -> Result<(), Reason> {
        read(&mint(json.as_bytes(), b"{}")).map(drop)
    }

    fn claims_of(json: &str) -> Result<(), Reason> {
        read(&mint(br#"{"alg":"HS256","typ":"JWT"}"#, json.as_bytes())).map(|(signed, _)| assert!(signed))
    }

    #[test]
    fn exactly_hs256_and_nothing_that_changes_the_reading() {
        assert_eq!(header_of(r#"{"alg":"HS256","typ":"JWT"}"#), Ok(()));
        assert_eq!(
            header_of(r#"{"typ":5,"cty":[],"kid":"../../etc/passwd","jku":"http://x","alg":"\u0048S256"}"#),
            Ok(())
        );
        for alg in ["none", "None", "HS256 ", "hs256", "HS384", "HS512", "RS256", "ES256", ""] {
            assert_eq!(header_of(&format!(r#"{{"alg":"{alg}"}}"#)), Err(Reason::AlgorithmNotAllowed), "{alg}");
        }
        for missing in ["{}", r#"{"alg":["HS256"]}"#, r#"{"alg":null}"#, r#"{"ALG":"HS256"}"#] {
            assert_eq!(header_of(missing), Err(Reason::AlgorithmNotAllowed), "{missing}");
        }
        let bad = [
            r#"{"alg":"HS256","crit":["exp"]}"#,
            r#"{"alg":"HS256","crit":[]}"#,
            r#"{"alg":"HS256","b64":false}"#,
            r#"{"alg":"HS256","b64":true}"#,
            r#"{"alg":"HS256","zip":"DEF"}"#,
            r#"{"alg":"HS256","enc":"A128GCM"}"#,
            r#"{"alg":"HS256","alg":"HS256"}"#,
            r#"{"alg":"HS256","x":1,"\u0078":1}"#,
            r#"["HS256"]"#,
            r#""HS256""#,
            r#"{"alg":"HS256"}x"#,
            "",
        ];
        for header in bad {
            assert_eq!(header_of(header), Err(Reason::TokenMalformed), "{header}");
        }
    }

    #[test]
    fn one_canonical_spelling_of_each_part() {
        let good = mint(br#"{"alg":"HS256"}"#, br#"{"a":1}"#);
        assert!(read(&good).is_ok());
        let (signed, signature) = good.rsplit_once('.').unwrap();
        // 43 characters carry 258 bits: the last one has two that must be zero.
        let last = signature.chars().last().unwrap();
        let twin = char::from(last as u8 + 1);
        let respelled = format!("{signed}.{}{twin}", &signature[..42]);
        for bad in
            [format!("{good}="), format!("{good}."), format!(".{good}"), signed.to_owned(), respelled, String::new()]
        {
            assert_eq!(read(&bad).map(drop), Err(Reason::TokenMalformed), "{bad}");
        }
        for short in [format!("{signed}."), format!("{signed}.AAAA")] {
            assert_eq!(read(&short).map(drop), Err(Reason::SignatureInvalid), "{short}");
        }
    }

    #[test]
    fn a_changed_byte_anywhere_fails() {
        let good = mint(br#"{"alg":"HS256"}"#, br#"{"appId":"A","userId":"u"}"#);
        let (signed, _) = good.rsplit_once('.').unwrap();
        let other = HmacKey::new(b"other").sign(signed.as_bytes());
        let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(other));
        assert!(matches!(read(&forged), Ok((false, _))));
        assert!(matches!(read(&good), Ok((true, _))));
    }

    #[test]
    fn identities_are_plain_strings() {
        for good in [r#"{"appId":"A","userId":"é"}"#, r#"{"userId":null,"customerId":""}"#, r#"{"x":{"appId":1}}"#] {
            assert_eq!(claims_of(good), Ok(()), "{good}");
        }
        for bad in [
            r#"{"appId":1}"#,
            r#"{"userId":["u"]}"#,
            r#"{"userId":"a\r\nb"}"#,
            r#"{"customerId":true}"#,
            r#"{"appUserId":{}}"#,
            r#"{"userId":"\u0000"}"#,
        ] {
            assert_eq!(claims_of(bad), Err(Reason::ClaimsInvalid), "{bad}");
        }
    }

    #[test]
    fn times_are_numbers_finite_and_not_negative() {
        for good in ["0", "1584525821", "1.5e9", "1584525821.25", "1e308"] {
            for claim in ["exp", "nbf", "iat"] {
                assert_eq!(claims_of(&format!(r#"{{"{claim}":{good}}}"#)), Ok(()), "{claim} {good}");
            }
        }
        for bad in ["-1", "-0", "-0.0", "1e400", "\"1584525821\"", "null", "[]", "true", "{}"] {
            for claim in ["exp", "nbf", "iat"] {
                assert_eq!(claims_of(&format!(r#"{{"{claim}":{bad}}}"#)), Err(Reason::ClaimsInvalid), "{claim} {bad}");
            }
        }
    }

    #[test]
    fn the_payload_is_one_object_without_duplicates() {
        let bad = [
            r#"["exp","appId"]"#,
            r#"{"exp":1,"exp":2}"#,
            r#"{"appId":"A","app\u0049d":"B"}"#,
            r#"{"x":1,"x":1}"#,
            r#"{"a":1} {"b":2}"#,
            "\u{feff}{}",
            "null",
            "",
        ];
        for payload in bad {
            assert_eq!(claims_of(payload), Err(Reason::TokenMalformed), "{payload}");
        }
        assert_eq!(read(&mint(br#"{"alg":"HS256"}"#, b"{\"a\":\"\xff\"}")).map(drop), Err(Reason::TokenMalformed));
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        assert_eq!(claims_of(&deep), Err(Reason::TokenMalformed));
    }
}
