//! The head of a cache file, and the keys that belong to it.
//!
//! ```text
//! magic 15 | version 1 | salt 32 | key check 16 | source check 16 | segments
//! ```
//!
//! Every file has a key of its own: HKDF-SHA256 (RFC 5869) of the configured key and the file's random salt. The two
//! checks are derived the same way; they tell a wrong key and another source from damage, and tell nothing to those
//! who lack the key. The whole head and the source are authenticated with every segment.

use std::io::Read;

use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::CacheKey;
use super::refusal::Refusal;

/// How every cache file begins.
pub(super) const MAGIC: &[u8; 15] = b"rtms-apps-cache";
/// Of the head, of the segments, of what is in them, and of the packed documents there.
const VERSION: u8 = 1;
const SALT: usize = 32;
const CHECK: usize = 16;

/// What the segments of one file are sealed with.
pub(super) struct Seal {
    /// The file's own key.
    pub(super) key: LessSafeKey,
    /// What is authenticated with every segment: the head, and the source.
    pub(super) context: Vec<u8>,
}

/// The seal of a new file, and its head.
pub(super) fn create(key: &CacheKey, origin: &str) -> Result<(Seal, Vec<u8>), Unspecified> {
    let mut salt = [0; SALT];
    SystemRandom::new().fill(&mut salt)?;
    let keys = Keys::derive(key, &salt, origin)?;
    let head = [MAGIC.as_slice(), &[VERSION], &salt, &keys.key_check, &keys.origin_check].concat();
    Ok((Seal { key: keys.sealing, context: context(&head, origin) }, head))
}

/// Reads a head, and finds the seal of what follows it.
pub(super) fn open(from: &mut impl Read, key: &CacheKey, origin: &str) -> Result<Seal, Refusal> {
    let magic: [u8; MAGIC.len()] = part(from, Refusal::Foreign)?;
    if magic != *MAGIC {
        return Err(Refusal::Foreign);
    }
    let [version] = part(from, Refusal::Damaged)?;
    if version != VERSION {
        return Err(Refusal::Version);
    }
    let salt: [u8; SALT] = part(from, Refusal::Damaged)?;
    let checks: [[u8; CHECK]; 2] = [part(from, Refusal::Damaged)?, part(from, Refusal::Damaged)?];
    let keys = Keys::derive(key, &salt, origin).map_err(|Unspecified| Refusal::Key)?;
    let [key_check, origin_check] = checks;
    if key_check != keys.key_check {
        return Err(Refusal::Key);
    }
    if origin_check != keys.origin_check {
        return Err(Refusal::Source);
    }
    let head = [MAGIC.as_slice(), &[version], &salt, &key_check, &origin_check].concat();
    Ok(Seal { key: keys.sealing, context: context(&head, origin) })
}

fn part<const N: usize>(from: &mut impl Read, short: Refusal) -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => short,
        _ => error.into(),
    })?;
    Ok(bytes)
}

fn context(head: &[u8], origin: &str) -> Vec<u8> {
    [head, origin.as_bytes()].concat()
}

struct Keys {
    sealing: LessSafeKey,
    key_check: [u8; CHECK],
    origin_check: [u8; CHECK],
}

/// A derived value that is no key.
struct Check;

impl KeyType for Check {
    fn len(&self) -> usize {
        CHECK
    }
}

impl Keys {
    fn derive(key: &CacheKey, salt: &[u8; SALT], origin: &str) -> Result<Self, Unspecified> {
        let secret = Salt::new(HKDF_SHA256, salt).extract(key.bytes());
        let sealing = UnboundKey::from(secret.expand(&[b"rtms-apps-cache segments"], &AES_256_GCM)?);
        Ok(Self {
            sealing: LessSafeKey::new(sealing),
            key_check: check(&secret, &[b"rtms-apps-cache key"])?,
            origin_check: check(&secret, &[b"rtms-apps-cache source ", origin.as_bytes()])?,
        })
    }
}

fn check(secret: &Prk, what: &[&[u8]]) -> Result<[u8; CHECK], Unspecified> {
    let mut check = [0; CHECK];
    secret.expand(what, Check)?.fill(&mut check)?;
    Ok(check)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::document::FIELDS;

    #[test]
    fn the_version_belongs_to_these_fields() {
        // A packed document names its fields by their place in this list: another list is another version.
        let fields = [
            "appId",
            "jwt_secretkey",
            "secret_encoding",
            "jwt_secretkey_previous",
            "previous_expires_at",
            "disabled",
            "tokens_valid_after",
        ];
        assert_eq!((VERSION, FIELDS), (1, fields));
    }
}
