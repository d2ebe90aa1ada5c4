//! What a head says beyond its parsed form: in the raw bytes of HTTP/1 a fragment in the target and a length beside
//! chunks, in a Host more than an authority, in a header's name what others read in it.

use http::uri::Authority;

/// The target as it stands in the request line.
#[must_use]
pub fn target(head: &[u8]) -> Option<&[u8]> {
    let line = lines(head).find(|line| !line.is_empty())?;
    let start = line.iter().position(|b| *b == b' ')? + 1;
    let end = line.iter().rposition(|b| *b == b' ')?;
    line.get(start..end)
}

/// Whether a header of this name stands in the head.
#[must_use]
pub fn has(head: &[u8], name: &str) -> bool {
    lines(head).any(|line| {
        line.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes()))
            && line.get(name.len()) == Some(&b':')
    })
}

/// Whether servers that pass headers on as variables (CGI, WSGI, PHP) take the two names for one: `_`, `.` and `-` are
/// alike to them.
#[must_use]
pub fn reads_as(name: &str, other: &str) -> bool {
    let fold = |b: u8| if matches!(b, b'_' | b'.') { b'-' } else { b.to_ascii_lowercase() };
    name.len() == other.len() && name.bytes().zip(other.bytes()).all(|(a, b)| fold(a) == fold(b))
}

/// Whether a Host is a host and perhaps a port (RFC 9110 section 7.2), or empty. What isn't one can't be said over
/// HTTP/2, which an upstream may speak.
#[must_use]
pub fn is_host(value: &[u8]) -> bool {
    is_plain_host(value) || (!value.contains(&b'@') && Authority::try_from(value).is_ok())
}

/// Most are a name and perhaps a port, for which nothing need be parsed.
fn is_plain_host(value: &[u8]) -> bool {
    let is_name = |name: &[u8]| name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    match value.iter().position(|b| *b == b':').and_then(|at| value.split_at_checked(at)) {
        None => is_name(value),
        Some((name, [_, port @ ..])) => {
            !name.is_empty() && is_name(name) && (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit)
        }
        Some(_) => false,
    }
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_taken_as_it_stands() {
        assert_eq!(target(b"GET /a?b#c HTTP/1.1\r\nHost: h\r\n\r\n"), Some(&b"/a?b#c"[..]));
        assert_eq!(target(b"\r\nGET http://h/ HTTP/1.1\n\n"), Some(&b"http://h/"[..]));
        assert_eq!(target(b"GET\r\n\r\n"), None);
        assert_eq!(target(b"GET /a"), None);
        assert_eq!(target(b""), None);
    }

    #[test]
    fn a_host_holds_no_path_no_user_and_no_space() {
        for good in ["", "h", "h:80", "[::1]:8080", "a.example", "xn--e1afmkfd", "a_b"] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in ["a b", "a/b", "u@h", "a?b", "a#b", "a\\b", "\u{e9}", "<h>", "a\"", "a\tb", "[[", "a%zz", "h:x:y"] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_plain_host_is_one_to_the_parser_too() {
        let parts = ["", "h", "a.b", "-", ".", ":", "80", "65535", "123456", "_", "[", "@", "/", "%41", " ", "é"];
        for n in 0..parts.len().pow(3) {
            let part = |by: usize| parts[n / by % parts.len()];
            let host = [part(1), part(parts.len()), part(parts.len() * parts.len())].concat();
            if is_plain_host(host.as_bytes()) {
                assert!(host.is_empty() || Authority::try_from(&*host).is_ok(), "{host}");
            }
        }
        for plain in ["", "h", "a-b.example", "h:80", "127.0.0.1:65535"] {
            assert!(is_plain_host(plain.as_bytes()), "{plain}");
        }
        for other in ["h:", ":80", "h:123456", "h:8a", "a:b:c", "[::1]", "a_b"] {
            assert!(!is_plain_host(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn names_are_alike_whatever_joins_their_words() {
        for name in ["x-user-id", "X_User_Id", "x.user-id"] {
            assert!(reads_as(name, "X-User-Id"), "{name}");
        }
        for name in ["x-user-i", "x-user-id-", "xuserid", "x user-id"] {
            assert!(!reads_as(name, "X-User-Id"), "{name}");
        }
    }

    #[test]
    fn a_header_is_found_in_any_case_and_only_by_its_whole_name() {
        let head = b"POST / HTTP/1.1\r\nX-Content-Length: 1\r\ncontent-LENGTH: 5\r\n\r\n";
        assert!(has(head, "Content-Length"));
        assert!(!has(head, "Content"));
        assert!(!has(b"POST / HTTP/1.1\r\nX: Content-Length: 5\r\n\r\n", "Content-Length"));
    }
}
