//! The whole judgement of a head, on plain values.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Method};

use super::*;
use crate::apps::{Apps, DocId, Document, SecretEncoding, Value};
use crate::request::identities::{Kind, Place};
use crate::routing::{MethodSet, RouteTable, Template};

const APP: &str = "TR21063826";
const SECRET: &str = "the-secret-of-the-app-0123456789abcdef";
const OLD: &str = "the-secret-before-it-0123456789abcdef";
const NOW: i64 = 1_700_000_000;

mod work;

/// A judgement to be made, with everything about it good unless changed.
struct Case {
    document: Document,
    rule: Rule,
    template: &'static str,
    path: String,
    query: Option<String>,
    claims: String,
    secret: &'static str,
    authorization: Option<String>,
    now_ms: i64,
}

fn case() -> Case {
    let mut document = Document::default();
    document.set("appId", Value::string(APP));
    document.set("jwt_secretkey", Value::string(SECRET));
    let token = TokenRules { max_bytes: 8192, leeway: 0.0, max_lifetime: None, require_user_claim: true };
    Case {
        document,
        rule: Rule { app: 0, places: Places::default(), vouch: Vouch::All, reject_open_apps: false, token },
        template: "/{appId}/{rest*}",
        path: format!("/{APP}/x"),
        query: None,
        claims: format!(r#"{{"appId":"{APP}","userId":"u"}}"#),
        secret: SECRET,
        authorization: None,
        now_ms: NOW * 1000,
    }
}

impl Case {
    fn set(mut self, field: &str, value: Value) -> Self {
        self.document.set(field, value);
        self
    }

    fn claims(mut self, more: &str) -> Self {
        self.claims = format!(r#"{{"appId":"{APP}","userId":"u",{more}}}"#);
        self
    }

    fn raw_claims(mut self, claims: &str) -> Self {
        self.claims = claims.to_owned();
        self
    }

    fn rule(mut self, change: impl FnOnce(&mut Rule)) -> Self {
        change(&mut self.rule);
        self
    }

    fn place(mut self, kind: Kind, place: &str) -> Self {
        let template = Template::parse(self.template).unwrap();
        self.rule.places = Places::build(&template, &[(kind, Place::parse(place).unwrap())]).unwrap();
        self
    }

    fn token(&self) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", part(r#"{"alg":"HS256","typ":"JWT"}"#), part(&self.claims));
        let tag = HmacKey::new(self.secret.as_bytes()).sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    fn judge(&self) -> Result<String, Reason> {
        let template = Template::parse(self.template).unwrap();
        let table = RouteTable::build(vec![(template, MethodSet::default())]).unwrap();
        let captures = table.find(&self.path, &Method::POST)?.captures;
        let mut headers = HeaderMap::new();
        let authorization = self.authorization.clone().unwrap_or_else(|| format!("Bearer {}", self.token()));
        if !authorization.is_empty() {
            headers.insert("authorization", HeaderValue::from_str(&authorization).unwrap());
        }
        let query = self.query.as_deref().map(str::as_bytes);
        let head = Head { path: &self.path, captures: &captures, query, headers: &headers };
        let mut apps = Apps::new(SecretEncoding::Raw);
        apps.upsert(&DocId::from_bytes(b"1"), &self.document);
        apps.publish();
        let mut scratch = Vec::new();
        let judgement = judge(&self.rule, &head, &apps.published().load(), Now(self.now_ms), &mut scratch);
        let key = judgement.key;
        Ok(match judgement.verdict? {
            Verdict::Open => "open".to_owned(),
            Verdict::Verified(v) => {
                let suspect = if v.suspect_exp { " suspect" } else { "" };
                format!("{:?} {} {}{suspect}", key.unwrap(), v.user.unwrap_or_default(), v.customer.unwrap_or_default())
            }
        })
    }
}

#[test]
fn a_good_token_passes_with_its_claims() {
    assert_eq!(case().judge(), Ok("Current u ".into()));
    assert_eq!(case().claims(r#""customerId":"c""#).judge(), Ok("Current u c".into()));
    let other_name = case().raw_claims(&format!(r#"{{"appId":"{APP}","appUserId":"v","userId":""}}"#));
    assert_eq!(other_name.judge(), Ok("Current v ".into()));
}

#[test]
fn an_app_without_a_secret_passes_whatever_authorization_says() {
    let mut open = case().set("jwt_secretkey", Value::Null);
    assert_eq!(open.judge(), Ok("open".into()));
    open.authorization = Some("Basic nonsense".into());
    assert_eq!(open.judge(), Ok("open".into()));
    assert_eq!(open.rule(|r| r.reject_open_apps = true).judge(), Err(Reason::AppUnusable));
}

#[test]
fn an_app_that_is_unknown_disabled_or_unusable_is_refused_before_its_token_is_looked_at() {
    for authorization in [None, Some(String::new()), Some("Bearer x".to_owned())] {
        let mut unknown = case();
        unknown.path = "/TR210638260/x".into();
        unknown.authorization.clone_from(&authorization);
        assert_eq!(unknown.judge(), Err(Reason::AppUnknown));
        let mut disabled = case().set("disabled", Value::Bool(true));
        disabled.authorization.clone_from(&authorization);
        assert_eq!(disabled.judge(), Err(Reason::AppDisabled));
        let mut unusable = case().set("jwtSecretKey", Value::string("typo"));
        unusable.authorization.clone_from(&authorization);
        assert_eq!(unusable.judge(), Err(Reason::AppUnusable));
    }
    let mut other_case = case();
    other_case.path = format!("/{}/x", APP.to_lowercase());
    assert_eq!(other_case.judge(), Err(Reason::AppUnknown));
}

#[test]
fn without_a_token_39_and_with_a_foreign_signature_38() {
    let mut missing = case();
    missing.authorization = Some(String::new());
    assert_eq!(missing.judge(), Err(Reason::TokenMissing));
    let mut foreign = case();
    foreign.secret = OLD;
    assert_eq!(foreign.judge(), Err(Reason::SignatureInvalid));
    let mut long = case();
    long.rule.token.max_bytes = long.token().len() - 1;
    assert_eq!(long.judge(), Err(Reason::TokenMalformed));
}

#[test]
fn the_previous_secret_verifies_until_its_date_and_no_longer() {
    let rotated = |now_ms| {
        let mut case = case()
            .set("jwt_secretkey_previous", Value::string(OLD))
            .set("previous_expires_at", Value::Date(NOW * 1000 + 500));
        case.secret = OLD;
        case.now_ms = now_ms;
        case.judge()
    };
    assert_eq!(rotated(NOW * 1000 + 499), Ok("Previous u ".into()));
    assert_eq!(rotated(NOW * 1000 + 500), Err(Reason::SignatureInvalid));
    let mut dateless = case().set("jwt_secretkey_previous", Value::string(OLD));
    dateless.secret = OLD;
    assert_eq!(dateless.judge(), Err(Reason::SignatureInvalid));
}

#[test]
fn claims_must_name_the_paths_app_and_somebody_in_it() {
    let raw = |claims: &str| case().raw_claims(claims).judge();
    assert_eq!(raw(r#"{"userId":"u"}"#), Err(Reason::ClaimsInvalid));
    assert_eq!(raw(r#"{"appId":"","userId":"u"}"#), Err(Reason::ClaimsInvalid));
    assert_eq!(raw(r#"{"appId":"TR1","userId":"u"}"#), Err(Reason::AppMismatch));
    let nobody = case().raw_claims(&format!(r#"{{"appId":"{APP}","userId":null}}"#));
    assert_eq!(nobody.judge(), Err(Reason::ClaimsInvalid));
    assert_eq!(nobody.rule(|r| r.token.require_user_claim = false).judge(), Ok("Current  ".into()));
    let two = |a: &str, b: &str| raw(&format!(r#"{{"appId":"{APP}","userId":"{a}","appUserId":"{b}"}}"#));
    assert_eq!(two("u", "u"), Ok("Current u ".into()));
    assert_eq!(two("u", "v"), Err(Reason::ClaimsInvalid));
}

#[test]
fn expiry_counts_from_the_second_it_names_and_leeway_extends_it() {
    let at = |ms: i64, leeway: f64| {
        let mut case = case().claims(&format!(r#""exp":{NOW}"#)).rule(|r| r.token.leeway = leeway);
        case.now_ms = NOW * 1000 + ms;
        case.judge().map(drop)
    };
    assert_eq!(at(-1, 0.0), Ok(()));
    assert_eq!(at(0, 0.0), Err(Reason::TokenExpired));
    assert_eq!(at(1999, 2.0), Ok(()));
    assert_eq!(at(2000, 2.0), Err(Reason::TokenExpired));
}

#[test]
fn forty_means_good_but_for_its_age() {
    let expired = r#""exp":1"#;
    let mut foreign = case().claims(expired);
    foreign.secret = OLD;
    assert_eq!(foreign.judge(), Err(Reason::SignatureInvalid));
    assert_eq!(case().claims(&format!(r#"{expired},"nbf":{}"#, NOW + 1)).judge(), Err(Reason::TokenNotYetValid));
    let revoked = case().claims(expired).set("tokens_valid_after", Value::Date(NOW * 1000));
    assert_eq!(revoked.judge(), Err(Reason::TokenRevoked));
    assert_eq!(case().raw_claims(r#"{"appId":"other","userId":"u","exp":1}"#).judge(), Err(Reason::AppMismatch));
    assert_eq!(case().claims(expired).judge(), Err(Reason::TokenExpired));
}

#[test]
fn not_before_is_in_force_from_its_second_with_leeway() {
    let at = |nbf: i64, leeway: f64| {
        case().claims(&format!(r#""nbf":{nbf}"#)).rule(|r| r.token.leeway = leeway).judge().map(drop)
    };
    assert_eq!(at(NOW, 0.0), Ok(()));
    assert_eq!(at(NOW + 1, 0.0), Err(Reason::TokenNotYetValid));
    assert_eq!(at(NOW + 2, 2.0), Ok(()));
}

#[test]
fn revocation_takes_every_token_issued_before_its_second_or_without_iat() {
    let issued = |claims: &str| case().claims(claims).set("tokens_valid_after", Value::Date(NOW * 1000 - 900)).judge();
    assert_eq!(issued(&format!(r#""iat":{NOW}"#)).map(drop), Ok(()));
    assert_eq!(issued(&format!(r#""iat":{}"#, NOW - 1)), Err(Reason::TokenRevoked));
    assert_eq!(issued(&format!(r#""iat":{}.5"#, NOW - 1)), Err(Reason::TokenRevoked));
    assert_eq!(issued(r#""x":1"#), Err(Reason::TokenRevoked));
}

#[test]
fn a_longest_lifetime_needs_an_exp_within_it() {
    let with = |claims: &str| case().claims(claims).rule(|r| r.token.max_lifetime = Some(60.0)).judge().map(drop);
    assert_eq!(with(&format!(r#""exp":{}"#, NOW + 60)), Ok(()));
    assert_eq!(with(&format!(r#""exp":{}"#, NOW + 61)), Err(Reason::ClaimsInvalid));
    assert_eq!(with(r#""x":1"#), Err(Reason::ClaimsInvalid));
}

#[test]
fn an_expiry_in_milliseconds_is_accepted_and_marked() {
    assert_eq!(case().claims(r#""exp":1584525821000"#).judge(), Ok("Current u  suspect".into()));
}

#[test]
fn what_the_head_names_is_bound_and_a_token_for_the_whole_app_speaks_for_all() {
    let mut named = case().place(Kind::UserId, "query.userId");
    named.query = Some("userId=u".into());
    assert!(named.judge().is_ok());
    named.query = Some("userId=v".into());
    assert_eq!(named.judge(), Err(Reason::UserMismatch));
    let whole = named.raw_claims(&format!(r#"{{"appId":"{APP}"}}"#)).rule(|r| r.token.require_user_claim = false);
    assert!(whole.judge().is_ok());
    let customer = case().raw_claims(&format!(r#"{{"appId":"{APP}","customerId":"c"}}"#));
    let mut customer = customer.place(Kind::UserId, "query.userId");
    customer.query = Some("userId=v".into());
    assert_eq!(customer.judge(), Err(Reason::UserMismatch));
}
