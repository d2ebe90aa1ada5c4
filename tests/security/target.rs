//! The request target: one reading, or 400. What was checked is what is forwarded.

use crate::support::client::{get, post, set_user};
use crate::support::{APP, USER, plain, setuserid, tokens};
use crate::table::{AMBIGUOUS, Expect, INVALID, Row, field, raw, row, run};

/// A request with a good token and any bytes as its target, over HTTP/1.1 and HTTP/2.
fn target(name: &str, target: &[u8], expect: Expect) -> Row {
    let token = tokens::good();
    let rest = format!(" HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: Bearer {token}\r\n\r\n");
    let fields = vec![
        field(":method", "GET"),
        field(":scheme", "https"),
        field(":authority", "gateway.test"),
        field(":path", target),
        field("authorization", format!("Bearer {token}")),
    ];
    raw(name, [b"GET ", target, rest.as_bytes()].concat(), expect).and_framed(fields, over_http_2(target, expect))
}

/// What comes of a target over HTTP/2. It must begin with a slash there (RFC 9113 section 8.3.1), bytes that no URI
/// has make it malformed, and the framework cuts a fragment off before anybody judges the rest.
fn over_http_2(target: &[u8], expect: Expect) -> Expect {
    let no_uri = |byte: &u8| matches!(byte, 0..=b' ' | 0x7f | b'"' | b'<' | b'>' | b'^' | b'`');
    match target.split(|byte| *byte == b'#').next() {
        Some(path) if path.len() < target.len() => Expect::Forwarded,
        _ if !target.starts_with(b"/") || std::str::from_utf8(target).is_err() => Expect::Refused,
        _ if target.iter().any(no_uri) => Expect::Refused,
        _ => expect,
    }
}

#[tokio::test]
async fn paths_with_two_readings_are_400() {
    let base = "/rtmsAPI/api/v1";
    let app = format!("{base}/{APP}");
    let bad = [
        format!("{base}%2f{APP}/plain"),
        format!("{base}/{APP}%2Fplain"),
        format!("{app}%5cplain"),
        format!("{base}/x/../{APP}/plain"),
        format!("{base}/x/%2e%2e/{APP}/plain"),
        format!("{base}/x/.%2e/{APP}/plain"),
        format!("{base}/./{APP}/plain"),
        format!("{app}/plain/."),
        format!("{app}/plain/.."),
        format!("{app}/plain;x=y"),
        format!("{app};x/plain"),
        format!("{app}/plain%3bx"),
        format!("{app}\\plain"),
        format!("{app}/plain%"),
        format!("{app}/plain%4"),
        format!("{app}/plain%zz"),
        format!("{app}/plain%00"),
        format!("{app}/plain%0d%0aX-Evil:%20evil"),
        format!("{app}/plain%7f"),
        format!("{app}/plai%6e"),
        format!("{app}/plain%25"),
        format!("{base}/TR%32106382%36/plain"),
        format!("{base}/%54R21063826/plain"),
        format!("{app}/plain#fragment"),
        format!("{app}/plain?x#fragment"),
        "*".into(),
        "rtmsAPI/api".into(),
        "?x".into(),
        "gateway.test:80".into(),
    ];
    run(bad.iter().map(|path| target(path, path.as_bytes(), AMBIGUOUS)).collect()).await;
}

#[tokio::test]
async fn paths_that_are_no_uri_are_400() {
    let app = format!("/rtmsAPI/api/v1/{APP}");
    let bad = [
        format!("{app}/pl\"ain"),
        format!("{app}/<plain>"),
        format!("{app}/pl^ain"),
        format!("{app}/pl`ain"),
        format!("{app}/{{plain}}"),
        format!("{app}/pl|ain"),
        format!("http://other.test{app}/plain"),
        format!("http://gateway.test:80{app}/plain"),
        format!("http://user@gateway.test{app}/plain"),
        format!("http://gateway.test@other.test{app}/plain"),
        format!("ftp://gateway.test{app}/plain"),
        format!("http://{app}/plain"),
        format!("http:{app}/plain"),
    ];
    run(bad.iter().map(|path| target(path, path.as_bytes(), Expect::Bad)).collect()).await;
}

#[tokio::test]
async fn bytes_that_no_target_has_reach_nobody() {
    let rows = [
        (&b"\0"[..], "NUL"),
        (b"\x01", "a control character"),
        (b"\x7f", "DEL"),
        (b"\xff", "no UTF-8"),
        ("\u{e9}".as_bytes(), "not ASCII"),
        ("\u{ff0f}".as_bytes(), "a fullwidth slash"),
        (b"\t", "a tab"),
    ];
    // On a route that takes any path, so that no 404 hides what became of them.
    let path = |bytes: &[u8]| [b"/public/x", bytes, b"x"].concat();
    run(rows.iter().map(|(bytes, name)| target(name, &path(bytes), Expect::Bad)).collect()).await;
}

