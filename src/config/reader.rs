//! Reads the twins out of a document: a serde deserializer over [`Node`] whose errors carry the path, what is wrong
//! and what would be right.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, Expected, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::nearest;
use super::tree::Node;
use super::yaml_path::{Step, YamlPath};

/// A node that isn't what its key wants.
#[derive(Debug)]
pub struct Wrong {
    /// The steps to the node, innermost first.
    steps: Vec<Step>,
    problem: String,
    /// The key itself is wrong, whatever its value.
    about_key: bool,
}

impl Wrong {
    /// Whether the key itself is wrong, whatever its value.
    #[must_use]
    pub const fn is_about_key(&self) -> bool {
        self.about_key
    }

    /// The path from the root, and the problem.
    #[must_use]
    pub fn into_parts(mut self) -> (YamlPath, String) {
        self.steps.reverse();
        (YamlPath::new(self.steps), self.problem)
    }

    fn inside(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(problem: T) -> Self {
        Self { steps: Vec::new(), problem: problem.to_string(), about_key: false }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("is {}; it must be {}", type_name(&found), wanted(expected)))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("is out of range; it must be {}", wanted(expected)))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("unknown word; it must be {}", nearest::list(expected, "or")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(match nearest::nearest(field, expected) {
            Some(near) => format!("unknown key; did you mean `{near}`?"),
            None => format!("unknown key; the keys here are {}", nearest::list(expected, "and")),
        })
    }
}

fn type_name(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Str(_) | Unexpected::Char(_) => "a string",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a mapping",
        _ => "empty",
    }
}

/// Serde's own words for what it wants, in an operator's.
fn wanted(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        _ if text.starts_with("struct ") => "a mapping".to_owned(),
        _ => text,
    }
}

/// A cursor on one node.
#[derive(Clone, Copy)]
pub struct Reader<'t>(pub &'t Node);

impl<'t> Reader<'t> {
    fn unexpected(self) -> Unexpected<'t> {
        match self.0 {
            Node::Null | Node::Gone => Unexpected::Unit,
            Node::Bool(b) => Unexpected::Bool(*b),
            Node::Number(_) => Unexpected::Float(0.0),
            Node::Text(s) | Node::Expanded(s) => Unexpected::Str(s),
            Node::List(_) => Unexpected::Seq,
            Node::Map(_) => Unexpected::Map,
        }
    }

    /// A number of a scalar that variables went into.
    fn expanded<T: std::str::FromStr>(self) -> Option<T> {
        match self.0 {
            Node::Expanded(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Node::Null | Node::Gone => visitor.visit_unit(),
            Node::Bool(b) => visitor.visit_bool(*b),
            Node::Number(n) => match (n.as_u64(), n.as_i64(), n.as_f64()) {
                (Some(n), ..) => visitor.visit_u64(n),
                (_, Some(n), _) => visitor.visit_i64(n),
                (.., n) => visitor.visit_f64(n.unwrap_or_default()),
            },
            Node::Text(text) | Node::Expanded(text) => visitor.visit_borrowed_str(text),
            Node::List(list) => visitor.visit_seq(Entries { list: list.iter().enumerate() }),
            Node::Map(entries) => visitor.visit_map(Members { entries: entries.iter(), current: None }),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.expanded() {
            Some(value) => visitor.visit_bool(value),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.expanded() {
            Some(value) => visitor.visit_u64(value),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.expanded::<f64>().filter(|n| n.is_finite()) {
            Some(value) => visitor.visit_f64(value),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Node::Null | Node::Gone => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self.0 {
            // Serde would take a list for the fields in their order.
            Node::List(_) => Err(de::Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self.0 {
            Node::Text(word) | Node::Expanded(word) => visitor.visit_enum(Word(word)),
            _ => Err(de::Error::invalid_type(self.unexpected(), &nearest::list(words, "or").as_str())),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u128 f32 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        identifier ignored_any
    }
}

/// The entries of a list; one that was refused reads as `None`.
struct Entries<'t> {
    list: std::iter::Enumerate<std::slice::Iter<'t, Node>>,
}

impl<'de> SeqAccess<'de> for Entries<'de> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let Some((index, node)) = self.list.next() else { return Ok(None) };
        let read = match node {
            Node::Null => Err(de::Error::custom("is empty; give it a value or take it out")),
            _ => seed.deserialize(Reader(node)),
        };
        read.map(Some).map_err(|wrong| wrong.inside(Step::Index(index)))
    }
}

/// The entries of a mapping.
struct Members<'t> {
    entries: std::slice::Iter<'t, (String, Node)>,
    current: Option<&'t (String, Node)>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        self.current = self.entries.next();
        let Some((key, _)) = self.current else { return Ok(None) };
        let read = seed.deserialize(StrDeserializer::<Wrong>::new(key));
        read.map(Some).map_err(|wrong| Wrong { about_key: true, ..wrong.inside(Step::Key(key.clone())) })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let (key, node) = self.current.take().ok_or_else(|| <Wrong as de::Error>::custom("has no value"))?;
        seed.deserialize(Reader(node)).map_err(|wrong| wrong.inside(Step::Key(key.clone())))
    }
}

/// A word out of a closed set.
struct Word<'t>(&'t str);

impl<'de> EnumAccess<'de> for Word<'de> {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Wrong> {
        let value = seed.deserialize(StrDeserializer::<Wrong>::new(self.0))?;
        Ok((value, self))
    }
}

impl<'de> de::VariantAccess<'de> for Word<'de> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Wrong> {
        Err(de::Error::custom("is a word; it must be a mapping"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Wrong> {
        Err(de::Error::custom("is a word; it must be a list"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Wrong> {
        Err(de::Error::custom("is a word; it must be a mapping"))
    }
}
