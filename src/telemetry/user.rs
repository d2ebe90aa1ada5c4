//! How the access log tells who a user is: not at all, by a keyed hash, or by name.
//!
//! A hash tells the lines of one user from those of others; without the key nobody can try names until one fits.

use std::fmt;
use std::sync::OnceLock;

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::apps::key::HmacKey;

/// How users are told.
#[derive(Clone, PartialEq)]
pub enum ShownUser {
    /// Not at all.
    Off,
    /// By 16 hex digits.
    Hashed(UserKey),
    /// As the token names them.
    Plain,
}

impl fmt::Debug for ShownUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Hashed(_) => "hashed",
            Self::Plain => "plain",
        })
    }
}

/// What users are hashed with.
#[derive(Clone)]
pub struct UserKey(HmacKey);

impl PartialEq for UserKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.is(&other.0)
    }
}

impl UserKey {
    /// The same hashes wherever this secret is.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(HmacKey::new(secret))
    }

    /// Of this process alone. `None`: the system gives no random bytes.
    #[must_use]
    pub fn of_process() -> Option<Self> {
        static KEY: OnceLock<Option<UserKey>> = OnceLock::new();
        let fresh = || {
            let mut bytes = [0; 32];
            SystemRandom::new().fill(&mut bytes).ok().map(|()| Self::new(&bytes))
        };
        KEY.get_or_init(fresh).clone()
    }

    /// A user's hash: the first 64 bits of its HMAC-SHA256.
    pub(super) fn hash(&self, user: &str) -> u64 {
        let tag = self.0.sign(user.as_bytes());
        tag.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_stable_with_its_key_and_another_with_another() {
        let key = UserKey::new(b"a key for the whole fleet");
        assert_eq!(key.hash("u1"), UserKey::new(b"a key for the whole fleet").hash("u1"));
        assert_ne!(key.hash("u1"), key.hash("u2"));
        assert_ne!(key.hash("u1"), UserKey::new(b"another key").hash("u1"));
        let (first, second) = (UserKey::of_process().unwrap(), UserKey::of_process().unwrap());
        assert_eq!(first.hash("u1"), second.hash("u1"));
        assert_eq!(format!("{:?}", ShownUser::Hashed(key)), "hashed");
    }
}
