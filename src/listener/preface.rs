//! What a plain connection speaks: HTTP/2 if it begins with the preface (RFC 9113 section 3.4), HTTP/1.1 otherwise.

/// The bytes an HTTP/2 connection begins with.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether a connection that began with these bytes speaks HTTP/2; `None`: it can still turn out either way.
pub(super) fn is_http2(bytes: &[u8]) -> Option<bool> {
    match bytes.get(..PREFACE.len()) {
        Some(start) => Some(start == PREFACE),
        None if PREFACE.starts_with(bytes) => None,
        None => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_other_byte_tells_and_nothing_before_the_last() {
        for had in 0..PREFACE.len() {
            let (start, _) = PREFACE.split_at(had);
            assert_eq!(is_http2(start), None, "{had}");
            assert_eq!(is_http2(&[start, b"x"].concat()), Some(false), "{had}");
        }
        assert_eq!(is_http2(PREFACE), Some(true));
        assert_eq!(is_http2(&[&PREFACE[..], b"more"].concat()), Some(true));
        assert_eq!(is_http2(b"PRI * HTTP/1.1\r\nHost: h\r\n\r\n"), Some(false));
    }
}
