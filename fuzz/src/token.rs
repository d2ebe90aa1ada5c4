//! A token on its way through the judgement, in one of three forms of input:
//!
//! - two texts with a line feed between them: a token's header and claims, which are encoded and signed as they are, so
//!   that what is tried gets past the signature;
//! - a line that ends in `.*`: a value for the Authorization header in which the star stands for the right signature, for
//!   odd spellings of the two parts;
//! - any other line: a value for the Authorization header.
//!
//! What is accepted, `jsonwebtoken` accepts too, and it reads the same claims, each of them once; what is refused for its
//! signature or its algorithm, `jsonwebtoken` refuses too. Time is fixed, and compared apart.

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Method, header};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rtms_gateway::apps::key::HmacKey;
use rtms_gateway::apps::{Apps, DocId, Document, SecretEncoding, Snapshot, Value};
use rtms_gateway::auth::binding::Vouch;
use rtms_gateway::auth::decision::{self, Judgement, Now, Rule, TokenRules, Verdict, Verified};
use rtms_gateway::auth::provider;
use rtms_gateway::auth::token::{Claims, Parts};
use rtms_gateway::reason::Reason;
use rtms_gateway::request::identities::{Head, Places};
use rtms_gateway::routing::{Captures, MethodSet, RouteTable, Template};

use super::json::{Json, Refused, same_number};

const APP: &str = "TR21063826";
const SECRET: &[u8] = b"a-secret-for-tests-with-more-than-32-bytes";
const PATH: &str = "/TR21063826";
/// The wall clock, seconds since the epoch.
const NOW: f64 = 1_800_000_000.0;
/// The same in milliseconds.
const NOW_MILLISECONDS: i64 = 1_800_000_000_000;

/// One app behind one route.
struct Gateway {
    rule: Rule,
    captures: Captures,
    apps: Arc<Snapshot>,
    key: HmacKey,
    reference: (DecodingKey, Validation),
}

static GATEWAY: LazyLock<Gateway> = LazyLock::new(|| {
    provider::install();
    let template = Template::parse("/{appId}").expect("a template");
    let table = RouteTable::build(vec![(template, MethodSet::default())]).expect("one route");
    let captures = table.find(PATH, &Method::POST).expect("the route").captures;
    let mut document = Document::default();
    document.set("appId", Value::string(APP));
    document.set("jwt_secretkey", Value::string(std::str::from_utf8(SECRET).expect("text")));
    let mut apps = Apps::new(SecretEncoding::Raw);
    apps.upsert(&DocId::from_bytes(b"one"), &document);
    apps.publish();
    let token = TokenRules { max_bytes: 8192, leeway: 0.0, max_lifetime: None, require_user_claim: true };
    let rule = Rule { app: 0, places: Places::default(), vouch: Vouch::All, reject_open_apps: true, token };
    let mut rules = Validation::new(Algorithm::HS256);
    rules.required_spec_claims.clear();
    (rules.validate_exp, rules.validate_aud) = (false, false);
    let reference = (DecodingKey::from_secret(SECRET), rules);
    Gateway { rule, captures, apps: apps.published().load_full(), key: HmacKey::new(SECRET), reference }
});

/// Tries one input.
pub fn run(input: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(&authorization(input)) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, value.clone());
    let gateway = &*GATEWAY;
    let head = Head { path: PATH, captures: &gateway.captures, query: None, headers: &headers };
    let mut scratch = Vec::new();
    let now = Now(NOW_MILLISECONDS);
    let Judgement { key, verdict } = decision::judge(&gateway.rule, &head, &gateway.apps, now, &mut scratch);
    let token = value.to_str().ok().and_then(|value| value.split_once(' ')).map(|(_, token)| token);
    match verdict {
        Ok(Verdict::Open) => panic!("the app has a secret"),
        Ok(Verdict::Verified(verified)) => {
            assert!(key.is_some(), "a key accepted it");
            check_accepted(token.expect("a scheme and a token"), &verified);
        }
        Err(Reason::SignatureInvalid | Reason::AlgorithmNotAllowed) => {
            assert!(token.is_none_or(|token| theirs(token).is_err()), "good to `jsonwebtoken`");
        }
        Err(Reason::TokenExpired) => {
            let Some(claims) = reading(token.expect("a scheme and a token"), 1) else { return };
            assert!(claims.one("exp").and_then(Json::number).is_some_and(|exp| exp <= NOW), "{claims:?}");
        }
        Err(_) => {}
    }
}

