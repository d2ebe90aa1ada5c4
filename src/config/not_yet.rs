//! Keys that are agreed upon but not built yet: refused by name, never silently accepted.
//!
//! This is the only list of them. Building one means taking its line out here and adding its key to a twin.

use super::mistakes::Check;
use super::nearest;
use super::tree::Node;
use super::yaml_path::YamlPath;

/// Something a configuration can't use yet. In a pattern, `*` stands for any key.
#[derive(Clone, Copy, Debug)]
pub enum NotYet {
    /// The key, whatever its value.
    Key(&'static str),
    /// The key with any word but those listed.
    Word(&'static str, &'static [&'static str]),
}

/// Everything that can't be used yet.
pub const NOT_YET: &[NotYet] = &[NotYet::Word("telemetry.access_log.format", &["json"])];

impl NotYet {
    /// Where it stands; `*` is any key.
    #[must_use]
    pub const fn pattern(&self) -> &'static str {
        match self {
            Self::Key(pattern) | Self::Word(pattern, _) => pattern,
        }
    }

    /// What to say about a node at this place; `None`: it can be used.
    fn problem(&self, node: &Node) -> Option<String> {
        match (self, node) {
            (Self::Key(_), _) => Some("not supported yet; take it out".to_owned()),
            (Self::Word(_, built), Node::Text(word) | Node::Expanded(word)) if !built.contains(&word.as_str()) => {
                Some(format!("any other value than {} is not supported yet", nearest::list(built, "or")))
            }
            // What isn't a word at all is the twin's business.
            (Self::Word(..), _) => None,
        }
    }
}

/// Reports everything in a document that isn't built yet, and takes it out.
pub fn refuse(document: &mut Node, check: &mut Check) {
    for gap in NOT_YET {
        let words: Vec<&str> = gap.pattern().split('.').collect();
        for path in matches(document, &YamlPath::default(), &words) {
            if let Some(problem) = document.get(path.steps()).and_then(|node| gap.problem(node)) {
                check.refuse(&path, problem);
                document.prune(path.steps());
            }
        }
    }
}

/// The paths of all nodes that a pattern fits.
fn matches(node: &Node, at: &YamlPath, words: &[&str]) -> Vec<YamlPath> {
    let Some((word, rest)) = words.split_first() else { return vec![at.clone()] };
    let Node::Map(entries) = node else { return Vec::new() };
    let fits = entries.iter().filter(|(key, _)| *word == "*" || key == word);
    fits.flat_map(|(key, node)| matches(node, &at.key(key), rest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A document with one key of the list.
    fn example(gap: &NotYet) -> Node {
        let value = match gap {
            NotYet::Key(_) => Node::Null,
            NotYet::Word(..) => Node::Text("another".to_owned()),
        };
        gap.pattern()
            .rsplit('.')
            .fold(value, |node, word| Node::Map(vec![(if word == "*" { "rtms.a" } else { word }.to_owned(), node)]))
    }

    #[test]
    fn everything_on_the_list_is_refused_and_taken_out() {
        for gap in NOT_YET {
            let mut document = example(gap);
            let mut check = Check::new(std::path::Path::new(""));
            refuse(&mut document, &mut check);
            assert_eq!(check.count(), 1, "{gap:?}");
            refuse(&mut document, &mut check);
            assert_eq!(check.count(), 1, "{gap:?}");
        }
    }

    #[test]
    fn built_words_pass() {
        let mut document = super::super::tree::parse("telemetry: {access_log: {format: json}, b: 5}").unwrap();
        let before = document.clone();
        let mut check = Check::new(std::path::Path::new(""));
        refuse(&mut document, &mut check);
        assert_eq!((check.count(), document), (0, before));
    }
}
