//! Lines of both forms, whatever a client sends.

use std::net::SocketAddr;
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use super::*;
use crate::reason::Reason;
use crate::telemetry::UserKey;

pub fn entry() -> Entry<'static> {
    Entry {
        time: UNIX_EPOCH + Duration::from_millis(1_584_525_821_007),
        request_id: "r-1",
        trace_id: None,
        client: Some(SocketAddr::from(([10, 0, 0, 9], 4321))),
        method: "POST",
        path: b"/rtmsAPI/api/v1/app/TR1/setuserid",
        protocol: "HTTP/1.1",
        status: 401,
        route: Some("setuserid"),
        reason: Some(Reason::TokenMissing),
        limit: None,
        app: Some("TR1"),
        user: None,
        previous_key: None,
        duration: Duration::from_micros(12_034),
        auth: Some(Duration::from_nanos(4_500)),
        upstream: None,
        peer: None,
        attempts: 0,
        answered_after: None,
        bytes_in: 0,
        bytes_out: 93,
    }
}

pub fn json(user: ShownUser) -> Form {
    Form { format: Format::Json, user }
}

fn parsed(entry: &Entry<'_>) -> Value {
    let line = json(ShownUser::Plain).line(entry);
    assert!(line.ends_with(b"}\n") && line.is_ascii());
    assert_eq!(line.iter().filter(|b| **b < b' ').count(), 1, "one control character: the line's end");
    serde_json::from_slice(&line).unwrap()
}

fn path(bytes: &[u8]) -> Value {
    parsed(&Entry { path: bytes, ..entry() })["path"].clone()
}

#[test]
fn a_rejected_request_is_one_flat_object_without_what_it_never_had() {
    let expected = json!({
        "time": "2020-03-18T10:03:41.007Z", "request_id": "r-1", "client": "10.0.0.9:4321", "method": "POST",
        "path": "/rtmsAPI/api/v1/app/TR1/setuserid", "protocol": "HTTP/1.1", "status": 401, "route": "setuserid",
        "reason": "token_missing", "code": "39", "app": "TR1", "duration_ms": 12.034, "auth_ms": 0.004,
        "bytes_in": 0, "bytes_out": 93,
    });
    assert_eq!(parsed(&entry()), expected);
}

#[test]
fn a_forwarded_request_names_its_peer() {
    let forwarded =
        Entry { reason: None, status: 200, upstream: Some("rtms"), peer: Some("10.0.0.1:80"), attempts: 2, ..entry() };
    let line = parsed(&forwarded);
    assert_eq!(
        (&line["upstream"], &line["peer"], &line["attempts"]),
        (&json!("rtms"), &json!("10.0.0.1:80"), &json!(2))
    );
    assert!(line.get("reason").is_none() && line.get("code").is_none());
}

#[test]
fn every_reason_stands_in_the_log_as_its_one_word() {
    for reason in Reason::ALL {
        let line = parsed(&Entry { reason: Some(*reason), ..entry() });
        assert_eq!(line["reason"], reason.as_str());
        assert_eq!(line["code"], reason.code().as_str());
    }
}

#[test]
fn the_query_and_credentials_are_never_written() {
    assert_eq!(path(b"/a/b?token=s3cret"), "/a/b");
    assert_eq!(path(b"/a#b"), "/a");
    assert_eq!(path(b"http://user:pw@host/a?b"), "/a");
    assert_eq!(path(b"http://user:pw@host"), "");
    assert_eq!(path(b"/a://b/c"), "/a://b/c");
    assert_eq!(path(b"*"), "*");
}

#[test]
fn no_byte_of_a_path_can_forge_a_line() {
    assert_eq!(path(b"/a\n{\"status\":200}\r"), "/a\n{\"status\":200}\r");
    assert_eq!(path("/\u{1b}[2J\u{9b}\u{2028}ü🦀\\".as_bytes()), "/\u{1b}[2J\u{9b}\u{2028}ü🦀\\");
    assert_eq!(path(b"/\xff\xc3/\xed\xa0\x80"), "/\\xFF\\xC3/\\xED\\xA0\\x80");
    assert_eq!(path(&[b'a'; LONGEST_TEXT + 1]).as_str().unwrap().len(), LONGEST_TEXT + 3);
    let any: Vec<u8> = (0..=255).filter(|b| !b"?#".contains(b)).collect();
    assert!(path(&any).is_string());
}

fn text(format: &str, user: ShownUser, entry: &Entry<'_>) -> String {
    String::from_utf8(Form { format: Format::parse(format).unwrap(), user }.line(entry)).unwrap()
}

#[test]
fn a_format_is_followed_and_a_dash_stands_for_what_is_absent() {
    let format = r#"{time} {client} "{method} {path} {protocol}" {status} {bytes_out} {duration_ms} {reason} {peer}"#;
    assert_eq!(
        text(format, ShownUser::Off, &entry()),
        "2020-03-18T10:03:41.007Z 10.0.0.9:4321 \"POST /rtmsAPI/api/v1/app/TR1/setuserid HTTP/1.1\" 401 93 12.034 \
         token_missing -\n"
    );
    let named = Entry { path: b"", user: Some("u 1"), ..entry() };
    assert_eq!(
        text("combined", ShownUser::Plain, &named),
        "10.0.0.9 - u\\u00201 [18/Mar/2020:10:03:41 +0000] \"POST - HTTP/1.1\" 401 93 \"-\" \"-\"\n"
    );
}

#[test]
fn users_are_told_as_the_log_is_set_to() {
    let named = Entry { user: Some("somebody"), ..entry() };
    let key = UserKey::new(b"a key for the whole fleet");
    let hashed = format!("{:016x}\n", key.hash("somebody"));
    assert_eq!(text("{user}", ShownUser::Off, &named), "-\n");
    assert_eq!(text("{user}", ShownUser::Plain, &named), "somebody\n");
    assert_eq!(text("{user}", ShownUser::Hashed(key.clone()), &named), hashed);
    assert_eq!(text("{user}", ShownUser::Hashed(key.clone()), &entry()), "-\n");
    let line = |user| String::from_utf8(json(user).line(&named)).unwrap();
    assert!(!line(ShownUser::Off).contains("\"user\""));
    assert!(line(ShownUser::Hashed(key)).contains(&format!("\"user\":\"{}\"", hashed.trim_end())));
}

#[test]
fn no_byte_of_a_client_breaks_out_of_a_formats_quotes_or_columns() {
    let any: Vec<u8> = (0..=255).filter(|b| !b"?#".contains(b)).collect();
    let forged = Entry { path: &any, user: Some("a\" 200 [x] | \n{}"), ..entry() };
    let line = text(r#"{status} "{path}" {user} [{path}] {bytes_out}"#, ShownUser::Plain, &forged);
    assert!(line.is_ascii() && line.bytes().filter(|b| *b < b' ').count() == 1, "{line}");
    let (mut quotes, mut before) = (0, ' ');
    for c in line.chars() {
        quotes += usize::from(c == '"' && before != '\\');
        // A backslash that is escaped escapes nothing.
        before = if before == '\\' { ' ' } else { c };
    }
    assert_eq!(quotes, 2, "{line}");
    let (_, after) = line.rsplit_once("\" ").unwrap();
    assert_eq!(after.split(' ').count(), 3, "{after}");
    assert_eq!(
        (after.matches('[').count(), after.matches(']').count(), after.matches('|').count()),
        (1, 1, 0),
        "{after}"
    );
}
