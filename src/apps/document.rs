//! One app document: the fields that matter, kept so that a partial update can be applied exactly.
//!
//! A document that makes no sense must never open an app: any doubt makes the app
//! [`Policy::Unusable`](super::Policy). BSON and apps files arrive as the same [`Value`]s, so one set of rules
//! reads both; [`reading`](super::reading) has those rules.

use std::fmt;

use zeroize::{Zeroize as _, Zeroizing};

/// The fields this gateway reads; everything else in a document is ignored.
pub const FIELDS: [&str; 7] = [
    "appId",
    "jwt_secretkey",
    "secret_encoding",
    "jwt_secretkey_previous",
    "previous_expires_at",
    "disabled",
    "tokens_valid_after",
];

/// A field's value, as far as an app document can use it. No `Debug`: it may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// Null: the same as no field at all.
    Null,
    /// A string.
    Str(Zeroizing<String>),
    /// A boolean.
    Bool(bool),
    /// A date, in milliseconds since the epoch.
    Date(i64),
    /// A string in a date field of an apps file that is no RFC 3339 date.
    BadDate,
    /// Anything else.
    Other(Type),
}

/// The types no field of ours may have, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A number of any kind.
    Number,
    /// An embedded document.
    Object,
    /// An array.
    Array,
    /// BSON binary data: a secret must be a string.
    Binary,
    /// Any other BSON type.
    Unsupported,
}

impl Value {
    /// A string value.
    #[must_use]
    pub fn string(s: &str) -> Self {
        Self::Str(Zeroizing::new(s.to_owned()))
    }

    /// The word for messages.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Str(_) => "string",
            Self::Bool(_) => "boolean",
            Self::Date(_) | Self::BadDate => "date",
            Self::Other(Type::Number) => "number",
            Self::Other(Type::Object) => "object",
            Self::Other(Type::Array) => "array",
            Self::Other(Type::Binary) => "binary value",
            Self::Other(Type::Unsupported) => "value of an unsupported type",
        }
    }
}

/// The name of a field that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// Index into [`FIELDS`].
    Ours(u8),
    /// A name that equals one of ours only when case and `_` are ignored, with that one's index.
    LookAlike(Box<str>, u8),
}

impl Name {
    /// Classifies a field's name; `None`: a field that is nobody's business.
    #[must_use]
    pub fn classify(name: &str) -> Option<Self> {
        if let Some(at) = FIELDS.iter().position(|ours| *ours == name) {
            return u8::try_from(at).ok().map(Self::Ours);
        }
        // Longer than our longest name with an underscore between all letters: can't be one of ours.
        if name.len() > 64 {
            return None;
        }
        let at = FIELDS.iter().position(|ours| folded(ours).eq(folded(name)))?;
        u8::try_from(at).ok().map(|at| Self::LookAlike(name.into(), at))
    }

    fn rank(&self) -> (u8, &str) {
        match self {
            Self::Ours(at) => (*at, ""),
            Self::LookAlike(name, at) => (LOOK_ALIKE | *at, name),
        }
    }

    /// The name as it stands in the document.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ours(at) => FIELDS.get(usize::from(*at)).copied().unwrap_or_default(),
            Self::LookAlike(name, _) => name,
        }
    }
}

/// A name without case and `_`. Most names are told apart by their first letter.
fn folded(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase)
}

/// An app document: its fields that matter, in the order they came.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Document {
    fields: Vec<(Name, Value)>,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fields.iter().map(|(name, _)| name.as_str())).finish()
    }
}

impl Document {
    /// Sets a top-level field; one that doesn't matter is ignored.
    pub fn set(&mut self, name: &str, value: Value) {
        let Some(name) = Name::classify(name) else { return };
        match self.fields.iter_mut().find(|(n, _)| *n == name) {
            Some((_, v)) => *v = value,
            None => self.fields.push((name, value)),
        }
    }

    /// Removes a top-level field.
    pub fn unset(&mut self, name: &str) {
        self.fields.retain(|(n, _)| n.as_str() != name);
    }

