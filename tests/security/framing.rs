//! Message framing: where two servers could see two different requests, none is forwarded.

use crate::support::client::Last;
use crate::support::{APP, plain, setuserid, tokens};
use crate::table::{Expect, Row, raw, run};

/// A second request, hidden behind the first one.
fn hidden() -> String {
    format!(
        "GET {} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\nX-Evil: evil\r\n\r\n",
        plain(APP),
        tokens::good()
    )
}

/// A POST with a good token, these header lines, and what follows them.
fn post(lines: &str, after: &str) -> Vec<u8> {
    let token = tokens::good();
    let path = plain(APP);
    format!("POST {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n{lines}\r\n{after}").into_bytes()
}

fn of(name: &str, lines: &str, after: &str) -> Row {
    raw(name, post(lines, after), Expect::Refused)
}

fn of_http_1_0(name: &str, lines: &str, after: &str) -> Row {
    let older = String::from_utf8(post(lines, after)).expect("text").replacen("HTTP/1.1", "HTTP/1.0", 1);
    raw(name, older, Expect::Refused)
}

#[tokio::test]
async fn a_body_has_one_length() {
    let hidden = hidden();
    let chunked = format!("0\r\n\r\n{hidden}");
    let rows = vec![
        of("length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", &chunked),
        of("chunks and length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", &chunked),
        of("two lengths", "Content-Length: 0\r\nContent-Length: 5\r\n", &hidden),
        of("a list of two lengths", "Content-Length: 0, 5\r\n", &hidden),
        of("one length twice", "Content-Length: 5\r\nContent-Length: 5\r\n", &hidden),
        of("a list of one length twice", "Content-Length: 5, 5\r\n", &hidden),
        of("a length with a leading zero", "Content-Length: 05\r\n", &hidden),
        of("a negative length", "Content-Length: -1\r\n", &hidden),
        of("a signed length", "Content-Length: +5\r\n", &hidden),
        of("a hexadecimal length", "Content-Length: 0x5\r\n", &hidden),
        of("a length with a space inside", "Content-Length: 1 0\r\n", &hidden),
        of("an empty length", "Content-Length:\r\n", &hidden),
        of("a length too large for anybody", "Content-Length: 99999999999999999999999\r\n", &hidden),
        of("an unknown coding", "Transfer-Encoding: xchunked\r\n", &chunked),
        of("chunked not last", "Transfer-Encoding: chunked, identity\r\n", &chunked),
        of("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", &chunked),
        of("a coding in quotes", "Transfer-Encoding: \"chunked\"\r\n", &chunked),
        of("a coding after a control character", "Transfer-Encoding: \x0bchunked\r\n", &chunked),
        of("identity", "Transfer-Encoding: identity\r\nContent-Length: 0\r\n", &hidden),
        of_http_1_0("chunks in HTTP/1.0", "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n", &chunked),
    ];
    run(rows).await;
}

#[tokio::test]
async fn header_lines_have_one_reading() {
    let token = tokens::good();
    let head = |lines: &str| format!("GET {} HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n", plain(APP));
    let rows = vec![
        raw("a space before the colon", head(&format!("Authorization : Bearer {token}")), Expect::Refused),
        raw("a tab before the colon", head(&format!("Authorization\t: Bearer {token}")), Expect::Refused),
        raw("a folded line", head(&format!("Authorization: Bearer\r\n {token}")), Expect::Refused),
        raw("a first line that is folded", format!("GET {} HTTP/1.1\r\n Host: h\r\n\r\n", plain(APP)), Expect::Refused),
        raw("no colon", head(&format!("Authorization: Bearer {token}\r\nevil")), Expect::Refused),
        raw("an empty name", head(&format!("Authorization: Bearer {token}\r\n: evil")), Expect::Refused),
        raw("NUL in a value", head(&format!("Authorization: Bearer {token}\r\nX: \0evil")), Expect::Refused),
        raw(
            "a bare CR in a value",
            head(&format!("Authorization: Bearer {token}\r\nX: a\rEvil: evil")),
            Expect::Refused,
        ),
        raw(
            "a control character in a name",
            head(&format!("Authorization: Bearer {token}\r\nX\x01: evil")),
            Expect::Refused,
        ),
    ];
    run(rows).await;
}

