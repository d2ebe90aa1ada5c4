//! The token's claims: shape, types, times, and which fault is reported first.

use crate::support::client::{get, set_user};
use crate::support::tokens::{self, now};
use crate::support::{APP, USER, plain};
use crate::table::{EXPIRED, Expect, INVALID, Row, row, run};

fn of(claims: impl AsRef<str>, expect: Expect) -> Row {
    let claims = claims.as_ref();
    row(claims, &get(plain(APP)).token(tokens::claims(claims).mint()), expect)
}

/// Good claims and more members.
fn good_and(more: &str) -> String {
    format!(r#"{{"appId":"{APP}","userId":"{USER}",{more}}}"#)
}

#[tokio::test]
async fn a_payload_is_one_strict_json_object() {
    let good = good_and(r#""x":1"#);
    let deep = |levels: usize| good_and(&format!(r#""x":{}{}"#, "[".repeat(levels - 1), "]".repeat(levels - 1)));
    let mut rows = vec![
        of(format!(r#"["{APP}","{USER}"]"#), INVALID),
        of(format!("[{good}]"), INVALID),
        of(r#""TR21063826""#, INVALID),
        of("null", INVALID),
        of("", INVALID),
        of("{}", INVALID),
        of(format!("{good}x"), INVALID),
        of(format!("{good}{good}"), INVALID),
        of(format!("{good}\0"), INVALID),
        of(format!("\u{feff}{good}"), INVALID),
        of(&good[..good.len() - 1], INVALID),
        of(good_and(r#""x":1,"#), INVALID),
        of(good_and(r#""x":"\ud800""#), INVALID),
        of(good_and("\"x\":\"\n\""), INVALID),
        of(good_and(r#""x":+1"#), INVALID),
        of(deep(129), INVALID),
        of(deep(200), INVALID),
        of(deep(128), Expect::Forwarded),
        of(format!(" {good}\r\n"), Expect::Forwarded),
        of(good_and(r#""x":{"x":1,"x":2}"#), Expect::Forwarded),
    ];
    let not_utf8 = tokens::claims([good_and("\"x\":\"").as_bytes(), b"\xff\"}"].concat());
    rows.push(row("not UTF-8", &get(plain(APP)).token(not_utf8.mint()), INVALID));
    run(rows).await;
}

#[tokio::test]
async fn members_that_occur_twice_are_refused() {
    let rows = [
        format!(r#""appId":"{APP}""#),
        r#""appId":"TR_OTHER""#.into(),
        r#""\u0061ppId":"TR_OTHER""#.into(),
        format!(r#""userId":"{USER}""#),
        r#""user\u0049d":"evil""#.into(),
        r#""exp":1,"exp":99999999999"#.into(),
        r#""exp":99999999999,"\u0065xp":1"#.into(),
        r#""x":1,"x":1"#.into(),
    ];
    run(rows.iter().map(|more| of(good_and(more), INVALID)).collect()).await;
}

#[tokio::test]
async fn the_app_is_the_paths_and_a_string() {
    let app = |value: &str| format!(r#"{{"appId":{value},"userId":"{USER}"}}"#);
    let mut rows: Vec<Row> = [
        "7",
        "null",
        r#""""#,
        "true",
        "[]",
        r#"["TR21063826"]"#,
        r#"{"TR21063826":1}"#,
        r#""TR2106382""#,
        r#""TR210638260""#,
        r#""tr21063826""#,
        r#"" TR21063826""#,
        r#""TR21063826 ""#,
        r#""TR21063826\u0000""#,
        r#""TR21063826\n""#,
        r#""TR_OTHER""#,
    ]
    .iter()
    .map(|value| of(app(value), INVALID))
    .collect();
    rows.push(of(format!(r#"{{"userId":"{USER}"}}"#), INVALID));
    rows.push(of(format!(r#"{{"APPID":"{APP}","userId":"{USER}"}}"#), INVALID));
    rows.push(of(app(r#""TR2106\u0033826""#), Expect::Forwarded));
    run(rows).await;
}

#[tokio::test]
async fn a_user_or_a_customer_is_named_by_a_string() {
    let members = |members: &str| format!(r#"{{"appId":"{APP}"{members}}}"#);
    let bad = [
        "",
        r#","userId":7"#,
        r#","userId":["x"]"#,
        r#","userId":{}"#,
        r#","userId":true"#,
        r#","userId":"""#,
        r#","userId":null"#,
        r#","userId":"a","appUserId":"b""#,
        r#","userId":"a","customerId":7"#,
        r#","USERID":"a""#,
        r#","userId":"a\r\nX-Evil: evil""#,
        r#","userId":"a\u0000""#,
        r#","userId":"a\u007f""#,
        r#","customerId":"a\u0009""#,
        r#","appUserId":[]"#,
    ];
    let good = [
        r#","userId":"a""#,
        r#","appUserId":"a""#,
        r#","customerId":"a""#,
        r#","userId":"a","appUserId":"a""#,
        r#","userId":"","appUserId":"a""#,
        r#","userId":null,"customerId":"a""#,
        r#","userId":"a","customerId":"""#,
        r#","userId":"\u00e9 %\"/""#,
    ];
    let rows = bad.iter().map(|more| of(members(more), INVALID));
    let rows = rows.chain(good.iter().map(|more| of(members(more), Expect::Forwarded)));
    run(rows.collect()).await;
}

#[tokio::test]
async fn times_are_numbers_from_zero_up() {
    let mut rows = Vec::new();
    for claim in ["exp", "nbf", "iat"] {
        let odd = [r#""99999999999""#, "null", "true", "[]", "{}", "-1", "-0", "-0.0", "1e400", "-1e400", r#""""#];
        rows.extend(odd.iter().map(|value| of(good_and(&format!(r#""{claim}":{value}"#)), INVALID)));
    }
    for (claim, value) in
        [("exp", "99999999999"), ("exp", "9999999999.5"), ("exp", "1e12"), ("exp", "1.7e308"), ("exp", "1584525821000")]
    {
        rows.push(of(good_and(&format!(r#""{claim}":{value}"#)), Expect::Forwarded));
    }
    for (claim, value) in
        [("nbf", "0"), ("nbf", "1.5e9"), ("iat", "0"), ("iat", "99999999999"), ("iat", "1584525821000")]
    {
        rows.push(of(good_and(&format!(r#""{claim}":{value}"#)), Expect::Forwarded));
    }
    rows.push(of(good_and(&format!(r#""nbf":{}"#, now(3600))), INVALID));
    rows.push(of(good_and(r#""nbf":1584525821000"#), INVALID));
    rows.push(of(good_and(&format!(r#""nbf":{}"#, now(-60))), Expect::Forwarded));
    for value in ["0", "1", "1584525821", "1.5e9", "0.1", "1e-400"] {
        rows.push(of(good_and(&format!(r#""exp":{value}"#)), EXPIRED));
    }
    rows.push(of(good_and(&format!(r#""exp":{}"#, now(-1))), EXPIRED));
    run(rows).await;
}

#[tokio::test]
async fn only_a_token_that_is_good_but_for_its_age_is_expired() {
    let expired = r#""exp":1584525821"#;
    let token = |claims: &str| tokens::claims(claims);
    let of_user = format!(r#"{{"appId":"{APP}","userId":"{USER}",{expired}}}"#);
    let wrong = token(&of_user).secret("another secret").mint();
    let rows = vec![
        row("expired and wrongly signed", &get(plain(APP)).token(&wrong), INVALID),
        of(format!(r#"{{"appId":"TR_OTHER","userId":"{USER}",{expired}}}"#), INVALID),
        of(format!(r#"{{"appId":"{APP}",{expired}}}"#), INVALID),
        of(good_and(&format!(r#""nbf":99999999999,{expired}"#)), INVALID),
        of(good_and(&format!(r#""iat":"x",{expired}"#)), INVALID),
        of(&of_user, EXPIRED),
        // No body is read for a token that is too old, so what it says doesn't matter.
        row("expired, and another user in the body", &set_user(APP, "evil").token(token(&of_user).mint()), EXPIRED),
    ];
    run(rows).await;
}
