//! This crate's own pass over a token against `jsonwebtoken`, on generated and mutated tokens.
//!
//! What is accepted here, `jsonwebtoken` accepts too, and reads the same app and user in it. Where it accepts more, a
//! named row of [`STRICTER`] says why. Where it accepts less, a named row of [`LOOSER`] does. A disagreement that no
//! row explains is a bug; a row that no generated token shows is one in this test.

use std::cell::RefCell;
use std::collections::BTreeMap;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use rtms_gateway::auth::provider;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::core::Core;
use crate::support::tokens::{self, now};
use crate::support::{APP, SECRET, USER};

/// All members of a JSON object, also those that occur twice.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

impl Members {
    fn all(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value)
    }

    fn repeats(&self) -> bool {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// A claim that names somebody: `""` and null are absence.
    fn named(&self, name: &str) -> Option<&str> {
        self.all(name).find_map(Value::as_str).filter(|text| !text.is_empty())
    }
}

/// Rules by which this gateway refuses tokens that `jsonwebtoken` takes: header and claims in, whether it applies.
type Rule = fn(&Members, &Members) -> bool;
const STRICTER: [(&str, Rule); 10] = [
    ("a header member that changes what is signed", |header, _| {
        ["crit", "b64", "zip", "enc"].iter().any(|name| header.all(name).next().is_some())
    }),
    ("a header member twice", |header, _| header.repeats()),
    ("a claim twice", |_, claims| claims.repeats()),
    ("a claim that names somebody and is no string", |_, claims| {
        let odd = |value: &Value| !(value.is_string() || value.is_null());
        NAMES.iter().any(|name| claims.all(name).any(odd))
    }),
    ("a control character in a name", |_, claims| {
        let control = |value: &Value| value.as_str().is_some_and(|text| text.chars().any(char::is_control));
        NAMES.iter().any(|name| claims.all(name).any(control))
    }),
    ("no app", |_, claims| claims.named("appId").is_none()),
    ("another app", |_, claims| claims.named("appId").is_some_and(|app| app != APP)),
    ("nobody", |_, claims| NAMES[1..].iter().all(|name| claims.named(name).is_none())),
    (
        "two users",
        |_, claims| matches!((claims.named("userId"), claims.named("appUserId")), (Some(a), Some(b)) if a != b),
    ),
    ("a time that is no number from zero up", |_, claims| {
        let odd = |value: &Value| !value.is_number() || value.to_string().starts_with('-');
        ["exp", "nbf", "iat"].iter().any(|name| claims.all(name).any(odd))
    }),
];
/// Rules by which `jsonwebtoken` refuses tokens that this gateway takes.
const LOOSER: [(&str, Rule); 2] = [
    ("a header member that nothing looks at has an odd type", |header, _| {
        let odd = |value: &Value| !value.is_string();
        ["typ", "cty", "kid", "jku", "x5u", "jwk", "x5c"].iter().any(|name| header.all(name).any(odd))
    }),
    ("a time with a fraction, an exponent or more than 64 bits", |_, claims| {
        let long = |value: &Value| value.as_u64().is_none();
        ["exp", "nbf"].iter().any(|name| claims.all(name).any(long))
    }),
];
const NAMES: [&str; 4] = ["appId", "userId", "appUserId", "customerId"];

