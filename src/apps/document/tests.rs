use super::*;

#[test]
fn packing_keeps_every_kind_of_field() {
    let mut document = Document::default();
    document.set("appId", Value::string("TR1"));
    document.set("jwt_secretkey", Value::Other(Type::Binary));
    document.set("disabled", Value::Bool(true));
    document.set("tokens_valid_after", Value::Date(-5));
    document.set("previous_expires_at", Value::BadDate);
    document.set("secret_encoding", Value::Null);
    document.set("jwtSecretKey", Value::string("x"));
    document.set("appName", Value::string("ignored"));
    document.set("jwt_secretkey_previous", Value::string(&"long".repeat(100)));
    let again = document.pack().unpack();
    assert_eq!(again.look_alike(), Some(("jwtSecretKey", "jwt_secretkey")));
    assert_eq!(again.fields.len(), 8);
    assert!(document.fields.iter().all(|field| again.fields.contains(field)));
    let mut reversed = document.clone();
    reversed.fields.reverse();
    assert_eq!(reversed.pack().bytes(), document.pack().bytes());
}

#[test]
fn setting_twice_keeps_the_last_and_unset_forgets() {
    let mut document = Document::default();
    document.set("disabled", Value::Bool(true));
    document.set("disabled", Value::Bool(false));
    assert!(document.get("disabled") == Some(&Value::Bool(false)));
    document.unset("disabled");
    assert!(document.get("disabled").is_none());
    document.set("app_id", Value::string("x"));
    document.unset("app_id");
    assert!(document.look_alike().is_none());
}

#[test]
fn every_spelling_of_our_names_is_seen_and_no_other_name() {
    for typo in ["jwtSecretKey", "JWT_SECRETKEY", "jwt_secret_key", "AppId", "app_id", "DISABLED", "tokensValidAfter"] {
        assert!(matches!(Name::classify(typo), Some(Name::LookAlike(..))), "{typo}");
    }
    for other in ["appName", "_id", "jwt", "secret", "jwt_secretkeys", "jwt-secretkey"] {
        assert!(Name::classify(other).is_none(), "{other}");
    }
}
