//! Bodies: bounded where identities are read from them, streamed at any size elsewhere, always byte for byte.

use crate::support::client::{Request, chunked, get, post, set_user};
use crate::support::gateway::{Gateway, gateway};
use crate::support::upstream::{SUCCESS, Upstream};
use crate::support::{APP, USER, plain, setuserid, tokens};

const LIMIT: usize = 64 * 1024;

/// A JSON body of exactly `size` bytes that names the customer's user in its last bytes.
fn json_of(size: usize) -> Vec<u8> {
    let (start, end) = (r#"{"fill":""#, format!(r#"","userId":"{USER}"}}"#));
    let fill = "x".repeat(size - start.len() - end.len());
    format!("{start}{fill}{end}").into_bytes()
}

/// Bytes that no two places share, so that a shifted or swapped block shows.
fn bytes_of(size: usize) -> Vec<u8> {
    (0u64..).flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).take(size).collect()
}

/// The same request with its body in chunks.
fn in_chunks(target: String, body: &[u8], sizes: &[usize]) -> Vec<u8> {
    let head = get(target).method("POST").token(tokens::good()).header("Transfer-Encoding: chunked");
    let mut bytes = head.header("Content-Type: application/json").bytes("gateway.test");
    bytes.extend(chunked(body, sizes));
    bytes
}

async fn send_raw(gateway: &Gateway, bytes: &[u8]) -> (u16, String) {
    let mut client = gateway.connect().await;
    client.send(bytes).await;
    client.response().await.expect("an answer").verdict()
}

fn json_post(body: Vec<u8>) -> Request {
    post(setuserid(APP), body).token(tokens::good()).header("Content-Type: application/json")
}

async fn with_customer() -> (Upstream, Gateway) {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    (upstream, gateway)
}

#[tokio::test]
async fn a_body_up_to_its_limit_is_read_judged_and_forwarded_whole() {
    let (upstream, gateway) = with_customer().await;
    for size in [0, 100, 4096, LIMIT - 1, LIMIT] {
        let body = if size == 0 { Vec::new() } else { json_of(size) };
        let answer = gateway.ask(&json_post(body.clone())).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, SUCCESS), "{size} bytes");
        let seen = upstream.only();
        assert!(seen.complete && seen.body.content == body, "{size} bytes arrived as {}", seen.body.content.len());
        assert_eq!(seen.head.get("Content-Length"), Some(size.to_string().as_str()));
    }
}

#[tokio::test]
async fn a_body_in_chunks_is_read_judged_and_forwarded_whole() {
    let (upstream, gateway) = with_customer().await;
    for (size, chunks) in
        [(100, &[1][..]), (100, &[60, 7, 1]), (LIMIT, &[4096]), (LIMIT, &[LIMIT]), (LIMIT, &[LIMIT - 1, 1])]
    {
        let body = json_of(size);
        let verdict = send_raw(&gateway, &in_chunks(setuserid(APP), &body, chunks)).await;
        assert_eq!(verdict, (200, "0".into()), "{size} bytes in chunks of {chunks:?}");
        let seen = upstream.only();
        assert!(seen.complete && seen.body.content == body, "{size} bytes in chunks of {chunks:?}");
    }
    let verdict = send_raw(&gateway, &in_chunks(setuserid(APP), b"", &[1])).await;
    assert_eq!(verdict, (200, "0".into()), "an empty body in chunks");
    assert!(upstream.only().body.content.is_empty());
}

#[tokio::test]
async fn one_byte_more_than_the_limit_is_413() {
    let (upstream, gateway) = with_customer().await;
    let body = json_of(LIMIT + 1);
    let answer = gateway.ask(&json_post(body.clone())).await;
    assert_eq!(answer.verdict(), (413, "4".into()));
    assert_eq!(send_raw(&gateway, &in_chunks(setuserid(APP), &body, &[4096])).await, (413, "4".into()));
    assert_eq!(send_raw(&gateway, &in_chunks(setuserid(APP), &body, &[LIMIT, 1])).await, (413, "4".into()));
    assert_eq!(upstream.count(), 0);
    gateway.counted("rtms_rejections_total", &[("reason", "body_too_large")], 3).await;
}

