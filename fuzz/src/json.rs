//! A JSON document as `serde_json` reads it, with every member that its text has: an object keeps all of two equal
//! names, where `serde_json::Value` keeps the last.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Self>),
    /// An object: its members in their order.
    Object(Vec<(String, Self)>),
}

/// A text that `serde_json` refuses.
#[derive(Debug)]
pub enum Refused {
    /// A number beyond what an `f64` holds: JSON all the same, by RFC 8259, and no bound of this gateway's.
    Range,
    /// More levels than `serde_json` reads: it stops at 127, this gateway after 128.
    Depth,
    /// Anything else.
    Malformed(serde_json::Error),
}

impl Json {
    /// Reads a text.
    ///
    /// # Errors
    /// What `serde_json` refuses.
    pub fn read(text: &[u8]) -> Result<Self, Refused> {
        serde_json::from_slice(text).map_err(|error| match error.to_string() {
            text if text.starts_with("number out of range") => Refused::Range,
            text if text.starts_with("recursion limit exceeded") => Refused::Depth,
            _ => Refused::Malformed(error),
        })
    }

    /// The members of an object; none of anything else.
    #[must_use]
    pub fn members(&self) -> &[(String, Self)] {
        if let Self::Object(members) = self { members } else { &[] }
    }

    /// All members of this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.members().iter().filter(move |(n, _)| n == name).map(|(_, value)| value)
    }

    /// The one member of this name, if any.
    #[must_use]
    pub fn one(&self, name: &str) -> Option<&Self> {
        let mut all = self.all(name);
        let first = all.next();
        assert!(all.next().is_none(), "`{name}` stands twice: {self:?}");
        first
    }

    /// A string that isn't empty.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text.as_str()).filter(|text| !text.is_empty()) } else { None }
    }

    /// A number.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        if let Self::Number(number) = self { number.as_f64() } else { None }
    }
}

/// Whether two readings of one decimal are the same, but for the last bits, in which `serde_json` is not exact.
#[must_use]
pub fn same_number(a: f64, b: f64) -> bool {
    (a - b).abs() <= a.abs().max(b.abs()) * 1e-14
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("no finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}
