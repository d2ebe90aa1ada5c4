//! What a verdict costs: who is turned away with 38 must not learn from the time why.

use std::time::{Duration, Instant};

use super::*;
use crate::auth::token::VERIFIED;

/// Everything that an attacker without a secret can meet.
fn strangers() -> Vec<(&'static str, Case)> {
    let stranger = |document: fn(Case) -> Case| {
        let mut case = document(case());
        case.secret = "nobodys-secret-0123456789-0123456789";
        // Nearly as long as a token may be: the longer it is, the more there is to see.
        case.claims(&format!(r#""x":"{}""#, "x".repeat(5900)))
    };
    let previous = |case: Case, until| {
        case.set("jwt_secretkey_previous", Value::string(OLD)).set("previous_expires_at", Value::Date(until))
    };
    let mut cases = vec![
        ("a wrong signature", stranger(|case| case)),
        ("an app whose secret changed lately", previous(stranger(|case| case), i64::MAX)),
        ("an app whose secret changed long ago", previous(stranger(|case| case), 1)),
        ("a disabled app", stranger(|case| case.set("disabled", Value::Bool(true)))),
        ("an unusable app", stranger(|case| case.set("jwtSecretKey", Value::string("typo")))),
        ("an open app where that is refused", {
            stranger(|case| case.set("jwt_secretkey", Value::Null).rule(|rule| rule.reject_open_apps = true))
        }),
    ];
    let mut unknown = stranger(|case| case);
    unknown.path = "/TR99999999/x".into();
    cases.push(("an unknown app", unknown));
    cases
}

/// The judgement's own time, and the bytes it computed a signature of.
fn cost(case: &Case) -> (Duration, usize) {
    VERIFIED.set(0);
    let started = Instant::now();
    let verdict = case.judge();
    let elapsed = started.elapsed();
    assert_eq!(verdict.unwrap_err().code().as_str(), "38");
    (elapsed, VERIFIED.get())
}

#[test]
fn whoever_has_no_secret_costs_the_same_work_whatever_the_app_is() {
    for (name, case) in strangers() {
        let signed = case.token().rfind('.').unwrap();
        assert!(signed > 7900, "{name}: {signed}");
        assert_eq!(cost(&case).1, 2 * signed, "{name}");
    }
}

#[test]
fn the_key_that_stands_in_for_a_missing_one_opens_nothing_and_saves_no_work() {
    for (name, mut case) in strangers() {
        case.secret = "no app has this key";
        let signed = case.token().rfind('.').unwrap();
        assert_eq!(cost(&case).1, 2 * signed, "{name}");
    }
}

#[test]
fn what_is_no_token_costs_nothing_whatever_the_app_is() {
    for authorization in ["Bearer x", "Basic x", "Bearer a.b.c", "Bearer e30.e30.e30"] {
        for (name, mut case) in strangers() {
            case.authorization = Some(authorization.into());
            assert_eq!(cost(&case).1, 0, "{name}: {authorization}");
        }
    }
}

#[test]
fn whoever_has_no_secret_waits_as_long_whatever_the_app_is() {
    let cases = strangers();
    // The same request each time: what is made anew for a case is made by all of them.
    let cases: Vec<_> = cases.into_iter().map(|(name, case)| (name, prepared(case))).collect();
    let mut best = vec![Duration::MAX; cases.len()];
    // One key more or less would be a factor of two.
    let alike = |best: &[Duration]| best.iter().max() < best.iter().min().map(|least| *least * 3 / 2).as_ref();
    // Taking turns, and the best of each: what else the machine does hits all alike. On a busy machine the best takes
    // its time to come; a difference that is there doesn't go away.
    for round in 0..1000 {
        if round > 40 && alike(&best) {
            break;
        }
        for ((_, case), best) in cases.iter().zip(&mut best) {
            *best = (*best).min(cost(case).0);
        }
    }
    let named: Vec<_> = cases.iter().map(|(name, _)| name).zip(&best).collect();
    assert!(alike(&best), "{named:?}");
}

/// With its token minted.
fn prepared(mut case: Case) -> Case {
    case.authorization = Some(format!("Bearer {}", case.token()));
    case
}