fn members(token: &str, part: usize) -> Option<Members> {
    use base64::Engine as _;
    let part = token.split('.').nth(part)?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn theirs(token: &str) -> Option<Value> {
    let mut rules = Validation::new(Algorithm::HS256);
    rules.required_spec_claims.clear();
    rules.leeway = 0;
    rules.validate_nbf = true;
    rules.validate_aud = false;
    jsonwebtoken::decode::<Value>(token, &DecodingKey::from_secret(SECRET.as_bytes()), &rules)
        .ok()
        .map(|data| data.claims)
}

/// One text of a JSON object out of members in any order.
fn object(members: &[(&str, &str)]) -> String {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn header() -> impl Strategy<Value = String> {
    let odd = select(vec![
        ("typ", r#""JWT""#),
        ("typ", "7"),
        ("typ", "null"),
        ("cty", r#""JWT""#),
        ("kid", r#""../x""#),
        ("kid", "1"),
        ("jku", r#""http://x""#),
        ("x5u", "[]"),
        ("jwk", r#"{"kty":"oct","k":"AA"}"#),
        ("crit", "[]"),
        ("crit", r#"["exp"]"#),
        ("b64", "false"),
        ("zip", r#""DEF""#),
        ("enc", r#""A128GCM""#),
        ("x", "1"),
        ("x", "[[1]]"),
        (r"\u0078", "2"),
        ("alg", r#""HS256""#),
        ("alg", r#""none""#),
        (r"\u0061lg", r#""HS256""#),
    ]);
    let algorithm = prop_oneof![
        12 => Just(("alg", r#""HS256""#)),
        1 => select(vec![("alg", r#""none""#), ("alg", r#""HS512""#), ("alg", "null"), ("alg", r#""hs256""#), ("x", "0")]),
    ];
    (algorithm, proptest::collection::vec(odd, 0..3), any::<bool>()).prop_map(|(algorithm, mut rest, last)| {
        rest.insert(if last { rest.len() } else { 0 }, algorithm);
        object(&rest)
    })
}

fn claims() -> impl Strategy<Value = String> {
    let text = |text: &str| format!("\"{text}\"");
    let names = [
        text(USER),
        text(""),
        text("other"),
        text(r"a\r\nX: y"),
        text(r"\u0061"),
        "null".into(),
        "7".into(),
        "[]".into(),
    ];
    let times = [0, 1_584_525_821, now(-3600), now(3600), 99_999_999_999, -1].map(|n| n.to_string());
    let odd = ["1e400", "1.5e9", "99999999999.5", "1e12", "\"1\"", "null", "[]", "-0", "true", "18446744073709551616"];
    let times: Vec<String> = times.into_iter().chain(odd.map(str::to_owned)).collect();
    let who = (select(vec!["userId", "appUserId", "customerId", r"user\u0049d", "USERID"]), select(names.to_vec()));
    let when = (select(vec!["exp", "nbf", "iat", r"\u0065xp"]), select(times));
    let odd = select(vec![
        ("appId", text("TR_OTHER")),
        ("appId", text(APP)),
        ("appId", "7".into()),
        ("x", "1".into()),
        ("x", "{}".into()),
        ("x", r#"{"x":1,"x":2}"#.into()),
    ]);
    let app =
        prop_oneof![12 => Just(text(APP)), 1 => select(vec![text("TR_OTHER"), text(""), "null".into(), "[]".into()])];
    let good = any::<bool>().prop_map(move |good| good.then(|| ("userId", text(USER))));
    let rest = proptest::collection::vec(prop_oneof![3 => who, 3 => when, 1 => odd], 0..4);
    (app, good, rest).prop_map(|(app, good, rest)| {
        let members: Vec<(&str, String)> = [("appId", app)].into_iter().chain(good).chain(rest).collect();
        object(&members.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>())
    })
}

/// A token, now and then damaged after it was signed.
fn token() -> impl Strategy<Value = String> {
    let secret = prop_oneof![20 => Just(SECRET), 1 => select(vec!["", "another secret", "k"])];
    let damage = prop_oneof![
        6 => Just(None),
        1 => (any::<prop::sample::Index>(), select("AZaz09-_=.+/ {\"".chars().collect::<Vec<_>>()), 0..3).prop_map(Some),
    ];
    (header(), claims(), secret, damage).prop_map(|(header, claims, secret, damage)| {
        let mut token = tokens::claims(claims).header(header).secret(secret).mint();
        if let Some((at, letter, how)) = damage {
            let at = at.index(token.len());
            match how {
                0 => token.insert(at, letter),
                1 => drop(token.remove(at)),
                _ => token.replace_range(at..=at, letter.encode_utf8(&mut [0; 4])),
            }
        }
        token
    })
}

/// What the tokens of a run showed.
#[derive(Default)]
struct Shown {
    both_took: usize,
    both_refused: usize,
    /// How often a rule alone explained a disagreement.
    alone: BTreeMap<&'static str, usize>,
}

impl Shown {
    fn compare(&mut self, core: &Core, token: &str) -> Result<(), TestCaseError> {
        let ours = core.judge(crate::support::plain(APP).as_bytes(), token, b"");
        let rules: &[(&'static str, Rule)] = match (&ours, theirs(token)) {
            (Ok(ours), Some(claims)) => {
                self.both_took += 1;
                prop_assert_eq!(&claims["appId"], APP, "{}", token);
                let user = |name: &str| claims[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
                prop_assert_eq!(&ours.user, &user("userId").or(user("appUserId")), "{}", token);
                return Ok(());
            }
            (Err(_), None) => {
                self.both_refused += 1;
                return Ok(());
            }
            (Err(_), Some(_)) => &STRICTER,
            (Ok(_), None) => &LOOSER,
        };
        let (Some(header), Some(claims)) = (members(token, 0), members(token, 1)) else {
            return Err(TestCaseError::fail(format!("{token}: {ours:?}, and nobody else can read it")));
        };
        let named: Vec<&str> = rules.iter().filter(|(_, rule)| rule(&header, &claims)).map(|(name, _)| *name).collect();
        prop_assert!(!named.is_empty(), "no rule explains {token}: {ours:?}, {:?} {:?}", header.0, claims.0);
        if let [(only, _)] = rules.iter().filter(|(name, _)| named.contains(name)).collect::<Vec<_>>().as_slice() {
            *self.alone.entry(*only).or_default() += 1;
        }
        Ok(())
    }
}

#[test]
fn every_disagreement_with_jsonwebtoken_has_a_name() {
    const CASES: u32 = 20_000;
    provider::install();
    let core = Core::new();
    let shown = RefCell::new(Shown::default());
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&token(), |token| shown.borrow_mut().compare(&core, &token));
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let Shown { both_took, both_refused, alone } = shown.into_inner();
    println!("{CASES} tokens: {both_took} taken by both, {both_refused} refused by both; explained alone: {alone:#?}");
    for (name, _) in STRICTER.iter().chain(&LOOSER) {
        assert!(alone.contains_key(name), "no token showed this rule alone: {name}");
    }
}
