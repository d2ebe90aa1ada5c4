//! A YAML document as a tree: read strictly, before anything is expanded or given a meaning.
//!
//! YAML 1.2 scalars only (`yes` and `0755` are strings), no custom tags, bounded aliases. A mapping keeps every
//! entry, so that a key that occurs twice can be reported with its path instead of losing one of the two.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::mistakes::Check;
use super::yaml_path::{Step, YamlPath};

/// One node of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Nothing: the key counts as absent.
    Null,
    /// A list entry that was refused: it keeps the place of its successors.
    Gone,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(String),
    /// A string that environment variables went into: it may stand for a number or a boolean.
    Expanded(String),
    /// A list.
    List(Vec<Self>),
    /// A mapping.
    Map(Vec<(String, Self)>),
}

/// A file that is no YAML document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syntax {
    /// Line and column from 1, where known.
    pub at: Option<(u64, u64)>,
    /// What is wrong there; what would be right.
    pub problem: String,
}

/// Reads a document.
///
/// # Errors
/// Anything that isn't one well-formed YAML document.
pub fn parse(text: &str) -> Result<Node, Syntax> {
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let at = error.location().map(|l| (l.line(), l.column()));
        let message = error.to_string();
        // The location is told apart from the problem.
        let problem = message.split(" at line ").next().unwrap_or_default();
        let line = at.and_then(|(line, _)| text.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?));
        Syntax { at, problem: format!("{problem}; {}", remedy(line.unwrap_or_default())) }
    })
}

fn remedy(line: &str) -> &'static str {
    if line.contains("${") || line.contains("/{") {
        "put quotes around values with braces, as in \"${VAR}\" or \"/{appId}\""
    } else {
        "the file must be one well-formed YAML document"
    }
}

impl Node {
    /// The node at a path.
    #[must_use]
    pub fn get(&self, path: &[Step]) -> Option<&Self> {
        let Some((step, rest)) = path.split_first() else { return Some(self) };
        match (self, step) {
            (Self::List(list), Step::Index(index)) => list.get(*index)?.get(rest),
            (Self::Map(entries), Step::Key(key)) => entries.iter().find(|(k, _)| k == key)?.1.get(rest),
            _ => None,
        }
    }

    /// Takes the node at a path out; false if there is none, or if it is the root.
    pub fn prune(&mut self, path: &[Step]) -> bool {
        let Some((step, rest)) = path.split_first() else { return false };
        match (self, step) {
            (Self::List(list), Step::Index(index)) => match list.get_mut(*index) {
                Some(entry) if rest.is_empty() => {
                    *entry = Self::Gone;
                    true
                }
                Some(entry) => entry.prune(rest),
                None => false,
            },
            (Self::Map(entries), Step::Key(key)) => match entries.iter().position(|(k, _)| k == key) {
                Some(at) if rest.is_empty() => {
                    entries.remove(at);
                    true
                }
                Some(at) => entries.get_mut(at).is_some_and(|(_, node)| node.prune(rest)),
                None => false,
            },
            _ => false,
        }
    }

    /// Reports every key that occurs twice in its mapping, and keeps the first of each.
    pub fn drop_duplicates(&mut self, at: &YamlPath, check: &mut Check) {
        match self {
            Self::List(list) => {
                for (n, entry) in list.iter_mut().enumerate() {
                    entry.drop_duplicates(&at.index(n), check);
                }
            }
            Self::Map(entries) => {
                let mut seen = std::collections::HashSet::new();
                entries.retain(|(key, _)| {
                    let fresh = seen.insert(key.clone());
                    if !fresh {
                        check.refuse(&at.key(key), "occurs twice; keep one of them");
                    }
                    fresh
                });
                for (key, node) in entries {
                    node.drop_duplicates(&at.key(key), check);
                }
            }
            _ => {}
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        Number::from_f64(value).map(Node::Number).ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = seq.next_element()? {
            list.push(node);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(yaml: &str) -> Node {
        parse(yaml).unwrap().get(&[Step::Key("a".into())]).unwrap().clone()
    }

    #[test]
    fn only_yaml_1_2_scalars_are_taken_for_booleans_and_numbers() {
        for word in ["yes", "off", "0755", "1_000", "12:30", "2026-01-01"] {
            assert_eq!(text(&format!("a: {word}")), Node::Text(word.into()), "{word}");
        }
        assert_eq!(text("a: true"), Node::Bool(true));
        assert_eq!(text("a: -5"), Node::Number((-5).into()));
        assert_eq!(text("a: ~"), Node::Null);
        assert_eq!(parse("").unwrap(), Node::Null);
    }

    #[test]
    fn syntax_errors_have_a_place() {
        let error = parse("a: 1\nb: [1, 2").unwrap_err();
        assert_eq!(error.at, Some((2, 4)));
        assert!(!error.problem.contains("line"), "{}", error.problem);
        for bad in ["a: !foo x", "a: 1\n---\nb: 2", "a: *b", "a: .inf", "[1]: 2", "a: {b: ${X}}"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nesting_and_aliases_are_bounded() {
        assert!(parse(&"[".repeat(100_000)).is_err());
        let ten = |n: usize, what: &str| format!("a{n}: &a{n} [{}]\n", [what; 10].join(","));
        let bomb: Vec<String> =
            (0..8).map(|n| ten(n, &if n == 0 { "x".into() } else { format!("*a{}", n - 1) })).collect();
        assert!(parse(&bomb.concat()).is_err());
    }

    #[test]
    fn every_second_key_is_found_at_its_path() {
        let mut document = parse("a: [{x: 1, y: 2, x: 3}]\nb: {c: 1}\na: 2").unwrap();
        let mut check = Check::new(std::path::Path::new(""));
        document.drop_duplicates(&YamlPath::default(), &mut check);
        let paths: Vec<String> = check.finish(&document).0.into_iter().map(|m| m.path).collect();
        assert_eq!(paths, ["a", "a[0].x"]);
        assert_eq!(document, parse("a: [{x: 1, y: 2}]\nb: {c: 1}").unwrap());
    }

    #[test]
    fn pruning_keeps_the_places_of_list_entries() {
        let mut document = parse("a: [1, 2, {b: 3}]").unwrap();
        let at = |path: YamlPath| path.steps().to_vec();
        let a = YamlPath::default().key("a");
        assert!(document.prune(&at(a.index(0))));
        assert!(document.prune(&at(a.index(2).key("b"))));
        assert!(!document.prune(&at(a.index(7))));
        assert!(!document.prune(&[]));
        assert_eq!(document.get(a.index(1).steps()), Some(&Node::Number(2.into())));
        assert_eq!(document.get(a.index(0).steps()), Some(&Node::Gone));
    }
}
