//! `X-Request-Id`: the client's own where it is harmless, otherwise a fresh one.

#[cfg(feature = "server")]
use http::HeaderValue;

/// Whether an id is 1 to 64 of `[A-Za-z0-9._-]`.
#[must_use]
pub fn is_good(id: &[u8]) -> bool {
    (1..=64).contains(&id.len()) && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// A fresh id, unless the request carries exactly one good one.
#[cfg(feature = "server")]
pub fn fresh_unless_good<'h>(mut ids: impl Iterator<Item = &'h HeaderValue>) -> Option<HeaderValue> {
    let good = ids.next().is_some_and(|id| is_good(id.as_bytes())) && ids.next().is_none();
    if good { None } else { Some(fresh()) }
}

/// 128 random bits in hex.
#[cfg(feature = "server")]
fn fresh() -> HeaderValue {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let random = fastrand::u128(..).to_be_bytes();
    let mut text = [0u8; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(random) {
        for (digit, nibble) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
            *digit = HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
        }
    }
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

#[cfg(all(test, feature = "server"))]
mod tests {
    use super::*;

    #[test]
    fn a_good_id_is_kept_and_anything_else_replaced() {
        let fresh = |ids: &[&str]| {
            let ids: Vec<_> = ids.iter().map(|id| HeaderValue::from_bytes(id.as_bytes()).unwrap()).collect();
            fresh_unless_good(ids.iter())
        };
        assert_eq!(fresh(&["abc-DEF_1.2"]), None);
        for bad in [&[][..], &[""], &["a b"], &["a", "b"], &["é"]] {
            let id = fresh(bad).unwrap();
            assert!(is_good(id.as_bytes()) && id.len() == 32, "{bad:?}");
        }
        assert!(!is_good(&[b'a'; 65]));
        assert_ne!(fresh(&[]), fresh(&[]));
    }
}
