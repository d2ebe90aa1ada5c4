//! Bodies as people write them, well and badly.

use serde_json::json;

use super::*;
use crate::apps::SecretEncoding;
use crate::profiles::rules::Rules;

fn read_json(body: Json) -> Result<Edit, Vec<Mistake>> {
    let Json::Object(members) = body else { panic!("an object") };
    let (edit, mistakes) = read(members);
    mistakes.or(edit)
}

/// `field: problem` of every mistake.
fn mistakes(body: Json) -> Vec<String> {
    let Err(mistakes) = read_json(body) else { return Vec::new() };
    mistakes.into_iter().map(|m| format!("{}: {}", m.field, m.problem)).collect()
}

const RULES: Rules = Rules { encoding: SecretEncoding::Raw, min_secret_bytes: 32 };

/// The mistakes of a document made of this body.
fn judged(body: Json) -> Vec<String> {
    let Json::Object(members) = body else { panic!("an object") };
    let (edit, mistakes) = read(members);
    let document = edit.applied_to(Document::default());
    let Err(mistakes) = RULES.check_also(&document, edit.names(), mistakes) else { return Vec::new() };
    mistakes.into_iter().map(|m| format!("{}: {}", m.field, m.problem)).collect()
}

#[test]
fn a_body_sets_what_it_names_and_takes_out_what_is_null() {
    let body = json!({
        "appId": "TR1", "jwt_secretkey": "s", "disabled": false, "previous_expires_at": "1970-01-01T00:00:01Z",
        "appName": "An app", "platform": {"fcm": ["a", 1, null]}, "tokens_valid_after": null,
    });
    let Ok(edit) = read_json(body) else { panic!("good") };
    let document = edit.applied_to(Document::default());
    assert!(document.get("appId") == Some(&Value::string("TR1")));
    assert!(document.get("disabled") == Some(&Value::Bool(false)));
    assert!(document.get("previous_expires_at") == Some(&Value::Date(1000)));
    assert_eq!(edit.unset, ["tokens_valid_after"]);
    let other = |name: &str| edit.set.iter().any(|(n, v)| n == name && matches!(v, Given::Other(_)));
    assert!(other("appName") && other("platform"));
}

#[test]
fn every_mistake_is_listed_and_no_value_is_quoted() {
    let found = mistakes(json!({
        "appId": "a b", "jwt_secretkey": 5, "jwtSecretKey": "hunter2", "disabled": "hunter2", "secret_encoding": "hex",
        "tokens_valid_after": "yesterday", "_id": 1, "profile_revision": 1, "$set": {}, "a.b": 1, "appName": [],
        "other": {"$gt": ""}, "jwt_secretkey_previous": "",
    }));
    let expected = [
        "$set: is no field name",
        "_id: is kept by the database",
        "a.b: is no field name",
        "appId: is no appId",
        "appName: is an array; it must be a string",
        "disabled: is another string; it must be true or false",
        "jwtSecretKey: looks like `jwt_secretkey` but isn't; write `jwt_secretkey`",
        "jwt_secretkey: is a number; it must be a string",
        "jwt_secretkey_previous: is empty",
        "other: holds a name that begins with `$`",
        "profile_revision: is kept by the database",
        "secret_encoding: is another string; it must be `raw` or `base64`",
        "tokens_valid_after: is another string; it must be an RFC 3339 date",
    ];
    let mut sorted = found.clone();
    sorted.sort();
    assert_eq!(sorted.len(), expected.len(), "{sorted:#?}");
    for (found, expected) in sorted.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found} / {expected}");
    }
    assert!(!found.concat().contains("hunter2"));
}

#[test]
fn what_the_database_cannot_keep_is_refused() {
    let deep = (0..30).fold(json!(1), |inner, _| json!([inner]));
    for value in [json!(u64::MAX), json!({"a": {"$b": 1}}), json!({"\0": 1}), deep] {
        assert_eq!(mistakes(json!({"other": value})).len(), 1, "{value}");
    }
    for value in [json!(i64::MAX), json!(1.5), json!({"a": {"b.c": [true, null]}}), json!("$x")] {
        assert_eq!(mistakes(json!({"other": value})).len(), 0, "{value}");
    }
}

#[test]
fn secrets_are_measured_as_the_keys_they_are() {
    let raw = |secret: &str| judged(json!({"appId": "A", "jwt_secretkey": secret}));
    assert_eq!(raw(&"x".repeat(32)), Vec::<String>::new());
    assert_eq!(raw(&"x".repeat(31)), ["jwt_secretkey: is too short: 31 bytes; use 32 or more"]);
    assert_eq!(raw(&"ü".repeat(16)), Vec::<String>::new());
    let base64 = |secret: &str| judged(json!({"appId": "A", "jwt_secretkey": secret, "secret_encoding": "base64"}));
    assert_eq!(base64(&"A".repeat(44)), Vec::<String>::new());
    assert_eq!(base64(&"A".repeat(32)), ["jwt_secretkey: is too short: 24 bytes; use 32 or more"]);
    assert_eq!(base64("not base64!"), ["jwt_secretkey: is not base64, as `secret_encoding` says it is"]);
}

#[test]
fn a_document_must_make_sense_as_a_whole() {
    let secret = "x".repeat(32);
    assert_eq!(judged(json!({"jwt_secretkey": secret})), ["appId: is missing"]);
    assert_eq!(
        judged(json!({"appId": "A", "jwt_secretkey_previous": secret, "previous_expires_at": "2030-01-01T00:00:00Z"})),
        ["jwt_secretkey_previous: stands without `jwt_secretkey`; take both out, or none"]
    );
    assert_eq!(
        judged(json!({"appId": "A", "jwt_secretkey": secret, "jwt_secretkey_previous": "short"})),
        ["jwt_secretkey_previous: is too short: 5 bytes; use 32 or more"]
    );
}

#[test]
fn mistakes_in_fields_and_in_the_whole_are_listed_together_one_a_field() {
    assert_eq!(
        judged(json!({"appId": 5, "jwt_secretkey": "short", "x.y": 1})),
        [
            "appId: is a number; it must be a string",
            "x.y: is no field name; use 1 to 64 of A-Z a-z 0-9 _ -, a letter or _ first",
            "jwt_secretkey: is too short: 5 bytes; use 32 or more",
        ]
    );
}

#[test]
fn a_short_secret_that_stands_already_does_not_keep_other_fields_from_changing() {
    let mut document = Document::default();
    document.set("appId", Value::string("A"));
    document.set("jwt_secretkey", Value::string("short"));
    assert_eq!(RULES.check(&document, ["disabled"].into_iter()), Ok(()));
    assert!(RULES.check(&document, ["jwt_secretkey"].into_iter()).is_err());
}
