//! The key of the cache file, as an operator gives it.

use zeroize::Zeroizing;

use crate::apps::reading::decode_base64;

const LEN: usize = 32;

/// The 32 bytes that the cache file's own key is derived from. Wiped when dropped; no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct CacheKey(Zeroizing<[u8; LEN]>);

impl CacheKey {
    /// Reads 64 hex digits, or the base64 of 32 bytes in either alphabet, padded or not. `None`: it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // 64 hex digits are also base64, but of 48 bytes: a text has one meaning.
        let bytes = hex(text).or_else(|| decode_base64(text))?;
        let mut key = Zeroizing::new([0; LEN]);
        if bytes.len() != LEN {
            return None;
        }
        key.copy_from_slice(&bytes);
        Some(Self(key))
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &*self.0
    }
}

fn hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != LEN {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut bytes = Zeroizing::new(Vec::with_capacity(LEN));
    for [high, low] in pairs {
        bytes.push(digit(*high)? << 4 | digit(*low)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn hex_and_base64_of_32_bytes_are_keys() {
        let bytes: Vec<u8> = (220..252).collect();
        let digits: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let spellings = [
            digits.concat(),
            digits.concat().to_uppercase(),
            STANDARD.encode(&bytes),
            STANDARD.encode(&bytes).trim_end_matches('=').to_owned(),
            URL_SAFE_NO_PAD.encode(&bytes),
        ];
        for text in spellings {
            assert!(CacheKey::parse(&text).is_some_and(|key| key.bytes() == bytes), "{text}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        let hex = "0123456789abcdef".repeat(4);
        let texts = ["", "secret", &hex[1..], &format!("{hex}00"), &hex.replace('0', "g"), &format!("{hex} ")];
        for text in texts {
            assert!(CacheKey::parse(text).is_none(), "{text}");
        }
        for len in [16, 31, 33, 48] {
            assert!(CacheKey::parse(&STANDARD.encode(vec![1; len])).is_none(), "{len}");
        }
    }
}
