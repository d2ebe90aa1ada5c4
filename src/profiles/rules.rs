//! What a document must be like to be written: it makes sense as a whole, and its secrets are long enough.

use zeroize::Zeroizing;

use super::edit::{Mistake, Mistakes, SECRETS};
use crate::apps::document::Value;
use crate::apps::reading::decode_base64;
use crate::apps::{Document, Fault, SecretEncoding, reading};

/// What documents must be like.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// `auth.secret_encoding`.
    pub encoding: SecretEncoding,
    /// The least length of a secret, in bytes once decoded.
    pub min_secret_bytes: usize,
}

impl Rules {
    /// Whether a document may be written: it makes sense as a whole, and the secrets among `written` are long enough.
    ///
    /// # Errors
    /// Every mistake there is.
    pub fn check<'n>(&self, document: &Document, written: impl Iterator<Item = &'n str>) -> Result<(), Vec<Mistake>> {
        self.check_also(document, written, Mistakes::default())
    }

    /// The same, after these mistakes were found in the fields one by one.
    ///
    /// # Errors
    /// Every mistake there is, one a field.
    pub fn check_also<'n>(
        &self,
        document: &Document,
        written: impl Iterator<Item = &'n str>,
        mut mistakes: Mistakes,
    ) -> Result<(), Vec<Mistake>> {
        if let Some(fault) = reading::read(document, self.encoding).fault {
            mistakes.note_first(field_of(&fault), remedy(&fault));
        }
        for field in written.filter(|name| SECRETS.contains(name)) {
            let Some(key) = self.key(document, field) else { continue };
            if key.len() < self.min_secret_bytes {
                let (found, least) = (key.len(), self.min_secret_bytes);
                mistakes.note_first(field, format!("is too short: {found} bytes; use {least} or more"));
            }
        }
        mistakes.or(())
    }

    /// A secret's bytes as the key they are; `None`: there is none, or it can't be decoded.
    #[must_use]
    pub fn key(&self, document: &Document, field: &str) -> Option<Zeroizing<Vec<u8>>> {
        let Some(Value::Str(text)) = document.get(field) else { return None };
        match self.encoding_of(document)? {
            SecretEncoding::Raw => Some(Zeroizing::new(text.as_bytes().to_vec())),
            SecretEncoding::Base64 => decode_base64(text),
        }
    }

    /// How the secrets of a document are encoded; `None`: it says so in a way that makes no sense.
    #[must_use]
    pub fn encoding_of(&self, document: &Document) -> Option<SecretEncoding> {
        match document.get("secret_encoding") {
            None | Some(Value::Null) => Some(self.encoding),
            Some(Value::Str(word)) => SecretEncoding::parse(word),
            Some(_) => None,
        }
    }
}

fn field_of(fault: &Fault) -> &'static str {
    match fault {
        Fault::NoAppId | Fault::AppIdForm | Fault::Duplicate => "appId",
        Fault::Type { field, .. } | Fault::EmptySecret(field) | Fault::Undecodable(field) | Fault::BadDate(field) => {
            field
        }
        Fault::Encoding => "secret_encoding",
        Fault::PreviousAlone => "jwt_secretkey_previous",
        Fault::LookAlike { meant, .. } => meant,
    }
}

fn remedy(fault: &Fault) -> String {
    match fault {
        Fault::NoAppId => "is missing".to_owned(),
        Fault::PreviousAlone => "stands without `jwt_secretkey`; take both out, or none".to_owned(),
        Fault::Undecodable(_) => "is not base64, as `secret_encoding` says it is".to_owned(),
        other => other.to_string(),
    }
}
