//! What a request body asks to be written, checked field by field: every mistake is listed, none of them quotes a value.

use serde_json::{Map, Value as Json};
use zeroize::Zeroizing;

use crate::apps::Document;
use crate::apps::document::{FIELDS, Name, Value};
use crate::apps::json::{DATES, date};
use crate::apps::reading::valid_app_id;

/// Counts the writes of a document through this API, so that its entity tag changes with each.
pub const REVISION: &str = "profile_revision";
/// The name of an app, for people.
pub const NAME: &str = "appName";

/// The fields that hold secrets.
pub const SECRETS: [&str; 2] = ["jwt_secretkey", "jwt_secretkey_previous"];
/// The longest name of a field.
const LONGEST_NAME: usize = 64;
/// The longest secret, in characters as it is written.
pub const LONGEST_SECRET: usize = 1024;
/// How deep a field of somebody else's may be nested.
const DEEPEST: usize = 20;

/// Something that is wrong with a request's body.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Mistake {
    /// The field; empty: the body as a whole.
    #[schema(example = "jwt_secretkey")]
    pub field: String,
    /// What is wrong; what would be right. Never quotes a value.
    #[schema(example = "is too short: 12 bytes; use 32 or more")]
    pub problem: String,
}

/// Mistakes as they are found.
#[derive(Clone, Debug, Default)]
pub struct Mistakes(pub Vec<Mistake>);

impl Mistakes {
    /// Notes one.
    pub fn note(&mut self, field: &str, problem: impl Into<String>) {
        // A name may be anything; a message is one line.
        let field = field.chars().take(LONGEST_NAME).flat_map(char::escape_debug).collect();
        self.0.push(Mistake { field, problem: problem.into() });
    }

    /// Notes one, unless something is wrong with that field already.
    pub(super) fn note_first(&mut self, field: &str, problem: String) {
        if self.0.iter().all(|mistake| mistake.field != field) {
            self.note(field, problem);
        }
    }

    /// `value`, if nothing was found.
    ///
    /// # Errors
    /// Everything found.
    pub fn or<T>(self, value: T) -> Result<T, Vec<Mistake>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}

/// What is to be written into a field. No `Debug`: it may be a secret.
#[derive(Clone, PartialEq)]
pub enum Given {
    /// One of the gateway's own fields.
    Ours(Value),
    /// A field that the gateway keeps and ignores.
    Other(Json),
}

/// What is to be written: fields to set, and fields to take out.
#[derive(Clone, Default)]
pub struct Edit {
    /// By name, in the order given.
    pub set: Vec<(String, Given)>,
    /// By name.
    pub unset: Vec<String>,
}

impl Edit {
    /// Sets one of the gateway's own fields.
    #[must_use]
    pub fn with(mut self, field: &'static str, value: Value) -> Self {
        self.set.push((field.to_owned(), Given::Ours(value)));
        self
    }

    /// Takes one of the gateway's own fields out.
    #[must_use]
    pub fn without(mut self, field: &'static str) -> Self {
        self.unset.push(field.to_owned());
        self
    }

    /// The fields it touches.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.set.iter().map(|(name, _)| name.as_str()).chain(self.unset.iter().map(String::as_str))
    }

    /// Whether it would give the app another id, or none.
    #[must_use]
    pub fn would_rename(&self, app: &str) -> bool {
        let other = |(name, given): &(String, Given)| name == "appId" && *given != Given::Ours(Value::string(app));
        self.set.iter().any(other) || self.unset.iter().any(|name| name == "appId")
    }

    /// The document as it will be.
    #[must_use]
    pub fn applied_to(&self, mut document: Document) -> Document {
        for (name, value) in &self.set {
            if let Given::Ours(value) = value {
                document.set(name, value.clone());
            }
        }
        for name in &self.unset {
            document.unset(name);
        }
        document
    }
}

