//! `profiles`: the app profiles API, through which apps are created and their secrets changed.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::address;
use super::auth::words;
use super::list::List;
use super::listeners::ListenerTls;
use super::mistakes::Check;
use super::settings;
use super::yaml_path::YamlPath;
use crate::profiles::{Digest, Scope as Allows};

/// The longest secret that can be asked for: more than a block of SHA-256 is hashed first anyway.
const MOST_SECRET_BYTES: u64 = 1024;

/// The app profiles API.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profiles {
    /// IP address and port to bind; keep it away from clients. Example: `127.0.0.1:9902`.
    #[schemars(required)]
    address: Option<String>,
    /// TLS on this address; absent: plain HTTP, and secrets travel in the clear.
    tls: Option<ListenerTls>,
    /// Who may use it: at least one token.
    #[schemars(required)]
    tokens: Option<List<AdminToken>>,
    /// The least length of a secret that is written through the API, in bytes once decoded (RFC 7518 section 3.2 asks
    /// for 32); 0: any. What other programs write isn't measured by it.
    min_secret_bytes: u64,
}

impl Default for Profiles {
    fn default() -> Self {
        Self { address: None, tls: None, tokens: None, min_secret_bytes: 32 }
    }
}

/// A bearer token of the app profiles API: either the token itself or its hash.
#[derive(Clone, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminToken {
    /// Whose token it is: what the audit log calls them. Example: `ci`.
    #[schemars(required)]
    name: Option<String>,
    /// The token, out of a variable. Letters, digits and `-._~+/=`. Example: `${RTMS_PROFILES_TOKEN}`.
    token: Option<String>,
    /// The token's SHA-256 as 64 hex digits, so that the file holds no secret: what
    /// `printf %s "$TOKEN" | sha256sum` prints.
    sha256: Option<String>,
    /// What it is good for.
    #[schemars(required)]
    scope: Option<Scope>,
}

words! {
    /// What a token is good for.
    Scope {
        /// Apps are read.
        Read,
        /// Apps are read and changed.
        Write,
    }
}

impl Profiles {
    /// The normal form. `taken` are the addresses that are bound already, with the keys that say so.
    pub(super) fn settle(
        self,
        taken: &[(String, SocketAddr)],
        at: &YamlPath,
        check: &mut Check,
    ) -> Option<settings::Profiles> {
        let address = address(self.address, taken, &at.key("address"), check);
        let tls = self.tls.map(|tls| tls.settle(&at.key("tls"), check));
        let tokens = tokens(self.tokens.unwrap_or_default(), &at.key("tokens"), check);
        if self.min_secret_bytes > MOST_SECRET_BYTES {
            check.refuse(&at.key("min_secret_bytes"), "is more than any secret has; write 1024 or less");
        }
        Some(settings::Profiles {
            address: address?,
            tls: match tls {
                None => None,
                Some(tls) => Some(tls?),
            },
            tokens,
            min_secret_bytes: usize::try_from(self.min_secret_bytes).ok()?,
        })
    }
}

fn address(
    text: Option<String>,
    taken: &[(String, SocketAddr)],
    at: &YamlPath,
    check: &mut Check,
) -> Option<SocketAddr> {
    let Some(text) = text else {
        check.missing(at, "say where to listen, as in `127.0.0.1:9902`, or take the section out");
        return None;
    };
    let address = match address::listen(&text) {
        Ok(address) => address,
        Err(problem) => {
            check.refuse(at, format!("{} {problem}", check.show(at, &text)));
            return None;
        }
    };
    if let Some((key, _)) = taken.iter().find(|(_, other)| address::clash(*other, address)) {
        check.refuse(at, format!("can't be bound beside {key}; give it another port"));
    }
    Some(address)
}

fn tokens(listed: List<AdminToken>, at: &YamlPath, check: &mut Check) -> Vec<settings::AdminToken> {
    if listed.is_empty() {
        check.missing(at, "list at least one, as in `- { name: ci, token: \"${RTMS_PROFILES_TOKEN}\", scope: write }`");
    }
    let mut tokens: Vec<settings::AdminToken> = Vec::new();
    for (n, token) in listed.into_entries() {
        let at = at.index(n);
        let Some(token) = token.settle(&at, check) else { continue };
        if tokens.iter().any(|other| other.name == token.name) {
            check.refuse(&at.key("name"), "is another token's name too; the audit log could not tell them apart");
        }
        if tokens.iter().any(|other| other.digest == token.digest) {
            check.refuse(&at, "is the same token as one above; give each name its own");
        }
        tokens.push(token);
    }
    tokens
}

impl AdminToken {
    fn settle(self, at: &YamlPath, check: &mut Check) -> Option<settings::AdminToken> {
        let name = name(self.name, &at.key("name"), check);
        let scope = self.scope;
        if scope.is_none() {
            check.missing(&at.key("scope"), "write `read` or `write`");
        }
        let digest = match (self.token.map(Zeroizing::new), self.sha256) {
            (Some(token), None) => of_token(&token, &at.key("token"), check),
            (None, Some(sha256)) => {
                let digest = Digest::parse(&sha256);
                if digest.is_none() {
                    let problem = "is no SHA-256; write the 64 hex digits of `printf %s \"$TOKEN\" | sha256sum`";
                    check.refuse(&at.key("sha256"), problem);
                }
                digest
            }
            (Some(_), Some(_)) => {
                check.refuse(at, "has both `token` and `sha256`; keep one of them");
                None
            }
            (None, None) if check.refused(&at.key("sha256")) => None,
            (None, None) => {
                check.missing(&at.key("token"), "give the token in a variable, or its `sha256`");
                None
            }
        };
        let scope = match scope? {
            Scope::Read => Allows::Read,
            Scope::Write => Allows::Write,
        };
        Some(settings::AdminToken { name: name?, digest: digest?, scope })
    }
}

fn name(name: Option<String>, at: &YamlPath, check: &mut Check) -> Option<String> {
    let Some(name) = name else {
        check.missing(at, "name whose token it is, as in `ci`");
        return None;
    };
    let sound = (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'@'));
    if !sound {
        check.refuse(at, format!("{} is no name; write 1 to 64 of A-Z a-z 0-9 . _ - @", check.show(at, &name)));
    }
    sound.then_some(name)
}

/// The message never holds a part of the token.
fn of_token(token: &str, at: &YamlPath, check: &mut Check) -> Option<Digest> {
    let sent = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    if token.is_empty() || !token.bytes().all(sent) {
        check.refuse(at, "can't be sent as a bearer token; use letters, digits and `-._~+/=` (RFC 6750 section 2.1)");
        return None;
    }
    Some(Digest::of(token.as_bytes()))
}
