//! What differs between two configuration files, path by path, and whether a running gateway can take it up.
//!
//! Values aren't shown: they may be secrets, and whoever asks has both files.

use std::fmt;

use super::settings::FIXED;
use super::tree::Node;
use super::yaml_path::{Step, YamlPath};

/// How something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It stands in the new file alone.
    Added,
    /// It stands in the old file alone.
    Removed,
    /// Its value is another one.
    Changed,
}

/// One difference. Displayed as `auth.leeway: changed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub path: YamlPath,
    /// How.
    pub kind: Kind,
}

impl Difference {
    /// Whether only a restart puts it in force.
    #[must_use]
    pub fn needs_restart(&self) -> bool {
        FIXED.iter().any(|fixed| {
            let same = |(step, word): (&Step, &str)| matches!(step, Step::Key(key) if key == word);
            self.path.steps().iter().zip(fixed.split('.')).all(same)
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Added => "added",
            Kind::Removed => "removed",
            Kind::Changed => "changed",
        };
        write!(f, "{}: {kind}", self.path)
    }
}

/// The differences of two expanded documents, in the order of the old one; what is new comes last in its mapping.
#[must_use]
pub fn between(old: &Node, new: &Node) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(Some(old), Some(new), &YamlPath::default(), &mut found);
    found
}

fn compare(old: Option<&Node>, new: Option<&Node>, at: &YamlPath, found: &mut Vec<Difference>) {
    let mut note = |kind| found.push(Difference { path: at.clone(), kind });
    match (old.filter(|node| is_there(node)), new.filter(|node| is_there(node))) {
        (None, Some(_)) => note(Kind::Added),
        (Some(_), None) => note(Kind::Removed),
        (Some(Node::Map(old)), Some(Node::Map(new))) => {
            let in_new = |key: &str| new.iter().find(|(name, _)| name == key).map(|(_, node)| node);
            for (key, node) in old {
                compare(Some(node), in_new(key), &at.key(key), found);
            }
            for (key, node) in new.iter().filter(|(key, _)| !old.iter().any(|(name, _)| name == key)) {
                compare(None, Some(node), &at.key(key), found);
            }
        }
        (Some(Node::List(old)), Some(Node::List(new))) => {
            for index in 0..old.len().max(new.len()) {
                compare(old.get(index), new.get(index), &at.index(index), found);
            }
        }
        (Some(old), Some(new)) if !same(old, new) => note(Kind::Changed),
        _ => {}
    }
}

/// A key without a value counts as absent.
fn is_there(node: &Node) -> bool {
    !matches!(node, Node::Null | Node::Gone)
}

/// Whether two values are one, wherever they come from.
fn same(old: &Node, new: &Node) -> bool {
    match (text(old), text(new)) {
        (Some(old), Some(new)) => old == new,
        _ => old == new,
    }
}

fn text(node: &Node) -> Option<String> {
    match node {
        Node::Bool(value) => Some(value.to_string()),
        Node::Number(value) => Some(value.to_string()),
        Node::Text(text) | Node::Expanded(text) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::parse;

    fn differences(old: &str, new: &str) -> Vec<String> {
        between(&parse(old).unwrap(), &parse(new).unwrap())
            .iter()
            .map(|d| format!("{d}{}", if d.needs_restart() { " (restart)" } else { "" }))
            .collect()
    }

    #[test]
    fn every_difference_has_its_path_and_says_whether_it_needs_a_restart() {
        let old =
            "{auth: {leeway: 0s, rejection: sdk}, listeners: [{address: a}], limits: {}, cors: ~, routes: [1, 2]}";
        let new = "{auth: {leeway: 1s, secret_encoding: raw}, listeners: [{address: b}, {address: c}], limits: ~, \
                   routes: [1], server: {drain: 1s}}";
        assert_eq!(
            differences(old, new),
            [
                "auth.leeway: changed",
                "auth.rejection: removed",
                "auth.secret_encoding: added (restart)",
                "listeners[0].address: changed (restart)",
                "listeners[1]: added (restart)",
                "limits: removed",
                "routes[1]: removed",
                "server: added (restart)",
            ]
        );
        assert_eq!(differences(old, old), Vec::<String>::new());
        assert_eq!(differences("{a: 5, b: true}", "{a: '5', b: 'true'}"), Vec::<String>::new());
        assert_eq!(differences("{auth: {secret_encoding: raw}}", "{}"), ["auth: removed (restart)"]);
    }
}
