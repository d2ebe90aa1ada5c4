//! The form of a line: JSON, or text with fields in braces, taken apart once when the configuration is read.

use super::entry::Field;

/// What servers of old write. Referer and user agent are headers, which are never logged: a dash stands for them.
const COMBINED: &str =
    r#"{client_ip} - {user} [{time_local}] "{method} {path} {protocol}" {status} {bytes_out} "-" "-""#;

/// The form of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// One flat object.
    Json,
    /// These, one after the other.
    Text(Vec<Piece>),
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Literal(String),
    /// What is known of the request.
    Field {
        /// Which field.
        field: Field,
        /// It stands between double quotes.
        quoted: bool,
    },
}

/// What is wrong with a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A `{` without its `}`, or the other way round.
    Unbalanced,
    /// No field has this name.
    Unknown(String),
    /// It names no field at all.
    NoField,
    /// It holds a line's end or another control character.
    Control,
}

impl Format {
    /// Reads `json`, `combined`, or a text with fields in braces; `{{` and `}}` stand for braces.
    ///
    /// # Errors
    /// What is wrong with it first.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        match text {
            "json" => Ok(Self::Json),
            "combined" => pieces(COMBINED),
            text => pieces(text),
        }
    }
}

fn pieces(text: &str) -> Result<Format, Fault> {
    if text.chars().any(char::is_control) {
        return Err(Fault::Control);
    }
    let (mut pieces, mut literal, mut quoted) = (Vec::new(), String::new(), false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '{' | '}' if rest.starts_with(c) => {
                literal.push(c);
                rest = rest.get(1..).unwrap_or_default();
            }
            '}' => return Err(Fault::Unbalanced),
            '{' => {
                let (name, after) = rest.split_once('}').ok_or(Fault::Unbalanced)?;
                let field = field(name)?;
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Field { field, quoted });
                rest = after;
            }
            c => {
                quoted ^= c == '"';
                literal.push(c);
            }
        }
    }
    if pieces.is_empty() {
        return Err(Fault::NoField);
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(Format::Text(pieces))
}

/// What stands between two braces.
fn field(name: &str) -> Result<Field, Fault> {
    if name.contains('{') {
        return Err(Fault::Unbalanced);
    }
    let known = Field::ALL.iter().find(|field| field.as_str() == name);
    known.copied().ok_or_else(|| Fault::Unknown(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_taken_apart_with_what_stands_in_quotes() {
        let field = |field, quoted| Piece::Field { field, quoted };
        let literal = |text: &str| Piece::Literal(text.to_owned());
        assert_eq!(
            Format::parse(r#"{{x}} {client} "{method} {path}" {status}"#),
            Ok(Format::Text(vec![
                literal("{x} "),
                field(Field::Client, false),
                literal(" \""),
                field(Field::Method, true),
                literal(" "),
                field(Field::Path, true),
                literal("\" "),
                field(Field::Status, false),
            ]))
        );
        assert_eq!(Format::parse("json"), Ok(Format::Json));
        assert!(matches!(Format::parse("combined"), Ok(Format::Text(_))));
        for name in Field::ALL.iter().map(|field| field.as_str()) {
            assert!(Format::parse(&format!("{{{name}}}")).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, fault) in [
            ("{status", Fault::Unbalanced),
            ("status}", Fault::Unbalanced),
            ("{a {status}", Fault::Unbalanced),
            ("{statsu}", Fault::Unknown("statsu".to_owned())),
            ("{}", Fault::Unknown(String::new())),
            ("", Fault::NoField),
            ("common", Fault::NoField),
            ("{status}\n", Fault::Control),
        ] {
            assert_eq!(Format::parse(text), Err(fault), "{text}");
        }
    }
}
