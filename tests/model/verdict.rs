//! What the documents decide, read a second time: by other code than the gateway's, from the same words of the
//! documentation.

use mongodb::bson::{Bson, Document};

use super::documents::{self, LOOK_ALIKES};

/// What happens to an app's requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// No document has this appId.
    Unknown,
    /// Its document makes no sense, or there are two of them.
    Unusable,
    /// Switched off.
    Disabled,
    /// No secret.
    Open,
    /// A token is required.
    Jwt(Secrets),
}

/// By which keys tokens are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Secrets {
    current: Vec<u8>,
    previous: Option<Vec<u8>>,
    /// Milliseconds since the epoch.
    cut: Option<i64>,
}

/// A document that makes no sense.
struct Senseless;

impl View {
    /// The app with this id, by all documents of the collection.
    pub(super) fn of<'d>(app: &str, documents: impl Iterator<Item = &'d Document>) -> Self {
        let mut claimants = documents.filter(|d| d.get("appId") == Some(&Bson::String(app.to_owned())));
        match (claimants.next(), claimants.next()) {
            (None, _) => Self::Unknown,
            (Some(only), None) => read(only).unwrap_or(Self::Unusable),
            (Some(_), Some(_)) => Self::Unusable,
        }
    }

    /// What a token signed with `key` gets, in the words of [`judge`](super::judge); `now` is in seconds.
    pub(super) fn verdict(&self, key: &[u8], iat: Option<i64>) -> &'static str {
        let secrets = match self {
            Self::Unknown => return "app_unknown",
            Self::Unusable => return "app_unusable",
            Self::Disabled => return "app_disabled",
            Self::Open => return "open",
            Self::Jwt(secrets) => secrets,
        };
        if secrets.current != key && secrets.previous.as_deref() != Some(key) {
            return "signature_invalid";
        }
        match (secrets.cut, iat) {
            (None, _) => "good",
            (Some(cut), Some(iat)) if iat * 1000 >= cut => "good",
            _ => "token_revoked",
        }
    }
}

fn read(document: &Document) -> Result<View, Senseless> {
    if LOOK_ALIKES.iter().any(|name| document.contains_key(name)) {
        return Err(Senseless);
    }
    let base64 = match string(document, "secret_encoding")? {
        None | Some("raw") => false,
        Some("base64") => true,
        Some(_) => return Err(Senseless),
    };
    let current = key(document, "jwt_secretkey", base64)?;
    let previous = key(document, "jwt_secretkey_previous", base64)?;
    let until = date(document, "previous_expires_at")?;
    let cut = date(document, "tokens_valid_after")?;
    let disabled = match document.get("disabled") {
        None | Some(Bson::Null) => false,
        Some(Bson::Boolean(disabled)) => *disabled,
        Some(_) => return Err(Senseless),
    };
    if previous.is_some() && current.is_none() {
        return Err(Senseless);
    }
    if disabled {
        return Ok(View::Disabled);
    }
    let Some(current) = current else { return Ok(View::Open) };
    // The dates of the documents lie decades before or after any run of this test.
    let lasts = until.is_some_and(|until| until > documents::TODAY);
    Ok(View::Jwt(Secrets { current, previous: previous.filter(|_| lasts), cut }))
}

fn string<'d>(document: &'d Document, field: &str) -> Result<Option<&'d str>, Senseless> {
    match document.get(field) {
        None | Some(Bson::Null) => Ok(None),
        Some(Bson::String(text)) => Ok(Some(text)),
        Some(_) => Err(Senseless),
    }
}

fn date(document: &Document, field: &str) -> Result<Option<i64>, Senseless> {
    match document.get(field) {
        None | Some(Bson::Null) => Ok(None),
        Some(Bson::DateTime(date)) => Ok(Some(date.timestamp_millis())),
        Some(_) => Err(Senseless),
    }
}

fn key(document: &Document, field: &str, base64: bool) -> Result<Option<Vec<u8>>, Senseless> {
    let Some(text) = string(document, field)? else { return Ok(None) };
    let bytes = if base64 { documents::decoded(text).ok_or(Senseless)? } else { text.as_bytes().to_vec() };
    if bytes.is_empty() { Err(Senseless) } else { Ok(Some(bytes)) }
}
