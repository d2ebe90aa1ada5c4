//! `token`: mints a token, for trying things out.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use super::{FAILED, UNUSABLE, app_id, duration, environment, fail};
use crate::apps::reading::decode_base64;
use crate::auth::provider;

/// What a token is to say.
#[derive(Args, Debug)]
pub struct Token {
    /// The app the token is for.
    #[arg(long, value_name = "ID", value_parser = app_id)]
    app: String,
    /// The user it speaks for.
    #[arg(long, value_name = "U")]
    user: Option<String>,
    /// The customer it speaks for.
    #[arg(long, value_name = "C")]
    customer: Option<String>,
    /// How long it is good for, such as `90s`, `15m`, `1h`.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    ttl: Duration,
    /// The environment variable that holds the app's secret.
    #[arg(long, value_name = "VAR")]
    secret_env: String,
    /// The secret is base64.
    #[arg(long)]
    base64: bool,
}

impl Token {
    /// Prints it.
    pub fn print(&self) -> ExitCode {
        let Some(secret) = environment(&self.secret_env).filter(|s| !s.is_empty()) else {
            return fail(UNUSABLE, &format!("{} is not set; it must hold the app's secret", self.secret_env));
        };
        let key = if self.base64 {
            match decode_base64(&secret) {
                Some(key) => EncodingKey::from_secret(&key),
                None => return fail(UNUSABLE, &format!("{} is not base64", self.secret_env)),
            }
        } else {
            EncodingKey::from_secret(secret.as_bytes())
        };
        provider::install();
        match jsonwebtoken::encode(&Header::new(Algorithm::HS256), &self.claims(), &key) {
            Ok(token) => {
                let _ = writeln!(std::io::stdout(), "{token}");
                ExitCode::SUCCESS
            }
            Err(error) => fail(FAILED, &error),
        }
    }

    fn claims(&self) -> serde_json::Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut claims = json!({ "appId": self.app, "iat": now.as_secs(), "exp": (now + self.ttl).as_secs() });
        for (name, value) in [("userId", &self.user), ("customerId", &self.customer)] {
            if let (Some(value), Some(claims)) = (value, claims.as_object_mut()) {
                claims.insert(name.to_owned(), json!(value));
            }
        }
        claims
    }
}
