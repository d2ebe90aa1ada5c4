//! A secret as it is kept: HMAC-SHA256 with a prepared key (RFC 2104): the two states after the padded key, 64 bytes an app.
//!
//! A key is hashed once, when its document arrives; a token then costs its own blocks and two more. The secret
//! itself isn't kept. `jsonwebtoken` over `ring` is the independent reference this is tested against.

use sha2::block_api::compress256;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroize as _;

const BLOCK: usize = 64;
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// A prepared HMAC-SHA256 key. Has no `Debug` and no way back to the secret.
#[derive(Clone)]
pub struct HmacKey {
    inner: [u32; 8],
    outer: [u32; 8],
}

impl HmacKey {
    /// Prepares the key for `secret`, of any length.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let mut block = [0u8; BLOCK];
        if secret.len() > BLOCK {
            for (to, from) in block.iter_mut().zip(Sha256::digest(secret)) {
                *to = from;
            }
        } else {
            for (to, from) in block.iter_mut().zip(secret) {
                *to = *from;
            }
        }
        let state = |pad: u8| {
            let mut padded = block.map(|b| b ^ pad);
            let mut state = INITIAL;
            compress256(&mut state, std::slice::from_ref(&padded));
            padded.zeroize();
            state
        };
        let key = Self { inner: state(0x36), outer: state(0x5c) };
        block.zeroize();
        key
    }

    /// Whether both are the same key.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let words = |key: &Self| key.inner.into_iter().chain(key.outer);
        // All words, whatever the first ones say.
        words(self).zip(words(other)).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }

    /// The tag of `message`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 32] {
        let inner = finish(self.inner, message);
        finish(self.outer, &inner)
    }

    /// Whether `tag` is the tag of `message`; constant time in the tag's bytes.
    #[must_use]
    pub fn verify(&self, message: &[u8], tag: &[u8; 32]) -> bool {
        self.sign(message).ct_eq(tag).into()
    }
}

impl Drop for HmacKey {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

/// SHA-256 of `message` from a state that already holds one block.
fn finish(mut state: [u32; 8], message: &[u8]) -> [u8; 32] {
    let (blocks, rest) = message.as_chunks::<BLOCK>();
    compress256(&mut state, blocks);
    let mut last = [[0u8; BLOCK]; 2];
    let flat = last.as_flattened_mut();
    for (to, from) in flat.iter_mut().zip(rest) {
        *to = *from;
    }
    if let Some(end) = flat.get_mut(rest.len()) {
        *end = 0x80;
    }
    let used = if rest.len() < BLOCK - 8 { 1 } else { 2 };
    let bits = ((message.len() + BLOCK) as u64) * 8;
    for (to, from) in flat.iter_mut().take(used * BLOCK).rev().zip(bits.to_le_bytes()) {
        *to = from;
    }
    compress256(&mut state, last.get(..used).unwrap_or(&last));
    let mut out = [0u8; 32];
    for (to, word) in out.chunks_exact_mut(4).zip(state) {
        to.copy_from_slice(&word.to_be_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        use std::fmt::Write as _;
        bytes.iter().fold(String::new(), |mut s, b| {
            let _ = write!(s, "{b:02x}");
            s
        })
    }

    #[test]
    fn rfc_4231_vectors() {
        let cases: [(&[u8], &[u8], &str); 5] = [
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                &[0xaa; 131],
                b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.",
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            ),
        ];
        for (key, message, tag) in cases {
            assert_eq!(hex(&HmacKey::new(key).sign(message)), tag);
        }
    }

    #[test]
    #[cfg(feature = "reference")]
    fn agrees_with_ring_at_every_length_around_a_block() {
        for key_len in [1, 31, 32, 63, 64, 65, 130] {
            let secret = vec![7u8; key_len];
            let reference = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
            let key = HmacKey::new(&secret);
            for len in 0..200u8 {
                let message: Vec<u8> = (0..len).collect();
                assert_eq!(key.sign(&message), ring::hmac::sign(&reference, &message).as_ref(), "{key_len} {len}");
                assert!(key.verify(&message, &key.sign(&message)));
            }
        }
    }
}