    /// The value of one of [`FIELDS`].
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.fields.iter().find(|(n, _)| matches!(n, Name::Ours(_)) && n.as_str() == field).map(|(_, v)| v)
    }

    /// A field that looks like one of ours, and the one it was probably meant to be.
    #[must_use]
    pub fn look_alike(&self) -> Option<(&str, &'static str)> {
        self.fields.iter().find_map(|(name, _)| match name {
            Name::LookAlike(found, meant) => Some((&**found, FIELDS.get(usize::from(*meant)).copied()?)),
            Name::Ours(_) => None,
        })
    }

    /// Whether both say the same, in whatever order.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.pack().bytes() == other.pack().bytes()
    }

    /// The compact form in which a document is kept beside its app.
    #[must_use]
    pub fn pack(&self) -> Record {
        let mut out = Vec::with_capacity(96);
        let mut fields: Vec<_> = self.fields.iter().collect();
        // One order, whatever the store's: what was patched compares equal to what is read.
        fields.sort_unstable_by_key(|(name, _)| name.rank());
        for (name, value) in fields {
            match name {
                Name::Ours(at) => out.push(*at),
                Name::LookAlike(name, at) => {
                    out.push(LOOK_ALIKE | *at);
                    put_bytes(&mut out, name.as_bytes());
                }
            }
            match value {
                Value::Null => out.push(0),
                Value::Bool(b) => out.push(1 + u8::from(*b)),
                Value::BadDate => out.push(3),
                Value::Date(ms) => {
                    out.push(4);
                    out.extend_from_slice(&ms.to_le_bytes());
                }
                Value::Str(s) => {
                    out.push(5);
                    put_bytes(&mut out, s.as_bytes());
                }
                Value::Other(t) => out.push(TYPES_AT + TYPES.iter().position(|x| x == t).map_or(0, |i| i as u8)),
            }
        }
        let record = Record(out.as_slice().into());
        out.zeroize();
        record
    }
}

const LOOK_ALIKE: u8 = 0x80;
const TYPES_AT: u8 = 8;
const TYPES: [Type; 5] = [Type::Unsupported, Type::Number, Type::Object, Type::Array, Type::Binary];

/// A packed [`Document`]: one allocation. Wiped when dropped; no `Debug`.
#[derive(Clone)]
pub struct Record(Box<[u8]>);

impl Drop for Record {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Record {
    /// A record out of its packed form, which must be one of [`Document::pack`].
    #[must_use]
    pub fn from_packed(packed: &[u8]) -> Self {
        Self(packed.into())
    }

    /// The document again.
    #[must_use]
    pub fn unpack(&self) -> Document {
        unpack(&self.0)
    }

    /// The packed form.
    pub(super) const fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The document in a packed form.
pub(super) fn unpack(mut packed: &[u8]) -> Document {
    let mut document = Document::default();
    while let Some(field) = take_field(&mut packed) {
        document.fields.push(field);
    }
    document
}

fn take_field(rest: &mut &[u8]) -> Option<(Name, Value)> {
    let head = *rest.split_off_first()?;
    let name = if head & LOOK_ALIKE == 0 {
        Name::Ours(head)
    } else {
        let name = std::str::from_utf8(take_bytes(rest)?).ok()?;
        Name::LookAlike(name.into(), head & !LOOK_ALIKE)
    };
    let value = match *rest.split_off_first()? {
        0 => Value::Null,
        b @ (1 | 2) => Value::Bool(b == 2),
        3 => Value::BadDate,
        4 => Value::Date(i64::from_le_bytes(rest.split_off(..8)?.try_into().ok()?)),
        5 => Value::string(std::str::from_utf8(take_bytes(rest)?).ok()?),
        t => Value::Other(TYPES.get(usize::from(t.checked_sub(TYPES_AT)?)).copied()?),
    };
    Some((name, value))
}

/// Up to this length one byte says it; longer ones follow this mark in four.
const LONG: u8 = u8::MAX;

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    match u8::try_from(bytes.len()) {
        Ok(len) if len < LONG => out.push(len),
        _ => {
            out.push(LONG);
            // BSON documents end at 16 MiB, so a length always fits.
            out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        }
    }
    out.extend_from_slice(bytes);
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = match *rest.split_off_first()? {
        LONG => u32::from_le_bytes(rest.split_off(..4)?.try_into().ok()?),
        len => u32::from(len),
    };
    rest.split_off(..usize::try_from(len).ok()?)
}

#[cfg(test)]
mod tests;
