//! Tokens, good and bad: minted by hand, so that no library's idea of a token stands between a test and the gateway.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::{APP, SECRET, USER};

/// The customer's header.
pub const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// Seconds since the epoch, plus `offset`.
pub fn now(offset: i64) -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_secs()).expect("before the end of time") + offset
}

/// A good token of the customer's app and user, for an hour.
pub fn good() -> String {
    of(APP, USER, SECRET)
}

/// A token of one app and user that is good for an hour.
pub fn of(app: &str, user: &str, secret: &str) -> String {
    claims(format!(r#"{{"exp":{},"appId":"{app}","userId":"{user}"}}"#, now(3600))).secret(secret).mint()
}

/// The customer's example, letter for letter: it expired in 2020.
pub fn expired() -> String {
    claims(r#"{"exp":1584525821,"appId":"TR21063826","userId":"67deb017-5038-4832-a6b9-aa7e00987b6f"}"#).mint()
}

/// A token in the making. Header and claims are texts, sound or not.
#[derive(Clone)]
pub struct Token {
    header: Vec<u8>,
    claims: Vec<u8>,
    secret: Vec<u8>,
    algorithm: hmac::Algorithm,
}

/// A token with these claims, else as the customer's: header, app's secret.
pub fn claims(text: impl AsRef<[u8]>) -> Token {
    Token { header: HEADER.into(), claims: text.as_ref().to_vec(), secret: SECRET.into(), algorithm: hmac::HMAC_SHA256 }
}

/// Good claims of the customer's app and user, `more` (starting with a comma) appended as it is.
pub fn good_claims(more: &str) -> Token {
    claims(format!(r#"{{"appId":"{APP}","userId":"{USER}"{more}}}"#))
}

impl Token {
    /// Another header text.
    pub fn header(mut self, text: impl AsRef<[u8]>) -> Self {
        self.header = text.as_ref().to_vec();
        self
    }

    /// Another secret.
    pub fn secret(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.secret = secret.as_ref().to_vec();
        self
    }

    /// Signed by another HMAC, such as [`hmac::HMAC_SHA512`].
    pub fn algorithm(mut self, algorithm: hmac::Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// The compact form.
    pub fn mint(&self) -> String {
        self.parts().join(".")
    }

    /// Its three parts.
    pub fn parts(&self) -> [String; 3] {
        let [header, claims] = [&self.header, &self.claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        let signature = self.sign(&format!("{header}.{claims}"));
        [header, claims, signature]
    }

    /// The signature over any signing input, for parts that were encoded in another way.
    pub fn sign(&self, input: &str) -> String {
        let key = hmac::Key::new(self.algorithm, &self.secret);
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, input.as_bytes()))
    }

    /// Header and claims as they stand in `parts`, signed by this token's secret: the parts' spelling is the sender's.
    pub fn spell(&self, change: impl Fn([String; 2]) -> [String; 2]) -> String {
        let [header, claims, _] = self.parts();
        let [header, claims] = change([header, claims]);
        let signature = self.sign(&format!("{header}.{claims}"));
        format!("{header}.{claims}.{signature}")
    }
}
