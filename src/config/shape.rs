//! Gives a document its types, and finds every key that is unknown and every value of a wrong type.
//!
//! Serde stops at the first error. So the node it stopped at is reported and taken out, and reading starts again,
//! until what is left can be read: nothing hides behind another mistake.

use serde::Deserialize;

use super::mistakes::Check;
use super::reader::Reader;
use super::tree::Node;
use super::yaml_path::YamlPath;

/// After so many mistakes nobody reads on.
const MOST_MISTAKES: usize = 1000;

/// Reads `T` from a document. `None`: not even the rest could be read; the reason was reported.
pub fn read<T: for<'t> Deserialize<'t>>(document: &mut Node, check: &mut Check) -> Option<T> {
    loop {
        let wrong = match T::deserialize(Reader(document)) {
            Ok(value) => return Some(value),
            Err(wrong) => wrong,
        };
        let about_key = wrong.is_about_key();
        let (path, problem) = wrong.into_parts();
        // A key without a value is a key that isn't there.
        let absent = !about_key && !path.steps().is_empty() && matches!(document.get(path.steps()), Some(Node::Null));
        let is_entry = matches!(path.steps().last(), Some(super::yaml_path::Step::Index(_)));
        if !absent || is_entry {
            check.refuse(&path, problem);
        }
        if check.count() > MOST_MISTAKES {
            check.refuse(&YamlPath::default(), format!("has more than {MOST_MISTAKES} mistakes; the rest isn't shown"));
            return None;
        }
        if !document.prune(path.steps()) {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::super::expand;
    use super::super::list::List;
    use super::super::tree::parse;
    use super::super::values::{Size, Span, Threads};
    use super::*;

    #[derive(Deserialize, Default)]
    #[serde(deny_unknown_fields, default)]
    struct Root {
        number: u32,
        flag: bool,
        share: f64,
        text: Option<String>,
        word: Option<Word>,
        span: Option<Span>,
        size: Option<Size>,
        threads: Option<Threads>,
        list: List<Inner>,
        map: BTreeMap<String, Inner>,
    }

    #[derive(Deserialize, Default)]
    #[serde(deny_unknown_fields, default)]
    struct Inner {
        name: Option<String>,
        count: u64,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        First,
        SecondOne,
    }

    fn read_yaml(yaml: &str) -> (Option<Root>, Vec<String>) {
        let env = |name: &str| match name {
            "FIVE" => Some("5".to_owned()),
            "TRUE" => Some("true".to_owned()),
            "TEXT" => Some("some text".to_owned()),
            _ => None,
        };
        let mut document = parse(yaml).unwrap();
        let original = document.clone();
        let mut check = Check::new(Path::new(""));
        expand::expand(&mut document, &env, &mut check);
        let root = read(&mut document, &mut check);
        let lines = check.finish(&original).0.iter().map(|m| format!("{}: {}", m.path, m.problem)).collect();
        (root, lines)
    }

    #[test]
    fn every_mistake_is_found_and_the_rest_is_read() {
        let (root, lines) = read_yaml(
            "number: five\nflga: true\nshare: []\ntext: 5\nword: third\nspan: 5\nsize: 64KB\nthreads: many\nzzz:\n\
             list: [{name: a}, 7, {nmae: b, count: -1}, null, {name: c}]\nmap: {x: {count: 1.5}, y: {count: 2}}",
        );
        assert_eq!(
            lines,
            [
                "number: is a string; it must be a whole number, 0 or more",
                "flga: unknown key; did you mean `flag`?",
                "share: is a list; it must be a number",
                "text: is a number; it must be a string",
                "word: unknown word; it must be `first` or `second_one`",
                "span: has no unit; write `250ms`, `5s`, `10m` or `1h`",
                "size: is no size; write bytes, or a whole number and a unit, as in `64KiB` or `1MiB`",
                "threads: must be `auto` or a whole number",
                "zzz: unknown key; the keys here are `number`, `flag`, `share`, `text`, `word`, `span`, `size`, \
                 `threads`, `list` and `map`",
                "list[1]: is a number; it must be a mapping",
                "list[2].nmae: unknown key; did you mean `name`?",
                "list[2].count: is out of range; it must be a whole number, 0 or more",
                "list[3]: is empty; give it a value or take it out",
                "map.x.count: is a number; it must be a whole number, 0 or more",
            ]
        );
        let root = root.unwrap();
        let names: Vec<_> = root.list.iter().map(|(n, inner)| (n, inner.name.as_deref())).collect();
        assert_eq!(names, [(0, Some("a")), (2, None), (4, Some("c"))]);
        assert_eq!(root.map["y"].count, 2);
    }

    #[test]
    fn expanded_scalars_take_the_type_that_is_wanted() {
        let (root, lines) = read_yaml(
            "number: \"${FIVE}\"\nflag: ${TRUE}\nshare: 0.${FIVE}\ntext: ${FIVE}\nspan: ${FIVE}s\nsize: ${FIVE}\n\
             threads: ${FIVE}\nlist: [{count: \"1${FIVE}\"}]",
        );
        assert_eq!(lines, Vec::<String>::new());
        let root = root.unwrap();
        assert_eq!((root.number, root.flag, root.text.as_deref()), (5, true, Some("5")));
        assert!((root.share - 0.5).abs() < 1e-9);
        assert_eq!((root.size, root.threads), (Some(Size(5)), Some(Threads::Count(5))));
        assert_eq!(root.list.iter().next().unwrap().1.count, 15);
        let (_, lines) = read_yaml("number: ${TEXT}\nflag: ${FIVE}\nshare: \"5\"");
        assert_eq!(
            lines,
            [
                "number: is a string; it must be a whole number, 0 or more",
                "flag: is a string; it must be true or false",
                "share: is a string; it must be a number",
            ]
        );
    }

    #[test]
    fn a_key_without_a_value_counts_as_absent() {
        let (root, lines) = read_yaml("number:\ntext: ~\nlist:\nmap: null\nspan: ${NO:-}");
        assert_eq!(lines, Vec::<String>::new());
        assert!(root.unwrap().list.is_empty());
    }

    #[test]
    fn a_document_of_nothing_but_mistakes_ends() {
        let yaml = (0..3000).map(|n| format!("zzzzzz{n}: 1")).collect::<Vec<_>>().join("\n");
        let (root, lines) = read_yaml(&yaml);
        assert!(root.is_none());
        assert_eq!(lines.len(), MOST_MISTAKES + 2);
        let (root, lines) = read_yaml("[1]");
        assert!(root.is_none());
        assert_eq!(lines, [": is a list; it must be a mapping"]);
    }
}
