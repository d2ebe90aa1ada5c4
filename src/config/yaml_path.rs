//! Where in a YAML document something stands: `routes[2].identities.userId[0]`.

use std::fmt;

/// A way from the root of a document to one of its nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct YamlPath(Vec<Step>);

/// One step of a [`YamlPath`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A key of a mapping.
    Key(String),
    /// A place in a list, counted from 0.
    Index(usize),
}

impl YamlPath {
    /// The path of these steps.
    #[must_use]
    pub const fn new(steps: Vec<Step>) -> Self {
        Self(steps)
    }

    /// The steps, from the root.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The path of a key of the mapping here.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    /// The path of an entry of the list here.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    /// Whether one of the two paths leads through the other.
    #[must_use]
    pub fn is_on_the_way(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a == b)
    }

    fn step(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }
}

impl fmt::Display for YamlPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    if n > 0 {
                        f.write_str(".")?;
                    }
                    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
                    if !key.is_empty() && key.bytes().all(plain) { f.write_str(key)? } else { write!(f, "{key:?}")? }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_joined_by_dots_and_odd_ones_quoted() {
        let root = YamlPath::default();
        assert_eq!(root.to_string(), "");
        let path = root.key("routes").index(3).key("identities").key("userId").index(0);
        assert_eq!(path.to_string(), "routes[3].identities.userId[0]");
        assert_eq!(root.key("a.b").key("c\nd").to_string(), r#""a.b"."c\nd""#);
        assert_eq!(root.index(1).key("x").to_string(), "[1].x");
    }

    #[test]
    fn a_path_is_on_the_way_to_what_lies_beneath_it() {
        let apps = YamlPath::default().key("apps");
        assert!(apps.is_on_the_way(&apps.key("source")));
        assert!(apps.key("source").is_on_the_way(&apps));
        assert!(!apps.key("source").is_on_the_way(&apps.key("file")));
    }
}
