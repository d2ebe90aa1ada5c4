//! The changes that have a name: what each of them writes, worked out from the document as it stands. Pure.

use subtle::ConstantTimeEq as _;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::edit::{Edit, LONGEST_SECRET, Mistake, Mistakes};
use super::rules::Rules;
use crate::apps::document::Value;
use crate::apps::{Document, Policy, reading};

/// Why a change can't be made.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What was asked for makes no sense.
    Mistakes(Vec<Mistake>),
    /// What was asked for makes no sense together with what stands.
    Together(Vec<Mistake>),
    /// The document doesn't allow it as it stands; what would.
    Conflict(String),
}

/// Whether an edit can be made, in whose fields one by one these mistakes were found.
///
/// # Errors
/// It is wrong in itself, or only together with what stands.
pub fn allowed(document: &Document, rules: &Rules, edit: &Edit, mistakes: Mistakes) -> Result<(), Refusal> {
    let of_fields = !mistakes.0.is_empty();
    let next = edit.applied_to(document.clone());
    let Err(found) = rules.check_also(&next, edit.names(), mistakes) else { return Ok(()) };
    let alone = rules.check(&edit.applied_to(faultless()), edit.names()).err().unwrap_or_default();
    let of_itself = of_fields || found.iter().any(|mistake| alone.contains(mistake));
    Err(if of_itself { Refusal::Mistakes(found) } else { Refusal::Together(found) })
}

/// A document that nothing is wrong with, however its secrets are encoded: what is wrong with it after an edit is wrong
/// with the edit.
fn faultless() -> Document {
    let mut document = Document::default();
    document.set("appId", Value::string("A"));
    document.set("jwt_secretkey", Value::string(&"x".repeat(LONGEST_SECRET)));
    document
}

/// A secret that takes the place of the one in force.
pub struct Rotation {
    /// The new secret, as it is written.
    pub secret: Zeroizing<String>,
    /// For how long the one before it stays in force.
    pub overlap: std::time::Duration,
}

/// Makes the secret in force the previous one. `None`: the new one is in force already, nothing is to be done; without an
/// overlap the one before it is taken out even then.
///
/// # Errors
/// The document has no secret, makes no sense, or the new secret is no good.
pub fn rotate(document: &Document, rules: &Rules, rotation: &Rotation, now: i64) -> Result<Option<Edit>, Refusal> {
    let policy = sound(document, rules)?;
    let Some(Value::Str(current)) = document.get("jwt_secretkey") else {
        let what = if matches!(policy, Policy::Open) { "has no secret" } else { "is disabled and has no secret" };
        return Err(Refusal::Conflict(format!(
            "the app {what}, so there is nothing to rotate; PATCH `jwt_secretkey` to switch JWT on"
        )));
    };
    let edit = Edit::default().with("jwt_secretkey", Value::Str(rotation.secret.clone()));
    let next = edit.applied_to(document.clone());
    allowed(document, rules, &edit, Mistakes::default())?;
    let key = |document| rules.key(document, "jwt_secretkey").unwrap_or_default();
    let none_before = |edit: Edit| edit.without("jwt_secretkey_previous").without("previous_expires_at");
    if key(document).ct_eq(&key(&next)).into() {
        // No overlap is what the one before may not outlive, however long it was given at first.
        let ends =
            rotation.overlap.is_zero() && !matches!(document.get("jwt_secretkey_previous"), None | Some(Value::Null));
        return Ok(ends.then(|| none_before(Edit::default())));
    }
    if rotation.overlap.is_zero() {
        return Ok(Some(none_before(edit)));
    }
    let until = now.saturating_add(i64::try_from(rotation.overlap.as_millis()).unwrap_or(i64::MAX));
    let previous = Value::Str(current.clone());
    Ok(Some(edit.with("jwt_secretkey_previous", previous).with("previous_expires_at", Value::Date(until))))
}

/// Until when a previous secret stands that a rotation would throw out.
#[must_use]
pub fn thrown_out(document: &Document, now: i64) -> Option<i64> {
    match (document.get("jwt_secretkey_previous"), document.get("previous_expires_at")) {
        (Some(Value::Str(_)), Some(Value::Date(until))) if *until > now => Some(*until),
        _ => None,
    }
}

/// Rejects every request of the app, or stops to. `None`: it is so already.
///
/// # Errors
/// The document makes no sense otherwise: it would still be unusable.
pub fn set_disabled(document: &Document, rules: &Rules, disabled: bool) -> Result<Option<Edit>, Refusal> {
    let edit = if disabled {
        Edit::default().with("disabled", Value::Bool(true))
    } else {
        Edit::default().without("disabled")
    };
    if !disabled {
        // Enabling something senseless would answer 200 and let nobody in.
        sound(&edit.applied_to(document.clone()), rules)?;
    }
    let is = document.get("disabled") == Some(&Value::Bool(true));
    let odd = !matches!(document.get("disabled"), None | Some(Value::Null | Value::Bool(_)));
    Ok((is != disabled || odd).then_some(edit))
}

