//! The judgement of one request: the app, its token, and everything outside the body that names an identity.
//!
//! Steps 3 to 5 of the contract. Pure: the snapshot, the clock's reading and the request's head go in, a verdict
//! comes out. The body, where a route lists places in it, is the one thing left to [`Verified::subject`].

use std::borrow::Cow;
use std::hint::black_box;
use std::sync::LazyLock;

use super::bearer;
use super::binding::{Binding, Subject, Tally, Vouch};
use super::token::{Claims, Parts, Unverified};
use crate::apps::key::HmacKey;
use crate::apps::{Policy, Secrets, Snapshot};
use crate::reason::Reason;
use crate::request::identities::{Head, Places};

/// How tokens are judged, gateway-wide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenRules {
    /// Bound on a token's length.
    pub max_bytes: usize,
    /// Tolerance for `exp` and `nbf`, seconds.
    pub leeway: f64,
    /// The furthest `exp` may lie ahead, seconds; `None`: no bound, and `exp` stays optional.
    pub max_lifetime: Option<f64>,
    /// A token must name a user or a customer.
    pub require_user_claim: bool,
}

/// How a route judges.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Which of the template's names is `{appId}`.
    pub app: usize,
    /// Where requests name identities.
    pub places: Places,
    /// How many of them the token must vouch for.
    pub vouch: Vouch,
    /// Apps without a secret are refused.
    pub reject_open_apps: bool,
    /// What tokens must be like.
    pub token: TokenRules,
}

impl Rule {
    /// The app a request names in its path.
    #[must_use]
    pub fn app_id<'r>(&self, head: &Head<'r>) -> &'r str {
        head.captures.get(head.path, self.app).unwrap_or_default()
    }
}

/// The wall clock's reading, milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now(pub i64);

impl Now {
    fn seconds(self) -> f64 {
        // Exact: milliseconds since the epoch stay far below 2^53.
        self.0 as f64 / 1000.0
    }
}

/// Which secret a token was signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUsed {
    /// The secret in force.
    Current,
    /// The one before it, which still lasts.
    Previous,
}

/// What a judgement found.
#[derive(Debug)]
pub struct Judgement<'b> {
    /// The secret that signed the token, also where something else is wrong with it.
    pub key: Option<KeyUsed>,
    /// Whether the request may go on, or the one reason for which it is turned away.
    pub verdict: Result<Verdict<'b>, Reason>,
}

/// A request that may go on.
#[derive(Debug)]
pub enum Verdict<'b> {
    /// The app has no secret: its requests pass unchecked.
    Open,
    /// The token is good, and nothing outside the body contradicts it.
    Verified(Verified<'b>),
}

/// A verified token and what the request named so far.
#[derive(Debug)]
pub struct Verified<'b> {
    /// The token's user.
    pub user: Option<Cow<'b, str>>,
    /// The token's customer.
    pub customer: Option<Cow<'b, str>>,
    /// `exp` is so far ahead that it was probably meant in milliseconds.
    pub suspect_exp: bool,
    /// What the head named.
    pub tally: Tally,
}

impl Verified<'_> {
    /// For whom the token speaks.
    #[must_use]
    pub fn subject<'s>(&'s self, app: &'s str) -> Subject<'s> {
        subject(app, self.user.as_deref(), self.customer.as_deref())
    }
}

/// The subject of a token that passed: without user and customer it can only be one that need not have them.
#[must_use]
pub const fn subject<'s>(app: &'s str, user: Option<&'s str>, customer: Option<&'s str>) -> Subject<'s> {
    Subject { app, user, customer, whole_app: user.is_none() && customer.is_none() }
}

/// Tokens of seconds later than this (the year 5138) were minted in milliseconds.
const SUSPECT_EXP: f64 = 1e11;

/// Judges a request. `scratch` is overwritten; the verdict borrows from it.
pub fn judge<'b>(rule: &Rule, head: &Head<'_>, apps: &Snapshot, now: Now, scratch: &'b mut Vec<u8>) -> Judgement<'b> {
    let refused = match apps.get(rule.app_id(head)).map(|app| &app.policy) {
        Some(Policy::Jwt(secrets)) => return judge_token(rule, head, secrets, now, scratch),
        Some(Policy::Open) if !rule.reject_open_apps => return Judgement { key: None, verdict: Ok(Verdict::Open) },
        Some(Policy::Open | Policy::Unusable) => Reason::AppUnusable,
        Some(Policy::Disabled) => Reason::AppDisabled,
        None => Reason::AppUnknown,
    };
    if let Ok(token) = unverified(rule, head, scratch) {
        // As much work as for a signature that fails, so that time doesn't tell which apps exist. Both keys are tried
        // whatever the first one says: anybody may sign with it.
        let _ = black_box([token.signed_by(&NOBODY), token.signed_by(&NOBODY)]);
    }
    Judgement { key: None, verdict: Err(refused) }
}

