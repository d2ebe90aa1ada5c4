//! What is wrong with a configuration: collected in full, each mistake with its path and the remedy.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::tree::Node;
use super::values::Span;
use super::yaml_path::{Step, YamlPath};

/// One mistake. Displayed as `FILE: yaml.path: what is wrong; what would be right`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file, as it was named.
    pub file: String,
    /// Where in the file; empty: the file as a whole.
    pub path: String,
    /// What is wrong; what would be right.
    pub problem: String,
}

impl Mistake {
    /// What a file says may stand in its parts, too: control characters are written as escapes, so that a mistake is one
    /// line and does nothing to a terminal.
    #[must_use]
    pub fn new(file: &Path, path: &str, problem: &str) -> Self {
        Self { file: one_line(&file.display().to_string()), path: one_line(path), problem: one_line(problem) }
    }
}

fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_debug()) } else { line.push(c) }
    }
    line
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, path, problem } = self;
        if path.is_empty() { write!(f, "{file}: {problem}") } else { write!(f, "{file}: {path}: {problem}") }
    }
}

/// A list of mistakes, displayed one a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The mistakes, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Mistake> {
        self.0.iter()
    }
}

impl From<Vec<Mistake>> for Mistakes {
    fn from(list: Vec<Mistake>) -> Self {
        Self(list)
    }
}

impl<'a> IntoIterator for &'a Mistakes {
    type Item = &'a Mistake;
    type IntoIter = std::slice::Iter<'a, Mistake>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mistake) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// What every section's validation is given: where files are, and where mistakes go.
pub struct Check {
    /// The configuration file, as it was named.
    file: PathBuf,
    found: Vec<(YamlPath, String)>,
    warnings: Vec<Mistake>,
    advice: Vec<Mistake>,
    /// Scalars that environment variables went into, as they stand in the file.
    written: HashMap<YamlPath, String>,
}

impl Check {
    /// Nothing found yet in this configuration file.
    #[must_use]
    pub fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            found: Vec::new(),
            warnings: Vec::new(),
            advice: Vec::new(),
            written: HashMap::new(),
        }
    }

    /// Notes a mistake.
    pub fn refuse(&mut self, at: &YamlPath, problem: impl Into<String>) {
        self.found.push((at.clone(), problem.into()));
    }

    /// Notes that a required key is missing, unless something there was refused already.
    pub fn missing(&mut self, at: &YamlPath, remedy: &str) {
        if !self.refused(at) {
            self.refuse(at, format!("missing; {remedy}"));
        }
    }

    /// Notes something that doesn't keep the gateway from starting.
    pub fn warn(&mut self, at: &YamlPath, problem: &str) {
        self.warnings.push(Mistake::new(&self.file, &at.to_string(), problem));
    }

    /// Notes something that is good today, but won't be for long.
    pub fn advise(&mut self, at: &YamlPath, problem: &str) {
        self.advice.push(Mistake::new(&self.file, &at.to_string(), problem));
    }

    /// What was advised.
    pub fn take_advice(&mut self) -> Vec<Mistake> {
        std::mem::take(&mut self.advice)
    }

    /// Notes what is wrong with another file, which doesn't keep the gateway from starting.
    pub fn warn_of(&mut self, file: &str, faults: impl IntoIterator<Item = (String, String)>) {
        let file = self.named(file);
        self.warnings.extend(faults.into_iter().map(|(path, problem)| Mistake::new(&file, &path, &problem)));
    }

    /// Whether something at, above or beneath a path was refused.
    #[must_use]
    pub fn refused(&self, at: &YamlPath) -> bool {
        self.found.iter().any(|(path, _)| path.is_on_the_way(at))
    }

    /// How many mistakes were found so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// Remembers how a scalar stands in the file, before variables went in.
    pub fn remember(&mut self, at: &YamlPath, written: String) {
        self.written.insert(at.clone(), written);
    }

    /// A value for a message. What came from the environment may be a secret in the wrong place: then it is shown
    /// as it stands in the file.
    #[must_use]
    pub fn show(&self, at: &YamlPath, value: &str) -> String {
        match self.written.get(at) {
            Some(written) => format!("`{}`", written.escape_debug()),
            None => format!("`{}`", value.escape_debug()),
        }
    }

    /// An error that may quote a value, for a message: where the value came from the environment, `otherwise`.
    #[must_use]
    pub fn explain(&self, at: &YamlPath, error: &dyn fmt::Display, otherwise: &str) -> String {
        if self.written.contains_key(at) { otherwise.to_owned() } else { error.to_string() }
    }

    /// The message for a file that can't be read.
    #[must_use]
    pub fn unreadable(&self, at: &YamlPath, name: &str, error: &std::io::Error) -> String {
        let (shown, kind) = (self.show(at, name), error.kind());
        format!("{shown} can't be read ({kind}); name a readable file, relative to the configuration file")
    }

    /// A file as an operator would name it: relative to where the command runs.
    #[must_use]
    pub fn named(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }

    /// A file's absolute path; a relative one starts at the configuration file.
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        let named = self.named(path);
        std::path::absolute(&named).unwrap_or(named)
    }

    /// A file that will be written to: its folder must be there.
    pub fn output(&mut self, at: &YamlPath, path: &str) -> PathBuf {
        let file = self.file(path);
        if path.is_empty() || path.ends_with('/') || file.is_dir() {
            self.refuse(at, format!("{} is no file name; name a file", self.show(at, path)));
        } else if !file.parent().is_some_and(Path::is_dir) {
            self.refuse(at, format!("{} lies in a folder that doesn't exist; create the folder", self.show(at, path)));
        }
        file
    }

    /// A time that must be longer than none.
    pub fn some_time(&mut self, at: &YamlPath, span: Span) -> Duration {
        if span.0.is_zero() {
            self.refuse(at, "is no time at all; write more than `0s`");
        }
        span.0
    }

    /// Everything found, in the order of the document, and the warnings.
    #[must_use]
    pub fn finish(self, document: &Node) -> (Vec<Mistake>, Vec<Mistake>) {
        let mut found: Vec<_> =
            self.found.into_iter().map(|(at, problem)| (order(&at, document), at, problem)).collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let mistake = |(_, at, problem): (_, YamlPath, String)| Mistake::new(&self.file, &at.to_string(), &problem);
        (found.into_iter().map(mistake).collect(), self.warnings)
    }
}