/// Revokes every token that was issued before this moment. Never takes a later cut back.
///
/// # Errors
/// The document makes no sense.
pub fn revoke(document: &Document, rules: &Rules, now: i64) -> Result<Option<Edit>, Refusal> {
    sound(document, rules)?;
    let stands = match document.get("tokens_valid_after") {
        Some(Value::Date(at)) => *at,
        _ => i64::MIN,
    };
    Ok((now > stands).then(|| Edit::default().with("tokens_valid_after", Value::Date(now))))
}

fn sound(document: &Document, rules: &Rules) -> Result<Policy, Refusal> {
    let reading = reading::read(document, rules.encoding);
    match reading.fault {
        None => Ok(reading.policy),
        Some(fault) => Err(Refusal::Conflict(format!("the document makes no sense as it stands: {fault}"))),
    }
}

/// How long a previous secret may last.
const LONGEST_OVERLAP: std::time::Duration = std::time::Duration::from_hours(366 * 24);

/// Reads `overlap`, as durations stand in the configuration.
pub fn overlap(text: &str, mistakes: &mut Mistakes) -> std::time::Duration {
    match crate::config::duration(text) {
        Ok(overlap) if overlap <= LONGEST_OVERLAP => overlap,
        Ok(_) => {
            mistakes.note("overlap", "is over a year; write `8784h` or less");
            std::time::Duration::ZERO
        }
        Err(problem) => {
            mistakes.note("overlap", problem);
            std::time::Duration::ZERO
        }
    }
}

/// The wall clock's reading, milliseconds since the epoch.
#[must_use]
pub fn now() -> i64 {
    let since = OffsetDateTime::now_utc() - OffsetDateTime::UNIX_EPOCH;
    i64::try_from(since.whole_milliseconds()).unwrap_or(i64::MAX)
}

