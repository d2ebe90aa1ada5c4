//! Path templates: `/rtmsAPI/api/{version}/apps/{appId}/user/{userId*}/threads`.

use std::fmt;

/// One part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A fixed word, in lower case: fixed words match without case.
    Fixed(Box<str>),
    /// `{name}`: exactly one segment.
    One(Box<str>),
    /// `{name*}`: one or more segments; at the end of a template `{rest*}` may also be none.
    Many(Box<str>),
}

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: Box<str>,
    segments: Vec<Segment>,
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It doesn't start with `/`.
    #[error("must start with `/`")]
    NotRooted,
    /// A segment that no request can have.
    #[error("`{0}` cannot occur in a request path; use plain words and `{{name}}`")]
    BadWord(String),
    /// Braces that don't enclose a whole segment, or a name that isn't one.
    #[error(
        "`{0}` must be a whole segment of the form `{{name}}` or `{{name*}}`, with a name of letters, digits and `_`"
    )]
    BadName(String),
    /// A name twice.
    #[error("`{{{0}}}` occurs twice")]
    Twice(String),
    /// Two spanning parts before the end can't be told apart.
    #[error("only one `{{name*}}` may stand before the end, and a fixed word must follow it")]
    Spans,
    /// More names than a request's captures hold.
    #[error("at most {MAX_NAMES} names")]
    TooMany,
}

/// The most names a template may have.
pub const MAX_NAMES: usize = 8;

impl Template {
    /// Parses a template. One trailing `/` is dropped: it doesn't matter in requests either.
    ///
    /// # Errors
    /// See [`TemplateError`].
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let path = text.strip_prefix('/').ok_or(TemplateError::NotRooted)?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut segments = Vec::new();
        if !path.is_empty() {
            for word in path.split('/') {
                segments.push(segment(word)?);
            }
        }
        let template = Self { text: text.into(), segments };
        template.check()?;
        Ok(template)
    }

    fn check(&self) -> Result<(), TemplateError> {
        let names: Vec<&str> = self.names().collect();
        if names.len() > MAX_NAMES {
            return Err(TemplateError::TooMany);
        }
        for (at, name) in names.iter().enumerate() {
            if names.iter().take(at).any(|n| n == name) {
                return Err(TemplateError::Twice((*name).to_owned()));
            }
        }
        let mut inner_spans = 0;
        for pair in self.segments.windows(2) {
            if let [Segment::Many(_), after] = pair {
                inner_spans += 1;
                if !matches!(after, Segment::Fixed(_)) {
                    return Err(TemplateError::Spans);
                }
            }
        }
        if inner_spans > 1 { Err(TemplateError::Spans) } else { Ok(()) }
    }

    /// The parts, in order.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|s| match s {
            Segment::Fixed(_) => None,
            Segment::One(name) | Segment::Many(name) => Some(&**name),
        })
    }

    /// The template as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn segment(word: &str) -> Result<Segment, TemplateError> {
    if let Some(name) = word.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
        let (name, many) = name.strip_suffix('*').map_or((name, false), |n| (n, true));
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(TemplateError::BadName(word.to_owned()));
        }
        return Ok(if many { Segment::Many(name.into()) } else { Segment::One(name.into()) });
    }
    if word.contains(['{', '}', '*']) {
        return Err(TemplateError::BadName(word.to_owned()));
    }
    // What the target grammar refuses or merges can't match anything.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()+,=:@".contains(&b);
    if word.is_empty() || matches!(word, "." | "..") || !word.bytes().all(plain) {
        return Err(TemplateError::BadWord(word.to_owned()));
    }
    Ok(Segment::Fixed(word.to_ascii_lowercase().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_words_names_and_spans() {
        let t = Template::parse("/rtmsAPI/{version}/user/{userId*}/threads/").unwrap();
        assert_eq!(t.segments()[0], Segment::Fixed("rtmsapi".into()));
        assert_eq!(t.segments()[3], Segment::Many("userId".into()));
        assert_eq!(t.names().collect::<Vec<_>>(), ["version", "userId"]);
        assert_eq!(t.segments().len(), 5);
        assert!(Template::parse("/").unwrap().segments().is_empty());
    }

    #[test]
    fn refuses_what_no_request_could_match_or_two_could_read_differently() {
        for bad in
            ["", "a", "/a//b", "/a/../b", "/a b", "/a%20b", "/{a", "/x{a}", "/{}", "/{a-b}", "/{a}/{a}", "/a;b", "/a*"]
        {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Template::parse("/{a*}/{b}"), Err(TemplateError::Spans));
        assert_eq!(Template::parse("/{a*}/x/{b*}/y"), Err(TemplateError::Spans));
        assert!(Template::parse("/{a*}/x/{rest*}").is_ok());
        assert_eq!(Template::parse("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}"), Err(TemplateError::TooMany));
    }
}