/// Where a path stands among others: its keys by their position in the document; missing ones come last.
fn order(path: &YamlPath, document: &Node) -> Vec<usize> {
    let mut node = Some(document);
    path.steps()
        .iter()
        .map(|step| {
            let (position, next) = match (step, node) {
                (Step::Index(index), Some(Node::List(list))) => (*index, list.get(*index)),
                (Step::Key(key), Some(Node::Map(entries))) => match entries.iter().position(|(k, _)| k == key) {
                    Some(at) => (at, entries.get(at).map(|(_, v)| v)),
                    None => (usize::MAX, None),
                },
                _ => (usize::MAX, None),
            };
            node = next;
            position
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_come_in_the_order_of_the_file_and_missing_keys_last() {
        let mut check = Check::new(Path::new("g.yaml"));
        let root = YamlPath::default();
        check.refuse(&root.key("z"), "a");
        check.missing(&root.key("absent"), "add it");
        check.refuse(&root.key("b").index(1), "b");
        check.refuse(&root.key("b").index(0), "c");
        let document = super::super::tree::parse("b: [1, 2]\nz: 1").unwrap();
        let lines: Vec<String> = check.finish(&document).0.iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["g.yaml: b[0]: c", "g.yaml: b[1]: b", "g.yaml: z: a", "g.yaml: absent: missing; add it"]);
    }

    #[test]
    fn what_was_refused_is_not_reported_missing_too() {
        let mut check = Check::new(Path::new(""));
        let apps = YamlPath::default().key("apps");
        check.refuse(&apps, "is a number; it must be a mapping");
        check.missing(&apps.key("source"), "say where");
        assert_eq!(check.count(), 1);
    }

    #[test]
    fn a_mistake_is_one_line_whatever_the_file_says() {
        let mut check = Check::new(Path::new("g\n.yaml"));
        check.refuse(&YamlPath::default().key("a\u{1b}"), "`x\r\ny\u{85}é` is no name");
        check.warn_of("b\n", [("[0]\n".to_owned(), "is\todd".to_owned())]);
        let (found, warnings) = check.finish(&Node::Null);
        assert_eq!(found[0].to_string(), r#"g\n.yaml: "a\u{1b}": `x\r\ny\u{85}é` is no name"#);
        assert_eq!(warnings[0].to_string(), r"b\n: [0]\n: is\todd");
    }

    #[test]
    fn values_from_the_environment_are_shown_as_written() {
        let mut check = Check::new(Path::new(""));
        let at = YamlPath::default().key("a");
        assert_eq!(check.show(&at, "x\n"), "`x\\n`");
        check.remember(&at, "${SECRET}".to_owned());
        assert_eq!(check.show(&at, "hunter2"), "`${SECRET}`");
    }
}