/// A moment in RFC 3339, to the millisecond; `None`: beyond the calendar.
#[must_use]
pub fn rfc3339(ms: i64) -> Option<String> {
    let at = OffsetDateTime::UNIX_EPOCH.checked_add(Duration::milliseconds(ms))?;
    at.format(&time::format_description::well_known::Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::SecretEncoding;

    const RULES: Rules = Rules { encoding: SecretEncoding::Raw, min_secret_bytes: 8 };
    const NOW: i64 = 1_000_000;

    fn document(fields: &[(&str, Value)]) -> Document {
        let mut document = Document::default();
        document.set("appId", Value::string("A"));
        for (name, value) in fields {
            document.set(name, value.clone());
        }
        document
    }

    fn secret(text: &str) -> (&'static str, Value) {
        ("jwt_secretkey", Value::string(text))
    }

    fn rotated(before: &Document, secret: &str, overlap: u64) -> Result<Option<Document>, Refusal> {
        let rotation =
            Rotation { secret: Zeroizing::new(secret.to_owned()), overlap: std::time::Duration::from_secs(overlap) };
        let edit = rotate(before, &RULES, &rotation, NOW)?;
        Ok(edit.map(|edit| edit.applied_to(before.clone())))
    }

    #[test]
    fn the_secret_in_force_becomes_the_previous_one_for_the_overlap() {
        let Ok(Some(after)) = rotated(&document(&[secret("old-secret")]), "new-secret", 60) else { panic!("rotated") };
        assert!(after.get("jwt_secretkey") == Some(&Value::string("new-secret")));
        assert!(after.get("jwt_secretkey_previous") == Some(&Value::string("old-secret")));
        assert!(after.get("previous_expires_at") == Some(&Value::Date(NOW + 60_000)));
        // Once more: the one before the last is gone.
        let Ok(Some(again)) = rotated(&after, "third-secret", 1) else { panic!("rotated") };
        assert!(again.get("jwt_secretkey_previous") == Some(&Value::string("new-secret")));
        assert_eq!(thrown_out(&after, NOW), Some(NOW + 60_000));
        assert_eq!(thrown_out(&after, NOW + 60_000), None);
    }

    #[test]
    fn without_an_overlap_no_previous_secret_is_left() {
        let Ok(Some(after)) = rotated(&document(&[secret("old-secret")]), "new-secret", 60) else { panic!("rotated") };
        let Ok(Some(after)) = rotated(&after, "third-secret", 0) else { panic!("rotated") };
        assert!(after.get("jwt_secretkey_previous").is_none() && after.get("previous_expires_at").is_none());
    }

    #[test]
    fn a_rotation_that_is_asked_for_twice_happens_once() {
        let Ok(Some(after)) = rotated(&document(&[secret("old-secret")]), "new-secret", 60) else { panic!("rotated") };
        assert!(rotated(&after, "new-secret", 60).is_ok_and(|edit| edit.is_none()));
        // The one before it leaked since: it ends, once.
        let Ok(Some(ended)) = rotated(&after, "new-secret", 0) else { panic!("ended") };
        assert!(ended == document(&[secret("new-secret")]));
        assert!(rotated(&ended, "new-secret", 0).is_ok_and(|edit| edit.is_none()));
    }

    #[test]
    fn only_a_sound_app_with_a_secret_can_be_rotated() {
        let refused =
            |document: &Document, secret: &str| rotated(document, secret, 1).map(|_| ()).expect_err("refused");
        assert!(matches!(refused(&document(&[]), "new-secret"), Refusal::Conflict(why) if why.contains("no secret")));
        let senseless = document(&[secret("old-secret"), ("disabled", Value::string("yes"))]);
        assert!(matches!(refused(&senseless, "new-secret"), Refusal::Conflict(why) if why.contains("no sense")));
        assert!(matches!(refused(&document(&[secret("old-secret")]), "short"), Refusal::Mistakes(m) if m.len() == 1));
    }

    #[test]
    fn disabling_enabling_and_revoking_happen_once() {
        let enabled = document(&[secret("old-secret")]);
        let Ok(Some(edit)) = set_disabled(&enabled, &RULES, true) else { panic!("disabled") };
        let disabled = edit.applied_to(enabled.clone());
        assert!(set_disabled(&disabled, &RULES, true).is_ok_and(|e| e.is_none()));
        let Ok(Some(edit)) = set_disabled(&disabled, &RULES, false) else { panic!("enabled") };
        assert!(edit.applied_to(disabled) == enabled);
        assert!(set_disabled(&enabled, &RULES, false).is_ok_and(|e| e.is_none()));

        let Ok(Some(edit)) = revoke(&enabled, &RULES, NOW) else { panic!("revoked") };
        let cut = edit.applied_to(enabled);
        assert!(cut.get("tokens_valid_after") == Some(&Value::Date(NOW)));
        assert!(revoke(&cut, &RULES, NOW - 5).is_ok_and(|e| e.is_none()), "a cut is never taken back");
    }

    #[test]
    fn what_makes_no_sense_can_be_disabled_and_not_enabled() {
        let senseless = document(&[("jwt_secretkey", Value::Bool(true))]);
        assert!(set_disabled(&senseless, &RULES, true).is_ok_and(|e| e.is_some()));
        assert!(matches!(set_disabled(&senseless, &RULES, false), Err(Refusal::Conflict(_))));
        // What makes it senseless is mended by enabling it.
        let odd = document(&[secret("old-secret"), ("disabled", Value::string("yes"))]);
        assert!(set_disabled(&odd, &RULES, false).is_ok_and(|e| e.is_some()));
    }

    #[test]
    fn what_is_wrong_in_itself_is_told_from_what_does_not_fit_what_stands() {
        let plain = document(&[secret("a raw secret that is no base64")]);
        let asked = |document: &Document, edit: Edit| allowed(document, &RULES, &edit, Mistakes::default());
        let base64 = || Edit::default().with("secret_encoding", Value::string("base64"));
        let fields = |refused: Result<(), Refusal>| match refused {
            Err(Refusal::Mistakes(mistakes)) => format!("itself: {}", mistakes[0].field),
            Err(Refusal::Together(mistakes)) => format!("together: {}", mistakes[0].field),
            Err(Refusal::Conflict(why)) => why,
            Ok(()) => "good".to_owned(),
        };
        assert_eq!(fields(asked(&plain, Edit::default().with("disabled", Value::Bool(true)))), "good");
        assert_eq!(fields(asked(&plain, base64())), "together: jwt_secretkey");
        let short = Edit::default().with("jwt_secretkey", Value::string("short"));
        assert_eq!(fields(asked(&plain, short)), "itself: jwt_secretkey");
        let no_base64 = base64().with("jwt_secretkey", Value::string("no base64!"));
        assert_eq!(fields(asked(&plain, no_base64)), "itself: jwt_secretkey");
        let previous = || Edit::default().with("jwt_secretkey_previous", Value::string("old-secret"));
        assert_eq!(fields(asked(&document(&[]), previous())), "together: jwt_secretkey_previous");
        assert_eq!(fields(asked(&plain, previous())), "good");
        assert_eq!(fields(asked(&plain, previous().without("jwt_secretkey"))), "itself: jwt_secretkey_previous");
    }

    #[test]
    fn dates_are_written_as_people_write_them() {
        assert_eq!(rfc3339(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(rfc3339(1_500).as_deref(), Some("1970-01-01T00:00:01.5Z"));
        assert_eq!(rfc3339(i64::MAX), None);
    }
}
