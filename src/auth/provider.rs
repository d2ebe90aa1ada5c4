//! `jsonwebtoken` over `ring`: mints tokens, and is the independent reference for this crate's own verifier.
//!
//! The crate's bundled providers bring RSA and elliptic curves that nothing here uses; HS256 is all that exists
//! for this gateway, so the provider refuses everything else.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use ring::hmac;
use signature::{Signer, Verifier};

/// Makes this provider `jsonwebtoken`'s for the whole process; calling it again changes nothing.
pub fn install() {
    static PROVIDER: CryptoProvider =
        CryptoProvider { signer_factory: signer, verifier_factory: verifier, key_utils: KeyUtils::new_unimplemented() };
    let _ = PROVIDER.install_default();
}

struct Hs256(hmac::Key);

fn key(algorithm: Algorithm, secret: &[u8]) -> Result<Hs256, Error> {
    if algorithm == Algorithm::HS256 {
        Ok(Hs256(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    } else {
        Err(ErrorKind::InvalidAlgorithm.into())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is `jsonwebtoken`'s")]
fn signer(algorithm: &Algorithm, secret: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Ok(Box::new(key(*algorithm, secret.as_bytes())?))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is `jsonwebtoken`'s")]
fn verifier(algorithm: &Algorithm, secret: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    Ok(Box::new(key(*algorithm, secret.try_get_as_bytes()?)?))
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], tag: &Vec<u8>) -> Result<(), signature::Error> {
        hmac::verify(&self.0, message, tag).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}