/// Stands in for keys that aren't there.
static NOBODY: LazyLock<HmacKey> = LazyLock::new(|| HmacKey::new(b"no app has this key"));

fn unverified<'r>(rule: &Rule, head: &Head<'r>, scratch: &mut Vec<u8>) -> Result<Unverified<'r>, Reason> {
    Parts::split(bearer::token(head.headers, rule.token.max_bytes)?)?.check_header(scratch)
}

fn judge_token<'b>(
    rule: &Rule,
    head: &Head<'_>,
    secrets: &Secrets,
    now: Now,
    scratch: &'b mut Vec<u8>,
) -> Judgement<'b> {
    let token = match unverified(rule, head, scratch) {
        Ok(token) => token,
        Err(reason) => return Judgement { key: None, verdict: Err(reason) },
    };
    let Some(key) = signer(&token, secrets, now) else {
        return Judgement { key: None, verdict: Err(Reason::SignatureInvalid) };
    };
    let verdict = token.claims(scratch).and_then(|claims| {
        check_who(&claims, rule.app_id(head), rule.token.require_user_claim)?;
        check_when(&claims, secrets.valid_after(), &rule.token, now.seconds())?;
        bind(rule, head, claims)
    });
    Judgement { key: Some(key), verdict: verdict.map(Verdict::Verified) }
}

/// Binds a good token's claims to what the head names.
fn bind<'b>(rule: &Rule, head: &Head<'_>, claims: Claims<'b>) -> Result<Verified<'b>, Reason> {
    let suspect_exp = claims.exp.is_some_and(|exp| exp >= SUSPECT_EXP);
    let Claims { user, app_user, customer, .. } = claims;
    let user = user.or(app_user);
    let subject = subject(rule.app_id(head), user.as_deref(), customer.as_deref());
    let mut binding = Binding::new(&subject, rule.vouch);
    rule.places.bind_head(head, &mut binding)?;
    let tally = binding.tally();
    if rule.places.body().is_none() {
        binding.finish()?;
    }
    Ok(Verified { user, customer, suspect_exp, tally })
}

/// The secret that signed a token. To find none costs two keys, also where there is one only: time doesn't tell which
/// apps change their secret.
fn signer(token: &Unverified<'_>, secrets: &Secrets, now: Now) -> Option<KeyUsed> {
    if token.signed_by(&secrets.current) {
        return Some(KeyUsed::Current);
    }
    let previous = secrets.previous().and_then(|previous| Some((previous, previous.key_at(now.0)?)));
    let signed = black_box(token.signed_by(previous.map_or(&NOBODY, |(_, key)| key)));
    let (previous, _) = previous.filter(|_| signed)?;
    previous.verified(now.0);
    Some(KeyUsed::Previous)
}

fn check_who(claims: &Claims<'_>, app_id: &str, require_user_claim: bool) -> Result<(), Reason> {
    match claims.app.as_deref() {
        None => return Err(Reason::ClaimsInvalid),
        Some(app) if app != app_id => return Err(Reason::AppMismatch),
        Some(_) => {}
    }
    let contradictory = matches!((&claims.user, &claims.app_user), (Some(a), Some(b)) if a != b);
    let nobody = claims.user.is_none() && claims.app_user.is_none() && claims.customer.is_none();
    if contradictory || (require_user_claim && nobody) { Err(Reason::ClaimsInvalid) } else { Ok(()) }
}

/// `exp` comes last, so that 40 means: good but for its age.
fn check_when(claims: &Claims<'_>, valid_after: Option<i64>, rules: &TokenRules, now: f64) -> Result<(), Reason> {
    if claims.nbf.is_some_and(|nbf| now + rules.leeway < nbf) {
        return Err(Reason::TokenNotYetValid);
    }
    if let Some(cut) = valid_after
        && claims.iat.is_none_or(|iat| iat < cut as f64)
    {
        return Err(Reason::TokenRevoked);
    }
    if let Some(longest) = rules.max_lifetime
        && claims.exp.is_none_or(|exp| exp > now + longest)
    {
        return Err(Reason::ClaimsInvalid);
    }
    match claims.exp {
        Some(exp) if now >= exp + rules.leeway => Err(Reason::TokenExpired),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