#[tokio::test]
async fn other_targets_with_one_reading_pass() {
    let rows = vec![
        target("origin form", plain(APP).as_bytes(), Expect::Forwarded),
        target("absolute form", format!("http://gateway.test{}", plain(APP)).as_bytes(), Expect::Forwarded),
        target("absolute form in capitals", format!("HTTP://gateway.test{}", plain(APP)).as_bytes(), Expect::Forwarded),
        target("doubled slashes", format!("//rtmsAPI//api/v1///{APP}/plain").as_bytes(), Expect::Forwarded),
        target("a trailing slash", format!("{}/", plain(APP)).as_bytes(), Expect::Forwarded),
        target("fixed words in another case", format!("/RTMSAPI/API/v1/{APP}/PLAIN").as_bytes(), Expect::Forwarded),
        target("anything in a query", format!("{}?../%zz;\\{{|x", plain(APP)).as_bytes(), Expect::Forwarded),
        target("an empty query", format!("{}?", plain(APP)).as_bytes(), Expect::Forwarded),
    ];
    run(rows).await;
}

#[tokio::test]
async fn a_host_is_one_and_there() {
    let token = tokens::good();
    let head = |hosts: &str| format!("GET {} HTTP/1.1\r\n{hosts}Authorization: Bearer {token}\r\n\r\n", plain(APP));
    let rows = vec![
        raw("none", head(""), Expect::Answer(400, "4")),
        raw("two", head("Host: gateway.test\r\nHost: other.test\r\n"), Expect::Refused),
        raw("the same twice", head("Host: gateway.test\r\nHost: gateway.test\r\n"), Expect::Refused),
        raw("one", head("Host: gateway.test\r\n"), Expect::Forwarded),
        raw("a port", head("Host: gateway.test:8080\r\n"), Expect::Forwarded),
        raw("an address", head("Host: [::1]:8080\r\n"), Expect::Forwarded),
        raw("a path", head("Host: gateway.test/evil\r\n"), AMBIGUOUS),
        raw("a query", head("Host: gateway.test?evil\r\n"), AMBIGUOUS),
        raw("a fragment", head("Host: gateway.test#evil\r\n"), AMBIGUOUS),
        raw("a space", head("Host: gateway.test evil\r\n"), AMBIGUOUS),
        raw("two ports", head("Host: gateway.test:1:2\r\n"), AMBIGUOUS),
        raw("half an address", head("Host: [::1\r\n"), AMBIGUOUS),
        raw("a bad escape", head("Host: gateway%zz\r\n"), AMBIGUOUS),
        raw("a backslash", head("Host: gateway.test\\evil\r\n"), AMBIGUOUS),
        raw("a user", head("Host: evil@gateway.test\r\n"), Expect::Bad),
    ];
    run(rows).await;
}

#[tokio::test]
async fn a_bound_route_is_not_dodged_by_another_spelling() {
    let token = tokens::good();
    let to = |path: String| {
        let body = r#"{"userId":"somebody else"}"#;
        post(path, body).header("Content-Type: application/json").token(&token)
    };
    let rows = vec![
        row("as it is", &to(setuserid(APP)), INVALID),
        row("a trailing slash", &to(format!("{}/", setuserid(APP))), INVALID),
        row("another case", &to(format!("/rtmsAPI/api/v1/APP/{APP}/setUserID")), INVALID),
        row("doubled slashes", &to(format!("/rtmsAPI/api/v1/app//{APP}//setuserid")), INVALID),
        row("an encoded letter", &to(format!("/rtmsAPI/api/v1/app/{APP}/setuserI%64")), AMBIGUOUS),
        row("another method", &to(setuserid(APP)).method("PUT"), Expect::Answer(405, "4")),
        row("another version", &to(format!("/rtmsAPI/api/v4/app/{APP}/setuserid")), INVALID),
        row("one word more", &to(format!("{}/x", setuserid(APP))), Expect::Answer(404, "4")),
        row("one word less", &to(format!("/rtmsAPI/api/v1/app/{APP}")), Expect::Answer(404, "4")),
        row("the right user", &set_user(APP, USER).token(&token), Expect::Forwarded),
    ];
    run(rows).await;
}

#[tokio::test]
async fn an_app_is_the_whole_segment_byte_for_byte() {
    let token = tokens::good();
    let rows = [
        "TR210638260",
        "TR2106382",
        "tr21063826",
        "TR21063826.",
        "TR21063826~",
        "TR21063826%20",
        "TR21063826,TR1",
        "%C3%A9",
    ]
    .map(|app| row(app, &get(plain(app)).token(&token), INVALID));
    run(rows.into()).await;
}

#[tokio::test]
async fn a_space_in_a_target_is_escaped_before_it_is_judged_and_arrives_as_it_was_judged() {
    // The framework escapes what the request line may not hold before anybody sees it: the judged path has `%20`.
    let upstream = crate::support::upstream::Upstream::start().await;
    let gateway = crate::support::gateway::gateway(&upstream).customer().start().await;
    let mut client = gateway.connect().await;
    client.send(b"GET /public/x x HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(client.response().await.expect("an answer").status, 200);
    let seen = upstream.take();
    assert!(seen[0].head.bytes.starts_with(b"GET /public/x%20x HTTP/1.1\r\n"));
}
