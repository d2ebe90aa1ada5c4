//! What a lenient server may read in a path beyond its letter.
//!
//! Frameworks behind the gateway are known to serve `/register.json`, `/register%20` or `/regi%C5%BFter` as `/register`:
//! they drop suffixes, trim segments, decode before they split, or compare by full Unicode case. The gateway doesn't, so
//! such a path would belong to a less specific route, and be bound by less than what serves it. This module gives the
//! plainer path; who compares the two routes is no business of this room.

use std::borrow::Cow;

use crate::percent;

/// The path as the most lenient server would read it; `None`: as it stands, but for ASCII case.
///
/// `path` has passed the target grammar. What the result holds is good for finding a route by, not for forwarding.
#[must_use]
pub fn reading(path: &str) -> Option<String> {
    // Most paths have none of these.
    if !path.bytes().any(|b| matches!(b, b'%' | b'.' | b'+')) {
        return None;
    }
    let mut segments: Vec<String> = Vec::new();
    for raw in path.split('/') {
        let decoded = percent::decode(raw.as_bytes(), false).unwrap_or(Cow::Borrowed(raw));
        let (kept, cut) = match decoded.find(['?', '#']) {
            Some(at) => (decoded.get(..at).unwrap_or_default(), true),
            None => (&*decoded, false),
        };
        push(&mut segments, kept);
        if cut {
            break;
        }
    }
    if let Some(last) = segments.pop() {
        let stem = last.split('.').next().unwrap_or_default();
        push(&mut segments, stem);
    }
    let plain = format!("/{}", segments.join("/"));
    let as_it_stands = path.strip_suffix('/').unwrap_or(path);
    (!plain.eq_ignore_ascii_case(as_it_stands)).then_some(plain)
}

/// Adds a segment, trimmed and folded; none where nothing is left of it.
fn push(segments: &mut Vec<String>, segment: &str) {
    let trimmed = segment.trim_matches(|c: char| c.is_whitespace() || c == '+');
    if !trimmed.is_empty() {
        segments.push(fold(trimmed));
    }
}

/// Folds letters that are ASCII letters to somebody who ignores case: the Kelvin sign, the long s, ligatures, and the
/// dotted and the dotless i (the dot is what lower case leaves of the former).
fn fold(segment: &str) -> String {
    if segment.is_ascii() {
        return segment.to_owned();
    }
    segment.to_lowercase().to_uppercase().replace('\u{307}', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_path_has_no_other_reading() {
        for path in ["/", "/a/b", "/A/b/", "/a/b@c", "/a.b/c", "/a+b/c"] {
            assert_eq!(reading(path), None, "{path}");
        }
    }

    #[test]
    fn suffixes_spaces_and_foreign_letters_are_read_away() {
        for path in [
            "/a/register.json",
            "/a/register.",
            "/a/register.x.y/",
            "/a/register/.json",
            "/a/register%20",
            "/a/%20register",
            "/a/%20/register",
            "/a/register/%20",
            "/a/register+",
            "/a/register%3Fx",
            "/a/register%23/x/y",
            "/a/regi%C5%BFter",
            "/a/regi%C5%BFter.json",
            "/a/reg%C4%B0ster",
            "/a/reg%C4%B1ster",
            "/a/register%C2%A0",
        ] {
            let read = reading(path).unwrap_or_default();
            assert_eq!(read.to_ascii_lowercase(), "/a/register", "{path}");
        }
        assert_eq!(reading("/x/%E2%84%AAey").unwrap().to_ascii_lowercase(), "/x/key");
        assert_eq!(reading("/x/me%C3%9Fage").unwrap().to_ascii_lowercase(), "/x/message");
        assert_eq!(reading("/x/pro%EF%AC%81leupdate").unwrap().to_ascii_lowercase(), "/x/profileupdate");
    }

    #[test]
    fn only_the_last_segment_has_a_suffix() {
        assert_eq!(reading("/a.b/c.d").as_deref(), Some("/a.b/c"));
        assert_eq!(reading("/%FF/a").as_deref(), None, "not UTF-8: as it stands");
    }
}
