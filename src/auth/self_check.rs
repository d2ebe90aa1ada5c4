//! A check at start: this crate's verifier and `jsonwebtoken` agree about a token of each other's.
//!
//! Both compute HMAC-SHA256 on code paths chosen by the processor. Should one be wrong on this machine, the gateway
//! must not begin to judge.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};

use super::provider;
use super::token::Parts;
use crate::apps::key::HmacKey;

/// Whether the two agree: a good token verifies with both, a tampered one with neither.
#[must_use]
pub fn agree() -> bool {
    const SECRET: &[u8] = b"the secret of the check at start";
    provider::install();
    let claims = serde_json::json!({"appId": "TR21063826", "userId": "67deb017-5038-4832-a6b9-aa7e00987b6f"});
    let Ok(good) = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET))
    else {
        return false;
    };
    // Another character in the middle of the payload.
    let tampered: String = good.chars().enumerate().map(|(at, c)| if at == 60 { swapped(c) } else { c }).collect();
    theirs(&good, SECRET) && ours(&good, SECRET) && !theirs(&tampered, SECRET) && !ours(&tampered, SECRET)
}

fn swapped(c: char) -> char {
    if c == 'A' { 'B' } else { 'A' }
}

fn theirs(token: &str, secret: &[u8]) -> bool {
    let mut rules = Validation::new(Algorithm::HS256);
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    jsonwebtoken::decode::<serde_json::Value>(token, &DecodingKey::from_secret(secret), &rules).is_ok()
}

fn ours(token: &str, secret: &[u8]) -> bool {
    let mut scratch = Vec::new();
    Parts::split(token)
        .and_then(|parts| parts.check_header(&mut scratch))
        .is_ok_and(|token| token.signed_by(&HmacKey::new(secret)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_two_verifiers_agree_on_this_machine() {
        assert!(super::agree());
    }
}
