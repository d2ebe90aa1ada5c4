//! The strict grammar of request targets: what was checked is what is forwarded.
//!
//! Proxies and upstreams disagree about dot segments, encoded slashes, path parameters, backslashes and empty
//! segments. A target that any two of them could read differently is refused, so that the path that was judged
//! is, byte for byte, the path the upstream serves.

use std::borrow::Cow;

use crate::percent::hex_pair;
use crate::reason::Reason;

/// A target in origin form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The path: starts with `/`, has no empty segment but one at its end, and one reading only.
    pub path: Cow<'a, str>,
    /// What follows the first `?`, untouched; `Some("")` for a bare `?`.
    pub query: Option<&'a [u8]>,
}

impl<'a> Target<'a> {
    /// Reads a raw target. `host` is the Host header (or `:authority`), which an absolute-form target must repeat.
    ///
    /// # Errors
    /// [`Reason::PathAmbiguous`] for anything this module refuses.
    pub fn parse(raw: &'a [u8], host: Option<&[u8]>) -> Result<Self, Reason> {
        if raw.contains(&b'#') {
            return Err(Reason::PathAmbiguous);
        }
        let origin = if raw.first() == Some(&b'/') { raw } else { strip_authority(raw, host)? };
        let (path, query) = match origin.iter().position(|b| *b == b'?') {
            Some(at) => (origin.get(..at).unwrap_or_default(), origin.get(at + 1..)),
            None => (origin, None),
        };
        let path: &[u8] = if path.is_empty() { b"/" } else { path };
        let doubled = check_bytes(path)?;
        // Checked to be ASCII.
        let path = std::str::from_utf8(path).map_err(|_| Reason::PathAmbiguous)?;
        let path = if doubled { Cow::Owned(merge_slashes(path)) } else { Cow::Borrowed(path) };
        Ok(Self { path, query })
    }

    /// The target as it is forwarded.
    #[must_use]
    pub fn to_origin_form(&self) -> Vec<u8> {
        match self.query {
            None => self.path.as_bytes().to_vec(),
            Some(query) => [self.path.as_bytes(), b"?", query].concat(),
        }
    }

    /// Whether `raw` is that already, byte for byte.
    #[must_use]
    pub fn is_origin_form(&self, raw: &[u8]) -> bool {
        match (raw.strip_prefix(self.path.as_bytes()), self.query) {
            (Some(rest), None) => rest.is_empty(),
            (Some(rest), Some(query)) => rest.strip_prefix(b"?") == Some(query),
            (None, _) => false,
        }
    }
}

/// The origin form inside an absolute-form target whose authority is the request's Host.
fn strip_authority<'a>(raw: &'a [u8], host: Option<&[u8]>) -> Result<&'a [u8], Reason> {
    let scheme = [&b"http://"[..], b"https://"]
        .into_iter()
        .find(|scheme| raw.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)))
        .ok_or(Reason::PathAmbiguous)?;
    let rest = raw.get(scheme.len()..).unwrap_or_default();
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, origin) = rest.split_at_checked(end).ok_or(Reason::PathAmbiguous)?;
    let repeats_host = host.is_some_and(|host| host.eq_ignore_ascii_case(authority));
    if authority.is_empty() || authority.contains(&b'@') || !repeats_host {
        return Err(Reason::PathAmbiguous);
    }
    Ok(origin)
}

/// Whether a byte means itself wherever it stands: nearly all of nearly every path do.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'@' | b':')
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b'?' | b'[' | b']'
        )
}

/// Refuses every byte, every escape and every segment that could be read in two ways; true if a `//` is to be merged.
/// `path` starts with `/`.
fn check_bytes(path: &[u8]) -> Result<bool, Reason> {
    let mut doubled = false;
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if is_plain(*first) {
            continue;
        }
        match first {
            b'/' => match rest {
                [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..] => return Err(Reason::PathAmbiguous),
                _ => doubled |= rest.first() == Some(&b'/'),
            },
            b'%' => {
                let (byte, after) = hex_pair(rest).ok_or(Reason::PathAmbiguous)?;
                if byte.is_ascii_control()
                    || byte.is_ascii_alphanumeric()
                    || matches!(byte, b'/' | b'\\' | b'.' | b';' | b'%' | b'-' | b'_')
                {
                    return Err(Reason::PathAmbiguous);
                }
                rest = after;
            }
            _ => return Err(Reason::PathAmbiguous),
        }
    }
    Ok(doubled)
}

