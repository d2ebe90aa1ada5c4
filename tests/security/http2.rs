//! What only HTTP/2 can say, and what a gateway that speaks HTTP/1.1 upstream must not turn into something else
//! (RFC 9113 sections 8.1 to 8.3, 10.3).

use crate::support::{APP, plain, setuserid, tokens};
use crate::table::{AMBIGUOUS, Expect, Field, INVALID, Row, field, framed, run};

const REFUSED: Expect = Expect::Refused;
const FORWARDED: Expect = Expect::Forwarded;

/// The fields of a good request, `more` after them.
fn good(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<Field> {
    let token = format!("Bearer {}", tokens::good());
    let pseudo = [(":method", method), (":scheme", "https"), (":authority", "gateway.test"), (":path", path)];
    let authorization = [("authorization", token.as_str())];
    let fields = pseudo.iter().chain(&authorization).chain(more);
    fields.map(|(name, value)| field(name, value)).collect()
}

fn get(name: &str, more: &[(&str, &str)], expect: Expect) -> Row {
    framed(name, good("GET", &plain(APP), more), &[], expect)
}

#[tokio::test]
async fn a_value_can_not_become_a_second_header() {
    let rows = vec![
        get("CR LF in a value", &[("x", "a\r\nX-Rtms-App-Id: evil")], REFUSED),
        get("LF in a value", &[("x", "a\nevil: evil")], REFUSED),
        get("CR in a value", &[("x", "a\revil")], REFUSED),
        get("NUL in a value", &[("x", "a\0evil")], REFUSED),
        get("a control character in a value", &[("x", "a\x01evil")], REFUSED),
        get("a colon in a name", &[("x: evil\r\ny", "a")], REFUSED),
        get("CR LF in a name", &[("x\r\nevil", "a")], REFUSED),
        get("a space in a name", &[("x evil", "a")], REFUSED),
        get("an empty name", &[("", "evil")], REFUSED),
        get("an upper-case name", &[("X-Rtms-App-Id", "evil")], REFUSED),
        framed("CR LF in the method", good("GET / HTTP/1.1\r\nX: evil", &plain(APP), &[]), &[], REFUSED),
        framed("a space in the method", good("GET /evil", &plain(APP), &[]), &[], REFUSED),
        framed("CR LF in the path", good("GET", "/public/x HTTP/1.1\r\nX: evil\r\n", &[]), &[], REFUSED),
        framed("a space in the path", good("GET", "/public/x evil", &[]), &[], REFUSED),
        get("a tab in a value", &[("x", "a\tb")], FORWARDED),
        get("bytes above ASCII in a value", &[("x", "\u{e9}")], FORWARDED),
    ];
    run(rows).await;
}

#[tokio::test]
async fn fields_of_connections_are_malformed() {
    let rows = vec![
        get("connection", &[("connection", "x-evil")], REFUSED),
        get("keep-alive", &[("keep-alive", "timeout=5")], REFUSED),
        get("proxy-connection", &[("proxy-connection", "keep-alive")], REFUSED),
        get("upgrade", &[("upgrade", "websocket")], REFUSED),
        get("transfer-encoding", &[("transfer-encoding", "chunked")], REFUSED),
        get("te that asks for more than trailers", &[("te", "gzip")], REFUSED),
        get("te: trailers", &[("te", "trailers")], FORWARDED),
    ];
    run(rows).await;
}

#[tokio::test]
async fn a_body_is_as_long_as_it_says() {
    let of = |name: &str, path: &str, lengths: &[&str], pieces: &[&[u8]], expect| {
        let lengths: Vec<(&str, &str)> = lengths.iter().map(|length| ("content-length", *length)).collect();
        framed(format!("{name} ({path})"), good("POST", path, &lengths), pieces, expect)
    };
    let mut rows = Vec::new();
    for path in [plain(APP), setuserid(APP)] {
        rows.extend([
            of("as it says", &path, &["2"], &[b"{}"], FORWARDED),
            of("in pieces", &path, &["2"], &[b"{", b"}"], FORWARDED),
            of("it doesn't say", &path, &[], &[b"{}"], FORWARDED),
            of("longer", &path, &["1"], &[b"{}"], REFUSED),
            of("longer by a piece", &path, &["2"], &[b"{}", b"evil"], REFUSED),
            of("shorter", &path, &["3"], &[b"{}"], REFUSED),
            of("nothing at all", &path, &["3"], &[], REFUSED),
            of("two lengths", &path, &["2", "3"], &[b"{}"], REFUSED),
            of("one length twice", &path, &["2", "2"], &[b"{}"], REFUSED),
            of("no number", &path, &["two"], &[b"{}"], REFUSED),
            of("negative", &path, &["-2"], &[b"{}"], REFUSED),
        ]);
    }
    run(rows).await;
}

#[tokio::test]
async fn pseudo_headers_come_once_first_and_are_known() {
    let path = plain(APP);
    let of = |name: &str, fields: &[(&str, &str)], expect| {
        let token = format!("Bearer {}", tokens::good());
        let authorization = [("authorization", token.as_str())];
        let fields = fields.iter().chain(&authorization);
        framed(name, fields.map(|(name, value)| field(name, value)).collect(), &[], expect)
    };
    let method = (":method", "GET");
    let scheme = (":scheme", "https");
    let authority = (":authority", "gateway.test");
    let path = (":path", path.as_str());
    let rows = vec![
        of("all of them", &[method, scheme, authority, path], FORWARDED),
        of("in another order", &[path, authority, scheme, method], FORWARDED),
        of("no path", &[method, scheme, authority], REFUSED),
        of("an empty path", &[method, scheme, authority, (":path", "")], REFUSED),
        of("no method", &[scheme, authority, path], REFUSED),
        of("no scheme", &[method, authority, path], REFUSED),
        of("two paths", &[method, scheme, authority, path, (":path", "/public/evil")], REFUSED),
        of("two methods", &[method, (":method", "POST"), scheme, authority, path], REFUSED),
        of("two authorities", &[method, scheme, authority, (":authority", "evil.test"), path], REFUSED),
        of("one after a field", &[method, scheme, authority, ("x", "y"), path], REFUSED),
        of("an unknown one", &[method, scheme, authority, path, (":evil", "x")], REFUSED),
        of("one of an answer", &[method, scheme, authority, path, (":status", "200")], REFUSED),
        of("CONNECT", &[(":method", "CONNECT"), authority], REFUSED),
        of(
            "CONNECT for a WebSocket",
            &[(":method", "CONNECT"), (":protocol", "websocket"), scheme, authority, path],
            REFUSED,
        ),
    ];
    run(rows).await;
}

#[tokio::test]
async fn authority_and_host_say_the_same() {
    let with = |authority: Option<&str>, hosts: &[&str]| {
        let mut fields = good("GET", &plain(APP), &[]);
        fields.retain(|(name, _)| name != b":authority");
        if let Some(authority) = authority {
            fields.insert(1, field(":authority", authority));
        }
        fields.extend(hosts.iter().map(|host| field("host", host)));
        fields
    };
    let of = |name: &str, authority, hosts: &[&str], expect| framed(name, with(authority, hosts), &[], expect);
    let rows = vec![
        of("authority alone", Some("gateway.test"), &[], FORWARDED),
        of("both alike", Some("gateway.test"), &["gateway.test"], FORWARDED),
        of("another host", Some("gateway.test"), &["evil.test"], REFUSED),
        of("a path in the host", None, &["gateway.test/evil"], AMBIGUOUS),
        of("a space in the host", None, &["gateway.test evil"], AMBIGUOUS),
        of("two hosts", Some("gateway.test"), &["gateway.test", "evil.test"], REFUSED),
        of("a user in the authority", Some("evil@gateway.test"), &[], REFUSED),
        of("a path in the authority", Some("gateway.test/evil"), &[], REFUSED),
    ];
    run(rows).await;
}

#[tokio::test]
async fn many_small_fields_are_a_large_head() {
    let names: Vec<String> = (0..1000).map(|n| format!("x{n:04}")).collect();
    let many = |count: usize| -> Vec<(&str, &str)> {
        names.iter().take(count).map(|name| (name.as_str(), "a value of 24 characters")).collect()
    };
    let rows = vec![
        get("30 KiB of them", &many(900), FORWARDED),
        // Less than 32 KiB of names and values, and more of what goes upstream.
        get("33 KiB of them", &many(1000), Expect::Answer(431, "4")),
    ];
    run(rows).await;
}

#[tokio::test]
async fn one_authorization_field() {
    let second = format!("Bearer {}", tokens::good());
    let rows = vec![
        get("two", &[("authorization", &second)], INVALID),
        get("the second empty", &[("authorization", "")], INVALID),
    ];
    run(rows).await;
}
