//! Environment variables inside scalars: `${VAR}`, `${VAR:-default}`, and `$$` for a dollar.
//!
//! Expansion comes after parsing, so a value can never change the shape of the document. Keys aren't expanded. A
//! variable that is empty counts as absent, and so does a scalar of which nothing is left.

use super::mistakes::Check;
use super::tree::Node;
use super::yaml_path::YamlPath;

/// Looks an environment variable up.
pub type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Expands every string of a document; what can't be expanded is reported and taken out.
pub fn expand(document: &mut Node, env: Env<'_>, check: &mut Check) {
    walk(document, &YamlPath::default(), env, check);
}

/// Returns false where the node is to be taken out.
fn walk(node: &mut Node, at: &YamlPath, env: Env<'_>, check: &mut Check) -> bool {
    match node {
        Node::List(list) => {
            for (n, entry) in list.iter_mut().enumerate() {
                if !walk(entry, &at.index(n), env, check) {
                    *entry = Node::Gone;
                }
            }
        }
        Node::Map(entries) => entries.retain_mut(|(key, node)| walk(node, &at.key(key), env, check)),
        Node::Text(text) if text.contains('$') => {
            let outcome = scalar(text, env);
            for problem in &outcome.problems {
                check.refuse(at, problem);
            }
            if !outcome.problems.is_empty() {
                return false;
            }
            if !outcome.variables {
                *text = outcome.text;
                return true;
            }
            check.remember(at, std::mem::take(text));
            *node = if outcome.text.is_empty() { Node::Null } else { Node::Expanded(outcome.text) };
        }
        _ => {}
    }
    true
}

/// One scalar, expanded.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The text, as far as it could be expanded.
    pub text: String,
    /// Whether any variable, or its default, went in.
    pub variables: bool,
    /// Every expression that can't be expanded, and why.
    pub problems: Vec<String>,
}

/// Expands one scalar.
#[must_use]
pub fn scalar(text: &str, env: Env<'_>) -> Outcome {
    let mut out = Outcome::default();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.text.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.text.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let Some((expression, after)) = after.split_once('}') else {
                out.problems.push("`${` without `}`; close it, or write `$$` for a dollar".to_owned());
                return out;
            };
            out.variables = true;
            match variable(expression, env) {
                Ok(value) => out.text.push_str(&value),
                Err(problem) => out.problems.push(problem),
            }
            rest = after;
        } else {
            out.text.push('$');
        }
    }
    out.text.push_str(rest);
    out
}

fn variable(expression: &str, env: Env<'_>) -> Result<String, String> {
    let (name, default) = match expression.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (expression, None),
    };
    let starts_well = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !starts_well || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        let shown = expression.escape_debug();
        return Err(format!("`${{{shown}}}` is no variable; write `${{NAME}}` or `${{NAME:-default}}`"));
    }
    if default.is_some_and(|d| d.contains("${")) {
        return Err(format!("the default of `${{{name}}}` holds another `${{`; a default is plain text"));
    }
    match env(name).filter(|value| !value.is_empty()) {
        Some(value) => Ok(value),
        None => default
            .map(|d| d.replace("$$", "$"))
            .ok_or_else(|| format!("`{name}` is not set; set it, or write `${{{name}:-default}}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::parse;
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "A" => Some("one".to_owned()),
            "EMPTY" => Some(String::new()),
            "DOLLAR" => Some("${A}$$".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_and_defaults_are_put_in_once() {
        let cases = [
            ("${A}", "one"),
            ("x${A}y${A}", "xoneyone"),
            ("${B:-two}", "two"),
            ("${A:-two}", "one"),
            ("${EMPTY:-two}", "two"),
            ("${B:-}", ""),
            ("${B:-a:-b}", "a:-b"),
            ("${B:-mongodb://h:1/?x=y}", "mongodb://h:1/?x=y"),
            ("$$", "$"),
            ("$${A}", "${A}"),
            ("a$b $", "a$b $"),
            ("${DOLLAR}", "${A}$$"),
            ("${B:-$$1}", "$1"),
        ];
        for (text, expected) in cases {
            let out = scalar(text, &env);
            assert_eq!((out.text.as_str(), out.problems.len()), (expected, 0), "{text}");
        }
        assert!(!scalar("$$5", &env).variables);
    }

    #[test]
    fn what_cannot_be_expanded_says_why() {
        let cases = [
            ("${B}", "`B` is not set; set it, or write `${B:-default}`"),
            ("${EMPTY}", "`EMPTY` is not set; set it, or write `${EMPTY:-default}`"),
            ("${A", "`${` without `}`; close it, or write `$$` for a dollar"),
            ("${}", "`${}` is no variable; write `${NAME}` or `${NAME:-default}`"),
            ("${1A}", "`${1A}` is no variable; write `${NAME}` or `${NAME:-default}`"),
            ("${A-b}", "`${A-b}` is no variable; write `${NAME}` or `${NAME:-default}`"),
            ("${B:-${A}}", "the default of `${B}` holds another `${`; a default is plain text"),
        ];
        for (text, expected) in cases {
            assert_eq!(scalar(text, &env).problems, [expected], "{text}");
        }
        assert_eq!(scalar("${B}${C}", &env).problems.len(), 2);
    }

    #[test]
    fn every_scalar_is_reached_and_keys_are_not_expanded() {
        let mut document = parse("a: ['${A}', '${NO}', '$$']\n'${A}': {b: '${EMPTY:-}', c: '${NO}', d: 5}").unwrap();
        let mut check = Check::new(std::path::Path::new(""));
        expand(&mut document, &env, &mut check);
        let expected = Node::Map(vec![
            ("a".into(), Node::List(vec![Node::Expanded("one".into()), Node::Gone, Node::Text("$".into())])),
            ("${A}".into(), Node::Map(vec![("b".into(), Node::Null), ("d".into(), Node::Number(5.into()))])),
        ]);
        assert_eq!(document, expected);
        let paths: Vec<String> = check.finish(&document).0.into_iter().map(|m| m.path).collect();
        assert_eq!(paths, ["a[1]", r#""${A}".c"#]);
    }
}
