//! Who may use the API: bearer tokens known by their hash, each with a name and a scope.
//!
//! A presented token is hashed and compared with every known hash in constant time, whether or not one fitted before.
//! Failures are charged to the client's address; whoever has spent that budget isn't listened to for a while, whatever
//! they present, so that guessing can't go on at the speed of the network.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use crate::config::settings::AdminToken;
use crate::limit::{Keyed, Rate, network};

/// Failures that an address has in the long run, a second, and at once.
const FAILURES: (f64, u32) = (0.5, 10);
/// Addresses told apart.
const ADDRESSES: usize = 1 << 14;

/// SHA-256 of a token. `Debug` shows nothing of it.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a token.
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Reads 64 hex digits.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        let mut digest = [0; 32];
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        for (n, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(hex.get(2 * n..2 * n + 2)?, 16).ok()?;
        }
        Some(Self(digest))
    }

    fn is(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.is(other).into()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Reading.
    Read,
    /// Reading and changing.
    Write,
}

impl Scope {
    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// Why somebody isn't let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied<'a> {
    /// No token.
    Missing,
    /// A token nobody has, or a header that holds none.
    Unknown,
    /// A good token, but not for this; whose.
    Scope(&'a str),
    /// Too many failures from this address; how long until it is listened to.
    Throttled(Duration),
}

/// The tokens, and who failed.
pub struct Access {
    tokens: Vec<AdminToken>,
    failures: Keyed<u128>,
    bare: Keyed<u128>,
}

impl Access {
    /// Access for the holders of `tokens`.
    #[must_use]
    pub fn new(tokens: Vec<AdminToken>) -> Self {
        let budget = || Keyed::new(Rate::new(FAILURES.0, FAILURES.1), ADDRESSES);
        Self { tokens, failures: budget(), bare: budget() }
    }

    /// Whose request this is, if they may do what needs this scope.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, from: IpAddr, headers: &HeaderMap, needs: Scope) -> Result<&str, Denied<'_>> {
        let from = network(from);
        self.failures.wait(&from).map_err(Denied::Throttled)?;
        let known = bearer(headers).and_then(|token| self.holder(token).ok_or(Denied::Unknown));
        match known {
            Ok(holder) if holder.scope >= needs => Ok(&holder.name),
            Ok(holder) => Err(Denied::Scope(&holder.name)),
            // A client that asks without a token, to learn that it needs one, guesses nothing.
            Err(Denied::Missing) => Err(Denied::Missing),
            Err(denied) => {
                let _ = self.failures.take(&from);
                Err(denied)
            }
        }
    }

    /// Whether the log should tell of this one: requests without a token cost nobody anything, and must not fill it.
    #[must_use]
    pub fn is_told(&self, from: IpAddr, denied: Denied<'_>) -> bool {
        match denied {
            Denied::Throttled(_) => false,
            Denied::Missing => self.bare.take(&network(from)).is_ok(),
            Denied::Unknown | Denied::Scope(_) => true,
        }
    }

    fn holder(&self, token: &[u8]) -> Option<&AdminToken> {
        let presented = Digest::of(token);
        // 0: nobody. Every token is compared, so that time doesn't tell which one was nearest, or first.
        let mut found = 0u32;
        for (n, token) in (1u32..).zip(&self.tokens) {
            found.conditional_assign(&n, token.digest.is(&presented));
        }
        self.tokens.get(usize::try_from(found).ok()?.checked_sub(1)?)
    }
}

/// The token of the one Authorization header (RFC 6750 section 2.1).
fn bearer(headers: &HeaderMap) -> Result<&[u8], Denied<'static>> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Err(Denied::Missing) };
    if lines.next().is_some() {
        return Err(Denied::Unknown);
    }
    let line = line.as_bytes();
    if line.is_empty() {
        return Err(Denied::Missing);
    }
    match line.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty() => Ok(token),
        _ => Err(Denied::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::HeaderValue;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

    fn access() -> Access {
        let token = |name: &str, token: &str, scope| AdminToken {
            name: name.to_owned(),
            digest: Digest::of(token.as_bytes()),
            scope,
        };
        Access::new(vec![token("ci", "writer", Scope::Write), token("audit", "reader", Scope::Read)])
    }

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    #[test]
    fn a_token_lets_its_holder_do_what_its_scope_allows() {
        let access = access();
        let ask = |lines: &[&str], needs| access.admit(HERE, &headers(lines), needs);
        assert_eq!(ask(&["Bearer writer"], Scope::Write), Ok("ci"));
        assert_eq!(ask(&["bearer writer"], Scope::Read), Ok("ci"));
        assert_eq!(ask(&["BEARER reader"], Scope::Read), Ok("audit"));
        assert_eq!(ask(&["Bearer reader"], Scope::Write), Err(Denied::Scope("audit")));
        assert_eq!(ask(&[], Scope::Read), Err(Denied::Missing));
        assert_eq!(ask(&[""], Scope::Read), Err(Denied::Missing));
        for bad in ["Bearer", "Bearer ", "Bearer  writer", "Bearer write", "Bearer writer ", "Basic writer", "writer"] {
            assert_eq!(ask(&[bad], Scope::Read), Err(Denied::Unknown), "{bad:?}");
        }
    }

    #[test]
    fn two_headers_are_nobodys() {
        let two = headers(&["Bearer writer", "Bearer writer"]);
        assert_eq!(access().admit(HERE, &two, Scope::Read), Err(Denied::Unknown));
    }

    #[test]
    fn whoever_guesses_is_not_listened_to_for_a_while_and_nobody_else_pays_for_it() {
        let access = access();
        for _ in 0..FAILURES.1 {
            assert_eq!(access.admit(HERE, &headers(&["Bearer guess"]), Scope::Read), Err(Denied::Unknown));
        }
        let good = headers(&["Bearer writer"]);
        let denied = access.admit(HERE, &good, Scope::Read);
        assert!(matches!(denied, Err(Denied::Throttled(wait)) if wait <= Duration::from_secs(2)), "{denied:?}");
        assert_eq!(access.admit(THERE, &good, Scope::Read), Ok("ci"));
    }

    #[test]
    fn asking_without_a_token_costs_nothing() {
        let access = access();
        for _ in 0..100 {
            assert_eq!(access.admit(HERE, &headers(&[]), Scope::Read), Err(Denied::Missing));
        }
        let told = (0..100).filter(|_| access.is_told(HERE, Denied::Missing)).count();
        assert!((10..=11).contains(&told), "{told}");
        assert_eq!(access.admit(HERE, &headers(&["Bearer writer"]), Scope::Read), Ok("ci"));
    }

    #[test]
    fn a_digest_is_64_hex_digits_and_shows_nothing() {
        // FIPS 180-2, appendix B.1.
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::parse(hex), Some(Digest::of(b"abc")));
        assert!(Digest::parse(&hex.to_uppercase()) == Digest::parse(hex));
        for bad in ["", &hex[1..], "+a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"] {
            assert!(Digest::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(format!("{:?}", Digest::of(b"secret")), "Digest");
    }
}
