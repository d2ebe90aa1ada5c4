//! The raw head of an HTTP/1 request, for what parsing loses: a fragment in the target, a length beside chunks.

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
    fn a_header_is_found_in_any_case_and_only_by_its_whole_name() {
        let head = b"POST / HTTP/1.1\r\nX-Content-Length: 1\r\ncontent-LENGTH: 5\r\n\r\n";
        assert!(has(head, "Content-Length"));
        assert!(!has(head, "Content"));
        assert!(!has(b"POST / HTTP/1.1\r\nX: Content-Length: 5\r\n\r\n", "Content-Length"));
    }
}