/// The Authorization header of an input.
fn authorization(input: &[u8]) -> Vec<u8> {
    let sign = |signed: &[u8]| URL_SAFE_NO_PAD.encode(GATEWAY.key.sign(signed));
    if let Some(at) = input.iter().position(|b| *b == b'\n') {
        let (header, claims) = (&input[..at], &input[at + 1..]);
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        return format!("Bearer {signed}.{}", sign(signed.as_bytes())).into_bytes();
    }
    match input.strip_suffix(b".*") {
        Some(value) => {
            let start = value.iter().position(|b| *b == b' ').map_or(0, |at| at + 1);
            [value, b".", sign(&value[start..]).as_bytes()].concat()
        }
        None => input.to_vec(),
    }
}

fn theirs(token: &str) -> Result<Json, jsonwebtoken::errors::Error> {
    let (key, rules) = &GATEWAY.reference;
    jsonwebtoken::decode::<Json>(token, key, rules).map(|data| data.claims)
}

/// A part of a good token as `serde_json` reads it; `None` where that holds a number out of its range.
fn reading(token: &str, part: usize) -> Option<Json> {
    let part = token.split('.').nth(part).expect("three parts");
    match Json::read(&URL_SAFE_NO_PAD.decode(part).expect("base64url")) {
        Ok(json @ Json::Object(_)) => Some(json),
        Err(Refused::Range | Refused::Depth) => None,
        Err(Refused::Malformed(error)) => panic!("`serde_json` refuses it: {error}"),
        Ok(other) => panic!("no object: {other:?}"),
    }
}

fn check_accepted(token: &str, verified: &Verified<'_>) {
    let (Some(header), Some(claims)) = (reading(token, 0), reading(token, 1)) else { return };
    match theirs(token) {
        Ok(theirs) => assert_eq!(theirs, claims),
        Err(error) => assert!(is_looser(&header, &claims), "{error}: {header:?} {claims:?}"),
    }
    assert_eq!(header.one("alg"), Some(&Json::Text("HS256".into())));
    for name in ["crit", "b64", "zip", "enc"] {
        assert!(header.one(name).is_none(), "{name}");
    }
    let text = |name: &str| claims.one(name).and_then(Json::text);
    let time = |name: &str| claims.one(name).map(|value| value.number().expect("a number"));
    assert_eq!(text("appId"), Some(APP));
    assert_eq!(verified.user.as_deref(), text("userId").or(text("appUserId")));
    assert_eq!(verified.customer.as_deref(), text("customerId"));
    assert!(verified.user.is_some() || verified.customer.is_some());
    assert!(time("exp").is_none_or(|exp| exp > NOW) && time("nbf").is_none_or(|nbf| nbf <= NOW), "{claims:?}");
    check_claims(token, &claims);
}

/// Claims that only this gateway takes: `jsonwebtoken` gives a type to members that nothing here looks at.
fn is_looser(header: &Json, claims: &Json) -> bool {
    let odd = |value: &Json| !matches!(value, Json::Text(_));
    let strings = ["typ", "cty", "kid", "jku", "x5u", "x5t", "x5t#S256", "url", "nonce"];
    strings.iter().any(|name| header.all(name).any(odd))
        || ["jwk", "x5c"].iter().any(|name| header.one(name).is_some())
        || ["sub", "iss", "aud"].iter().any(|name| claims.all(name).any(odd))
}

/// Every claim that is looked at, also those that no verdict shows.
fn check_claims(token: &str, theirs: &Json) {
    let mut scratch = Vec::new();
    let unverified = Parts::split(token).and_then(|parts| parts.check_header(&mut scratch)).expect("accepted before");
    let Claims { app, user, app_user, customer, exp, nbf, iat } = unverified.claims(&mut scratch).expect("as before");
    for (name, ours) in [("appId", app), ("userId", user), ("appUserId", app_user), ("customerId", customer)] {
        assert_eq!(ours.as_deref(), theirs.one(name).and_then(Json::text), "{name}");
        assert!(!ours.is_some_and(|text| text.contains(char::is_control)), "a control character in {name}");
    }
    for (name, ours) in [("exp", exp), ("nbf", nbf), ("iat", iat)] {
        let theirs = theirs.one(name).and_then(Json::number);
        let same = match (ours, theirs) {
            (Some(ours), Some(theirs)) => same_number(ours, theirs) && ours >= 0.0,
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        assert!(same, "{name}: {ours:?} {theirs:?}");
    }
}