fn merge_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_plain_or_refused_or_looked_at() {
        for byte in 0..=u8::MAX {
            let refused = !byte.is_ascii_graphic() || b"\\;\"<>^`{|}".contains(&byte);
            let path = [b"/a", &[byte][..], b"41b"].concat();
            // An escape of a letter.
            assert_eq!(check_bytes(&path).is_err(), refused || byte == b'%', "{byte:#x}");
            assert_eq!(is_plain(byte), !refused && byte != b'%' && byte != b'/', "{byte:#x}");
        }
    }

    fn path(raw: &str) -> Result<String, Reason> {
        Target::parse(raw.as_bytes(), Some(b"h:80")).map(|t| t.path.into_owned())
    }

    const AMBIGUOUS: &[&str] = &[
        "",
        "*",
        "a",
        "/a#b",
        "/a?x#y",
        "/.",
        "/a/../b",
        "/a/./b",
        "/a/..",
        "/..?x",
        "/a\\b",
        "/a;b",
        "/a%2fb",
        "/a%2Fb",
        "/a%5cb",
        "/%2e%2e/b",
        "/a%3bb",
        "/a%25b",
        "/a%00",
        "/a%1f",
        "/a%7f",
        "/a%41",
        "/a%7a",
        "/a%30",
        "/a%2D",
        "/a%5F",
        "/a%",
        "/a%2",
        "/a%zz",
        "/a\u{1}",
        "/a b",
        "/é",
        "/a\"",
        "/<",
        "/>",
        "/^",
        "/`",
        "/{",
        "/|",
        "/}",
        "//../a",
        "http://h/a",
        "http://u@h:80/a",
        "ftp://h:80/a",
        "http:///a",
        "h:80",
        "http:/a",
    ];

    #[test]
    fn refuses_every_target_with_two_readings() {
        for raw in AMBIGUOUS {
            assert_eq!(path(raw), Err(Reason::PathAmbiguous), "{raw:?}");
        }
    }

    #[test]
    fn merges_slashes_and_keeps_everything_else() {
        assert_eq!(path("/rtmsAPI//api///x/").unwrap(), "/rtmsAPI/api/x/");
        assert_eq!(path("/a/...").unwrap(), "/a/...");
        assert_eq!(path("/a%C3%A9%20~!$&'()*+,=:@[]").unwrap(), "/a%C3%A9%20~!$&'()*+,=:@[]");
        assert_eq!(path("HTTP://H:80/a").unwrap(), "/a");
        assert_eq!(path("https://h:80").unwrap(), "/");
    }

    #[test]
    fn the_query_is_nobodys_business() {
        let target = Target::parse(b"/a?b=/../%zz;\\\xff?c", None).unwrap();
        assert_eq!(target.query, Some(&b"b=/../%zz;\\\xff?c"[..]));
        assert_eq!(&*target.to_origin_form(), b"/a?b=/../%zz;\\\xff?c");
        assert_eq!(&*Target::parse(b"/a?", None).unwrap().to_origin_form(), b"/a?");
        assert_eq!(&*Target::parse(b"http://h?x", Some(b"h")).unwrap().to_origin_form(), b"/?x");
    }

    #[test]
    fn a_target_in_origin_form_is_told_from_one_that_is_rewritten() {
        for raw in ["/a", "/a?", "/a?b?c", "/", "/a//b", "/a//b?c", "http://h/a?b", "http://h"] {
            let target = Target::parse(raw.as_bytes(), Some(b"h")).unwrap();
            assert_eq!(target.is_origin_form(raw.as_bytes()), target.to_origin_form() == raw.as_bytes(), "{raw}");
        }
        let target = Target::parse(b"/a?b", None).unwrap();
        for other in ["", "/a", "/a?", "/a?b?", "/a?bb", "/aa?b", "/ab"] {
            assert!(!target.is_origin_form(other.as_bytes()), "{other}");
        }
    }
}