/// Reads a body: the members of an object. null takes a field out. What is wrong with a field keeps it out of the edit.
#[must_use]
pub fn read(members: Map<String, Json>) -> (Edit, Mistakes) {
    let mut mistakes = Mistakes::default();
    let mut edit = Edit::default();
    for (name, value) in members {
        let problem = name_problem(&name).or_else(|| value_problem(&name, &value));
        if let Some(problem) = problem {
            mistakes.note(&name, problem);
        } else if value.is_null() {
            edit.unset.push(name);
        } else {
            let value = given(&name, value);
            edit.set.push((name, value));
        }
    }
    (edit, mistakes)
}

fn name_problem(name: &str) -> Option<String> {
    if name == "_id" || name == REVISION {
        return Some("is kept by the database and this API; leave it out".to_owned());
    }
    let mut bytes = name.bytes();
    let sound = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !sound || name.len() > LONGEST_NAME {
        return Some("is no field name; use 1 to 64 of A-Z a-z 0-9 _ -, a letter or _ first".to_owned());
    }
    match Name::classify(name) {
        Some(Name::LookAlike(_, meant)) => {
            let meant = FIELDS.get(usize::from(meant)).copied().unwrap_or_default();
            Some(format!("looks like `{meant}` but isn't; write `{meant}`"))
        }
        _ => None,
    }
}

fn value_problem(name: &str, value: &Json) -> Option<String> {
    let wanted = |good: bool, wanted: &str| (!good && !value.is_null()).then(|| must_be(value, wanted));
    match name {
        "appId" => match value.as_str() {
            Some(id) if valid_app_id(id) => None,
            Some(_) => Some("is no appId; use 1 to 64 of A-Z a-z 0-9 . _ -".to_owned()),
            None => Some(must_be(value, "a string")),
        },
        name if SECRETS.contains(&name) => match value.as_str() {
            Some("") => Some("is empty; use null to take the secret out".to_owned()),
            Some(text) if text.chars().count() > LONGEST_SECRET => {
                Some("is too long; use up to 1024 characters".to_owned())
            }
            text => wanted(text.is_some(), "a string"),
        },
        "secret_encoding" => wanted(matches!(value.as_str(), Some("raw" | "base64")), "`raw` or `base64`"),
        name if DATES.contains(&name) => {
            let date = value.as_str().and_then(date);
            wanted(date.is_some(), "an RFC 3339 date such as 2026-01-31T12:00:00Z")
        }
        "disabled" => wanted(value.is_boolean(), "true or false"),
        NAME => wanted(value.is_string(), "a string"),
        _ => (!storable(value, DEEPEST))
            .then(|| "holds a name that begins with `$`, a number out of range, or too many levels".to_owned()),
    }
}

fn must_be(value: &Json, wanted: &str) -> String {
    let found = match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "another string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    };
    format!("is {found}; it must be {wanted}")
}

/// Whether the database can keep this.
fn storable(value: &Json, levels: usize) -> bool {
    match value {
        Json::Array(list) => levels > 0 && list.iter().all(|v| storable(v, levels - 1)),
        Json::Object(members) => {
            let named = |name: &str| !name.starts_with('$') && !name.contains('\0');
            levels > 0 && members.iter().all(|(name, v)| named(name) && storable(v, levels - 1))
        }
        Json::Number(n) => n.as_u64().is_none_or(|n| i64::try_from(n).is_ok()),
        _ => true,
    }
}

fn given(name: &str, value: Json) -> Given {
    match (name, value) {
        (name, Json::String(text)) if DATES.contains(&name) => {
            Given::Ours(date(&text).map_or(Value::BadDate, Value::Date))
        }
        (name, Json::String(text)) if FIELDS.contains(&name) => Given::Ours(Value::Str(Zeroizing::new(text))),
        (name, Json::Bool(value)) if FIELDS.contains(&name) => Given::Ours(Value::Bool(value)),
        (_, value) => Given::Other(value),
    }
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
