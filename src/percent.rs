//! Percent-decoding, once, to UTF-8.

use std::borrow::Cow;

use crate::scan;

/// The value can't be decoded: a bad escape, or bytes that aren't UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecodable;

/// Decodes `text`; with `plus`, `+` is a space, as in a query.
///
/// # Errors
/// `%` without two hex digits after it, or a result that isn't UTF-8.
pub fn decode(text: &[u8], plus: bool) -> Result<Cow<'_, str>, Undecodable> {
    if !text.iter().any(|b| *b == b'%' || (plus && *b == b'+')) {
        return std::str::from_utf8(text).map(Cow::Borrowed).map_err(|_| Undecodable);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'%' => {
                let (byte, after) = hex_pair(rest).ok_or(Undecodable)?;
                out.push(byte);
                rest = after;
            }
            b'+' if plus => out.push(b' '),
            other => out.push(*other),
        }
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| Undecodable)
}

/// The byte of two hex digits at the start of `text`, and what follows them.
#[must_use]
pub fn hex_pair(text: &[u8]) -> Option<(u8, &[u8])> {
    let ([high, low], rest) = text.split_first_chunk::<2>()?;
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some((digit(*high)? << 4 | digit(*low)?, rest))
}

/// Encodes a claim for a header value: `%` and every byte outside 0x21-0x7E, in upper-case hex.
#[must_use]
pub fn encode_header(value: &str) -> Cow<'_, str> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let stays = |byte: u8| matches!(byte, 0x21..=0x7e) && byte != b'%';
    if scan::all(value.as_bytes(), stays) {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len() + 8);
    for byte in value.bytes() {
        if stays(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for nibble in [byte >> 4, byte & 15] {
                out.push(char::from(HEX.get(usize::from(nibble)).copied().unwrap_or(b'0')));
            }
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_once_and_strictly() {
        assert_eq!(decode(b"a%2520b", false).unwrap(), "a%20b");
        assert_eq!(decode(b"a+b%2B", true).unwrap(), "a b+");
        assert_eq!(decode(b"a+b", false).unwrap(), "a+b");
        assert_eq!(decode("%C3%A9é".as_bytes(), false).unwrap(), "éé");
        for bad in [&b"%"[..], b"%4", b"%zz", b"%C3", b"\xff", b"%+1"] {
            assert!(decode(bad, false).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn header_values_are_visible_ascii() {
        assert_eq!(encode_header("2315"), "2315");
        assert_eq!(encode_header("a b%é\r\n~"), "a%20b%25%C3%A9%0D%0A~");
    }
}
