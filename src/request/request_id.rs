//! `X-Request-Id`: the client's own where it is harmless, otherwise a fresh one.

#[cfg(feature = "server")]
use std::cell::RefCell;
#[cfg(feature = "server")]
use std::hash::{BuildHasher as _, RandomState};
#[cfg(feature = "server")]
use std::thread;

#[cfg(feature = "server")]
use bytes::Bytes;
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

/// 32 hex digits, told from others by chance: nothing secret.
#[cfg(feature = "server")]
fn fresh() -> HeaderValue {
    thread_local! {
        static BATCH: RefCell<Bytes> = {
            // By what the system is asked for, not by the time: machines that wake from one image don't repeat each other.
            fastrand::seed(RandomState::new().hash_one(thread::current().id()));
            RefCell::new(Bytes::new())
        };
    }
    let id = BATCH.with_borrow_mut(|batch| {
        if batch.len() < ID {
            *batch = Bytes::from(several());
        }
        batch.split_to(ID)
    });
    HeaderValue::from_maybe_shared(id).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

/// An id's length.
#[cfg(feature = "server")]
const ID: usize = 32;

/// Ids one after the other. They are copied to the upstream and into the answer: where several share one allocation,
/// neither they nor their copies take one of their own. A connection that lasts keeps its neighbours' bytes, so there
/// are not many.
#[cfg(feature = "server")]
fn several() -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let random = (0..16).flat_map(|_| fastrand::u128(..).to_be_bytes());
    random
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0'))
        .collect()
}

#[cfg(all(test, feature = "server"))]
mod tests {
    use std::collections::HashSet;

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
        let many: HashSet<_> = (0..1000).map(|_| fresh(&[]).unwrap()).collect();
        assert_eq!(many.len(), 1000);
    }
}
