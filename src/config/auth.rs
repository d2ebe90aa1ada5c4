//! `auth`: how tokens are judged, and what a rejection looks like.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mistakes::Check;
use super::settings;
use super::values::Span;
use super::yaml_path::YamlPath;
use crate::apps::SecretEncoding;
use crate::auth::rejection::Form;

/// The most tolerance that still is one.
const MOST_LEEWAY: Duration = Duration::from_hours(24);
/// The shortest lifetime a token can have.
const LEAST_LIFETIME: Duration = Duration::from_secs(1);

/// How tokens are judged, and what a rejection looks like.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// Tolerance for `exp` and `nbf`, for clocks that differ; at most `24h`. Example: `30s`.
    leeway: Span,
    /// The furthest that `exp` may lie ahead; a token that lives longer, or without `exp`, is rejected. `0s`: no bound.
    /// Example: `24h`.
    max_lifetime: Span,
    /// How secrets stand in app documents. An app document's own `secret_encoding` wins.
    secret_encoding: Encoding,
    /// A token must carry `userId`, `appUserId` or `customerId`. `false`: a token with none of them vouches for its
    /// whole app.
    require_user_claim: bool,
    /// What happens to apps without a secret.
    open_apps: OpenApps,
    /// What happens to bodies of the form `{"encrypted": ".."}` on routes with body places.
    encrypted_bodies: EncryptedBodies,
    /// Form of rejections.
    rejection: Rejection,
    /// Pass on a token that was judged. `false`: it is taken out before forwarding.
    forward_token: bool,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            leeway: Span::seconds(0),
            max_lifetime: Span::seconds(0),
            secret_encoding: Encoding::Raw,
            require_user_claim: true,
            open_apps: OpenApps::Forward,
            encrypted_bodies: EncryptedBodies::Allow,
            rejection: Rejection::Standard,
            forward_token: true,
        }
    }
}

/// A closed set of words: each word and what it means.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word:meta])* $variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "snake_case")]
        #[schemars(inline)]
        pub enum $name { $($(#[$word])* $variant,)* }
    };
}
pub(super) use words;

words! {
    /// How secrets stand in app documents.
    Encoding {
        /// The string's bytes are the key.
        Raw,
        /// The key's base64, in the standard or the URL-safe alphabet, padding optional.
        Base64,
    }
}

words! {
    /// What happens to apps without a secret.
    OpenApps {
        /// Their requests pass: JWT is switched off for them.
        Forward,
        /// Their requests are rejected.
        Reject,
    }
}

words! {
    /// What happens to encrypted bodies.
    EncryptedBodies {
        /// They name nothing, and are counted.
        Allow,
        /// They are rejected.
        Reject,
    }
}

words! {
    /// Form of the gateway's own answers.
    Rejection {
        /// 401 with a challenge, the code a string.
        Standard,
        /// 200, the code a number, as the vendor's browser SDKs read it.
        Sdk,
    }
}

/// What a route takes over from this section where it doesn't say otherwise.
#[derive(Clone, Copy)]
pub struct RouteDefaults {
    /// Form of rejections.
    pub rejection: Rejection,
    /// What happens to apps without a secret.
    pub open_apps: OpenApps,
    /// Whether a judged token is passed on.
    pub forward_token: bool,
}

impl Rejection {
    /// The form this word stands for.
    #[must_use]
    pub const fn form(self) -> Form {
        match self {
            Self::Standard => Form::Standard,
            Self::Sdk => Form::Sdk,
        }
    }
}

impl Auth {
    /// What routes take over.
    #[must_use]
    pub const fn route_defaults(&self) -> RouteDefaults {
        RouteDefaults { rejection: self.rejection, open_apps: self.open_apps, forward_token: self.forward_token }
    }

    /// The normal form.
    #[must_use]
    pub fn settle(self, at: &YamlPath, check: &mut Check) -> settings::Auth {
        if self.leeway.0 > MOST_LEEWAY {
            check.refuse(&at.key("leeway"), "is over 24h, so that no token would ever expire; write some seconds");
        }
        let max_lifetime = Some(self.max_lifetime.0).filter(|d| !d.is_zero());
        if max_lifetime.is_some_and(|d| d < LEAST_LIFETIME) {
            check.refuse(&at.key("max_lifetime"), "is under 1s, so that no token could pass; write `0s` for no bound");
        }
        settings::Auth {
            leeway: self.leeway.0,
            max_lifetime,
            secret_encoding: match self.secret_encoding {
                Encoding::Raw => SecretEncoding::Raw,
                Encoding::Base64 => SecretEncoding::Base64,
            },
            require_user_claim: self.require_user_claim,
            rejection: self.rejection.form(),
            allow_encrypted_bodies: self.encrypted_bodies == EncryptedBodies::Allow,
        }
    }
}