#[tokio::test]
async fn a_request_line_has_one_reading() {
    let rest = format!("\r\nHost: h\r\nAuthorization: Bearer {}\r\n\r\n", tokens::good());
    let path = plain(APP);
    let of = |name: &str, line: String| raw(name, format!("{line}{rest}"), Expect::Refused);
    let rows = vec![
        of("HTTP/0.9", format!("GET {path}")),
        of("HTTP/2.0", format!("GET {path} HTTP/2.0")),
        of("HTTP/1.2", format!("GET {path} HTTP/1.2")),
        of("another protocol", format!("GET {path} ICE/1.1")),
        of("a tab", format!("GET\t{path}\tHTTP/1.1")),
        of("a method that is no token", format!("G@T {path} HTTP/1.1")),
        of("CONNECT", "CONNECT h:80 HTTP/1.1".into()),
    ];
    run(rows).await;
}

#[tokio::test]
async fn bare_line_feeds_make_no_second_reading() {
    let token = tokens::good();
    let path = plain(APP);
    // RFC 9112 section 2.2 lets a server take a bare LF for a line's end: then it must be judged as that, and what is
    // forwarded must have none. Here: a header that only a reader of bare LFs sees would be the second Authorization.
    let hidden = format!("GET {path} HTTP/1.1\r\nHost: h\r\nX: y\nAuthorization: Bearer {token}\r\n\r\n");
    let whole = format!("GET {path} HTTP/1.1\nHost: h\nAuthorization: Bearer {token}\nX-Rtms-App-Id: evil\n\n");
    let upstream = crate::support::upstream::Upstream::start().await;
    let gateway = crate::support::gateway::gateway(&upstream).customer().start().await;
    for (name, bytes) in [("one of them", hidden), ("all of them", whole)] {
        let mut client = gateway.connect().await;
        client.send(bytes.as_bytes()).await;
        let status = client.response().await.map(|answer| answer.status);
        assert_eq!(status, Some(200), "{name}");
        let seen = upstream.take();
        assert_eq!(seen.len(), 1, "{name}");
        for seen in seen {
            let text = String::from_utf8_lossy(&seen.head.bytes).replace("\r\n", "");
            assert!(!text.contains('\n') && !text.contains("evil"), "{name}: {text:?}");
            assert_eq!(seen.head.all("Authorization").len(), 1, "{name}");
        }
    }
}

#[tokio::test]
async fn chunks_are_what_they_say_or_the_request_never_ends() {
    let upstream = crate::support::upstream::Upstream::start().await;
    let gateway = crate::support::gateway::gateway(&upstream).customer().start().await;
    let token = tokens::good();
    for target in [plain(APP), setuserid(APP)] {
        for body in [
            "zz\r\n{}\r\n0\r\n\r\n",
            "-2\r\n{}\r\n0\r\n\r\n",
            "fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
            "1\r\n{}\r\n0\r\n\r\n",
        ] {
            let head = format!(
                "POST {target} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n"
            );
            let mut client = gateway.connect().await;
            client.send(format!("{head}{body}{}", hidden()).as_bytes()).await;
            loop {
                match client.last().await {
                    Last::Answer(answer) => assert!(answer.status >= 400, "{target} {body:?}: {answer:?}"),
                    Last::Closed => break,
                    Last::Open => panic!("{target} {body:?}: neither answered nor closed"),
                }
            }
            let seen = upstream.take();
            assert!(seen.iter().all(|request| !request.complete), "{target} {body:?}: {seen:#?}");
        }
    }
}

#[tokio::test]
async fn an_upgrade_to_anything_but_a_websocket_is_not_tunnelled() {
    let upstream = crate::support::upstream::Upstream::start().await;
    let gateway = crate::support::gateway::gateway(&upstream).customer().start().await;
    let token = tokens::good();
    for protocol in ["h2c", "evil/1.0", "TLS/1.0"] {
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade, HTTP2-Settings\r\n\
             Upgrade: {protocol}\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
            plain(APP)
        );
        let mut client = gateway.connect().await;
        client.send(head.as_bytes()).await;
        let answer = client.response().await.expect("an answer");
        assert_ne!(answer.status, 101, "{protocol}");
        for seen in upstream.take() {
            assert_eq!(seen.head.get("Upgrade"), None, "{protocol}");
            assert_eq!(seen.head.get("HTTP2-Settings"), None, "{protocol}");
        }
    }
}
