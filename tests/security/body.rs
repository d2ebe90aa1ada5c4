//! Bodies that name an identity, or hide one.

use crate::support::client::{Request, chunked, get, post};
use crate::support::{APP, USER, setuserid, tokens};
use crate::table::{Expect, INVALID, Row, raw, row, run};

const GOOD: &str = r#"{"userId":"67deb017-5038-4832-a6b9-aa7e00987b6f"}"#;
const OTHER: &str = r#"{"userId":"somebody else"}"#;

fn bare(body: impl Into<Vec<u8>>) -> Request {
    post(setuserid(APP), body).token(tokens::good())
}

fn of(body: impl AsRef<[u8]>, expect: Expect) -> Row {
    let body = body.as_ref();
    let name = String::from_utf8_lossy(body).chars().take(120).collect::<String>();
    row(name, &bare(body).header("Content-Type: application/json"), expect)
}

#[tokio::test]
async fn identities_in_a_body_must_be_the_tokens() {
    let rows = vec![
        of(GOOD, Expect::Forwarded),
        of("{}", Expect::Forwarded),
        of("", Expect::Forwarded),
        of(r#"{"userId":null}"#, Expect::Forwarded),
        of(r#"{"userId":""}"#, Expect::Forwarded),
        of(r#"{"other":{"userId":"somebody else"}}"#, Expect::Forwarded),
        of(r#"{"other":[{"userId":"somebody else"}]}"#, Expect::Forwarded),
        of(format!(r#"{{"userId":"\u0036{}"}}"#, &USER[1..]), Expect::Forwarded),
        of(OTHER, INVALID),
        of(r#"{"userId":7}"#, INVALID),
        of(format!(r#"{{"userId":"{USER} "}}"#), INVALID),
        of(format!(r#"{{"userId":"{}"}}"#, USER.to_uppercase()), INVALID),
        of(format!(r#"{{"userId":"{USER}\u0000"}}"#), INVALID),
        of(format!(r#"{{"userId":["{USER}"]}}"#), INVALID),
        of(format!(r#"{{"userId":{{"$eq":"{USER}"}}}}"#), INVALID),
        of(r#"{"userId":true}"#, INVALID),
    ];
    run(rows).await;
}

#[tokio::test]
async fn a_listed_name_stands_once_and_as_it_is_spelled() {
    let user = format!(r#""userId":"{USER}""#);
    let rows = vec![
        of(format!("{{{user},{user}}}"), INVALID),
        of(format!(r#"{{{user},"userId":"somebody else"}}"#), INVALID),
        of(format!(r#"{{"userId":"somebody else",{user}}}"#), INVALID),
        of(format!(r#"{{{user},"user\u0049d":"somebody else"}}"#), INVALID),
        of(format!(r#"{{{user},"\u0075serId":null}}"#), INVALID),
        of(format!(r#"{{{user},"USERID":"somebody else"}}"#), INVALID),
        of(r#"{"USERID":"somebody else"}"#, INVALID),
        of(format!(r#"{{"userid":"{USER}"}}"#), INVALID),
        of(r#"{"userID":null}"#, INVALID),
        of(r#"{"u\u0053erId":"somebody else"}"#, INVALID),
        of(r#"{"user_id":"somebody else"}"#, Expect::Forwarded),
        of(format!(r#"{{{user},"x":1,"x":2}}"#), Expect::Forwarded),
        of(r#"{"user\u0049d":"somebody else"}"#, INVALID),
    ];
    run(rows).await;
}

#[tokio::test]
async fn an_encrypted_body_names_nothing_and_hides_nothing() {
    let rows = vec![
        of(r#"{"encrypted":"c29tZXRoaW5n"}"#, Expect::Forwarded),
        of(r#"{"encrypted":"c29tZXRoaW5n","userId":"somebody else"}"#, INVALID),
        of(format!(r#"{{"encrypted":"c29tZXRoaW5n","userId":"{USER}"}}"#), Expect::Forwarded),
        of(r#"{"encrypted":"x","USERID":"somebody else"}"#, INVALID),
    ];
    run(rows).await;
}

#[tokio::test]
async fn a_client_id_is_app_user_device() {
    let of_client = |client: &str, expect| of(format!(r#"{{"clientId":{client}}}"#), expect);
    let rows = vec![
        of_client(&format!(r#""{APP}/user/device""#), Expect::Forwarded),
        of_client(&format!(r#""{APP}/WwopGf/Q==/Z8WPLM/device""#), Expect::Forwarded),
        of_client(&format!(r#""{APP}//device""#), Expect::Forwarded),
        of_client("null", Expect::Forwarded),
        of_client(r#""""#, Expect::Forwarded),
        of_client(r#""TR_OTHER/user/device""#, INVALID),
        of_client(r#""TR210638260/user/device""#, INVALID),
        of_client(r#""/user/device""#, INVALID),
        of_client(&format!(r#""{APP}""#), INVALID),
        of_client(&format!(r#""{APP}/user""#), INVALID),
        of_client(r#""user""#, INVALID),
        of_client("7", INVALID),
        of_client(&format!(r#"["{APP}/user/device"]"#), INVALID),
        of_client(&format!(r#""{APP}\/user\/device""#), Expect::Forwarded),
    ];
    run(rows).await;
}

#[tokio::test]
async fn a_body_is_one_strict_json_object() {
    let deep = |levels: usize| format!(r#"{{"x":{}{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1));
    let mut rows = vec![
        of(format!("[{GOOD}]"), INVALID),
        of("[]", INVALID),
        of(format!("\"{USER}\""), INVALID),
        of("7", INVALID),
        of("null", INVALID),
        of(" ", INVALID),
        of("['id']", INVALID),
        of(format!("\u{feff}{GOOD}"), INVALID),
        of(format!("{GOOD}{OTHER}"), INVALID),
        of(format!("{GOOD}x"), INVALID),
        of(format!("{GOOD}\0"), INVALID),
        of(&GOOD[..GOOD.len() - 1], INVALID),
        of(format!("/* */{GOOD}"), INVALID),
        of(GOOD.replace('}', ",}"), INVALID),
        of(GOOD.replace('"', "'"), INVALID),
        of(r#"{"x":"\ud800"}"#, INVALID),
        of("{\"x\":\"\t\"}", INVALID),
        of(r#"{"x":NaN}"#, INVALID),
        of(r#"{"x":1e}"#, INVALID),
        of(b"{\"x\":\"\xff\"}", INVALID),
        of(deep(128), Expect::Forwarded),
        of(deep(129), INVALID),
        of(format!(" {GOOD}\r\n\t "), Expect::Forwarded),
    ];
    let utf16: Vec<u8> = GOOD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    rows.push(row("UTF-16", &bare(utf16).header("Content-Type: application/json"), INVALID));
    run(rows).await;
}

#[tokio::test]
async fn a_body_says_that_it_is_json_or_nothing() {
    let bad = [
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Type: text/plain",
        "Content-Type: text/json",
        "Content-Type: application/jsonx",
        "Content-Type: application/json, text/plain",
        "Content-Type: application/json; charset=iso-8859-1",
        "Content-Type: application/json; charset=utf-16",
        "Content-Type: multipart/form-data; boundary=x",
        "Content-Type: application/json\r\nContent-Type: application/json",
        "Content-Type: application/json\r\nContent-Type: text/plain",
        "Content-Encoding: gzip",
        "Content-Encoding: identity",
        "Content-Encoding:",
        "Content-Type: application/json\r\nContent-Encoding: br",
    ];
    let good = [
        "Accept: */*",
        "Content-Type:",
        "Content-Type: application/json",
        "Content-Type: Application/JSON",
        "Content-Type: application/json; charset=utf-8",
        "Content-Type: application/json;charset=\"UTF-8\"",
        "Content-Type: application/json; profile=x",
    ];
    let rows = bad.iter().map(|line| row(*line, &bare(GOOD).header(*line), INVALID));
    let rows = rows.chain(good.iter().map(|line| row(*line, &bare(GOOD).header(*line), Expect::Forwarded)));
    let rows =
        rows.chain(good.iter().map(|line| row(format!("{line}, another user"), &bare(OTHER).header(*line), INVALID)));
    // An empty body names nothing, whatever its headers say.
    let rows =
        rows.chain(bad.iter().map(|line| row(format!("{line}, empty"), &bare("").header(*line), Expect::Forwarded)));
    run(rows.collect()).await;
}

#[tokio::test]
async fn a_body_is_judged_whole_however_it_is_cut() {
    let head = get(setuserid(APP)).method("POST").token(tokens::good()).header("Transfer-Encoding: chunked");
    let head = head.header("Content-Type: application/json").bytes("h");
    let cut = |body: &str, sizes: &[usize]| [head.clone(), chunked(body.as_bytes(), sizes)].concat();
    let late = format!(r#"{{"fill":"{}","userId":"somebody else"}}"#, "x".repeat(65_500));
    assert_eq!(late.len(), 65_536, "as long as a body may be");
    let mut rows = Vec::new();
    for sizes in [&[1][..], &[2], &[13, 1, 1], &[14, 100], &[1000]] {
        rows.push(raw(format!("another user in chunks of {sizes:?}"), cut(OTHER, sizes), INVALID));
        rows.push(raw(format!("the right user in chunks of {sizes:?}"), cut(GOOD, sizes), Expect::Forwarded));
    }
    rows.push(raw("another user at the very end", cut(&late, &[60_000]), INVALID));
    run(rows).await;
}
