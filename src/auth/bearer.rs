//! The one token of a request, from its Authorization header.

use http::{HeaderMap, header};

use crate::reason::Reason;
use crate::scan;

/// The token: one header, the scheme `Bearer` in any case, one space, and something of the form of a compact JWS.
///
/// # Errors
/// [`Reason::TokenMissing`] for no or an empty header; [`Reason::SchemeUnsupported`]; [`Reason::TokenMalformed`]
/// for two headers, other white space, a comma list, or more than `max_bytes`.
pub fn token(headers: &HeaderMap, max_bytes: usize) -> Result<&str, Reason> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Err(Reason::TokenMissing) };
    if values.next().is_some() {
        return Err(Reason::TokenMalformed);
    }
    let value = value.as_bytes();
    if value.iter().all(|b| matches!(b, b' ' | b'\t')) {
        return Err(Reason::TokenMissing);
    }
    let scheme_end = value.iter().position(|b| *b == b' ').ok_or(Reason::SchemeUnsupported)?;
    let (scheme, token) = value.split_at_checked(scheme_end).ok_or(Reason::SchemeUnsupported)?;
    let token = token.get(1..).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(Reason::SchemeUnsupported);
    }
    if token.is_empty() {
        return Err(Reason::SchemeUnsupported);
    }
    if token.len() > max_bytes {
        return Err(Reason::TokenMalformed);
    }
    // The JWS alphabet only: whatever else stands here, no two parties need agree on it.
    if !is_jws(token) {
        return Err(Reason::TokenMalformed);
    }
    std::str::from_utf8(token).map_err(|_| Reason::TokenMalformed)
}

#[expect(clippy::needless_bitwise_bool, reason = "a branch for each byte is what `scan` does without")]
fn is_jws(token: &[u8]) -> bool {
    scan::all(token, |byte| {
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let digit = byte.wrapping_sub(b'0') < 10;
        letter | digit | (byte == b'-') | (byte == b'_') | (byte == b'.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(values: &[&[u8]]) -> Result<String, Reason> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("authorization", HeaderValue::from_bytes(value).unwrap());
        }
        token(&headers, 16).map(str::to_owned)
    }

    #[test]
    fn the_alphabet_is_letters_digits_and_three_marks() {
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            for token in [&[byte][..], &[&[b'a'; 40], &[byte][..], &[b'a'; 40]].concat()] {
                assert_eq!(is_jws(token), expected, "{byte:#x}");
            }
        }
    }

    #[test]
    fn one_bearer_token_and_nothing_else() {
        assert_eq!(read(&[b"Bearer a.b.c"]), Ok("a.b.c".into()));
        assert_eq!(read(&[b"bEARER a.b.c"]), Ok("a.b.c".into()));
        assert_eq!(read(&[]), Err(Reason::TokenMissing));
        assert_eq!(read(&[b""]), Err(Reason::TokenMissing));
        assert_eq!(read(&[b"Bearer a.b.c", b"Bearer a.b.c"]), Err(Reason::TokenMalformed));
        for scheme in [&b"Bearer"[..], b"Bearer ", b"Basic YTpi", b"Token a", b"a.b.c", b"Bearer\ta.b.c"] {
            assert_eq!(read(&[scheme]), Err(Reason::SchemeUnsupported), "{scheme:?}");
        }
        let bad: [&[u8]; 7] = [
            b"Bearer  a.b.c",
            b"Bearer a.b.c ",
            b"Bearer a.b.c,x",
            b"Bearer a.b.c x",
            b"Bearer a.b=.c",
            b"Bearer a.b.\xc2\xa0c",
            b"Bearer 0123456789abcdefg",
        ];
        for token in bad {
            assert_eq!(read(&[token]), Err(Reason::TokenMalformed), "{token:?}");
        }
    }
}