#[tokio::test]
async fn elsewhere_a_body_of_any_size_streams_through() {
    let (upstream, gateway) = with_customer().await;
    for size in [1, LIMIT + 1, 10 * 1024 * 1024] {
        let body = bytes_of(size);
        let answer = gateway.ask(&post(plain(APP), body.clone()).token(tokens::good())).await;
        assert_eq!(answer.verdict(), (200, "0".into()), "{size} bytes");
        let seen = upstream.only();
        assert!(seen.complete && seen.body.content == body, "{size} bytes with a length");

        let verdict = send_raw(&gateway, &in_chunks(plain(APP), &body, &[1, 8191, 65_536])).await;
        assert_eq!(verdict, (200, "0".into()), "{size} bytes in chunks");
        let seen = upstream.only();
        assert!(seen.complete && seen.body.content == body, "{size} bytes in chunks");
    }
}

#[tokio::test]
async fn large_answers_stream_back_byte_for_byte() {
    let (upstream, gateway) = with_customer().await;
    let body = bytes_of(10 * 1024 * 1024);
    let answer = crate::support::upstream::Behaviour::Answer("200 OK", Vec::new(), body.clone());
    upstream.behave(answer);
    let got = gateway.ask(&get(plain(APP)).token(tokens::good())).await;
    assert!(got.status == 200 && got.body == body, "{} bytes", got.body.len());
}

#[tokio::test]
async fn a_rejected_upload_is_never_a_whole_request_upstream() {
    let (upstream, gateway) = with_customer().await;
    let body = bytes_of(1024 * 1024);
    let answer = gateway.ask(&post(plain(APP), body).token("wrong")).await;
    assert_eq!(answer.verdict(), (401, "38".into()));
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn expect_100_continue_is_answered_once_the_token_is_good_and_not_forwarded() {
    let (upstream, gateway) = with_customer().await;
    // Over one connection: it is as good afterwards as after any other request.
    let mut client = gateway.connect().await;
    for target in [set_user(APP, USER), post(plain(APP), "body")] {
        let whole = target.clone().token(tokens::good()).header("Expect: 100-continue").bytes(client.host());
        let end = whole.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        let (head, body) = whole.split_at(end);
        client.send(head).await;
        let interim = client.head().await.expect("an interim answer");
        assert_eq!(interim.word(1), "100");
        client.send(body).await;
        assert_eq!(client.response().await.expect("an answer").verdict(), (200, "0".into()));
        let seen = upstream.only();
        assert_eq!(seen.head.all("Expect"), Vec::<&str>::new());
        assert_eq!(seen.body.content, body);
    }
    // Nobody is asked for a body that won't be used.
    let mut client = gateway.connect().await;
    let request = set_user(APP, USER).token("wrong").header("Expect: 100-continue").bytes(client.host());
    let end = request.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    client.send(&request[..end]).await;
    let answer = client.response().await.expect("an answer");
    assert_eq!((answer.verdict(), answer.interim), ((401, "38".into()), vec![]));
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_408() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().set("/limits/body_read_timeout", "300ms".into()).start().await;
    let mut client = gateway.connect().await;
    let request = set_user(APP, USER).token(tokens::good()).bytes(client.host());
    client.send(&request[..request.len() - 1]).await;
    assert_eq!(client.response().await.expect("an answer").verdict(), (408, "4".into()));
    assert_eq!(upstream.count(), 0);
    gateway.counted("rtms_rejections_total", &[("reason", "body_timeout")], 1).await;
}

#[tokio::test]
async fn encrypted_bodies_are_counted_or_refused_with_whatever_stands_beside() {
    let own = format!(r#"{{"userId":"{USER}","encrypted":"x"}}"#);
    let foreign = r#"{"userId":"another","encrypted":"x"}"#.to_owned();
    let bodies = [(r#"{"encrypted":"x"}"#.to_owned(), 200), (own, 200), (foreign, 401)];
    for (reject, counted) in [(false, 1), (true, 1)] {
        let upstream = Upstream::start().await;
        let setting = if reject { "reject" } else { "allow" };
        let gateway = gateway(&upstream).customer().set("/auth/encrypted_bodies", setting.into()).start().await;
        for (body, status) in &bodies {
            let answer = gateway.ask(&json_post(body.clone().into_bytes())).await;
            assert_eq!(answer.status, if reject { 401 } else { *status }, "{setting}: {body}");
        }
        assert_eq!(upstream.count(), if reject { 0 } else { 2 });
        gateway.counted("rtms_encrypted_bodies_total", &[], counted).await;
    }
}
