//! Whoever has no secret can't tell apps apart: an unknown one, a disabled one, one that makes no sense and one whose
//! secret the sender doesn't have are answered alike, byte for byte.

use serde_json::json;

use crate::support::client::{Client, Request, post};
use crate::support::gateway::{Builder, Gateway, gateway};
use crate::support::h2::H2;
use crate::support::tls::{Authority, Handshake};
use crate::support::tokens;
use crate::support::upstream::Upstream;
use crate::support::{APP, SECRET, USER};

/// Apps that a stranger's token opens as little as one that doesn't exist.
const APPS: [&str; 7] = [APP, "TR_ROTATED", "TR_LAPSED", "TR_DISABLED", "TR_UNUSABLE", "TR_TWICE", "TR_UNKNOWN"];

/// Headers that differ from answer to answer.
const OF_THE_MOMENT: [&str; 2] = ["x-request-id", "date"];

/// An answer but for what differs from one to the next: status, header fields in their order, body.
type Answer = (u16, Vec<(String, String)>, Vec<u8>);

fn with_all_apps(upstream: &Upstream) -> Builder {
    let rotated = |id: &str, until: &str| {
        json!({ "appId": id, "jwt_secretkey": SECRET, "jwt_secretkey_previous": "another-secret-of-more-than-32-bytes",
                "previous_expires_at": until })
    };
    gateway(upstream)
        .customer()
        .document(rotated("TR_ROTATED", "2999-01-01T00:00:00Z"))
        .document(rotated("TR_LAPSED", "1999-01-01T00:00:00Z"))
        .document(json!({ "appId": "TR_DISABLED", "jwt_secretkey": SECRET, "disabled": true }))
        .document(json!({ "appId": "TR_UNUSABLE", "jwtSecretKey": SECRET }))
        .app("TR_TWICE", SECRET)
        .app("TR_TWICE", SECRET)
}

/// A call of the form that the route's answers have: `app` for the standard one, `sdk` for the SDKs'.
fn call(form: &str, app: &str, token: &str) -> Request {
    let body = format!(r#"{{"userId":"{USER}"}}"#);
    let request = post(format!("/rtmsAPI/api/v1/{form}/{app}/setuserid"), body).header("Origin: https://a.example");
    request.header("Content-Type: application/json").token(token)
}

/// Tokens that nobody's secret made.
fn strangers_tokens(app: &str) -> Vec<(&'static str, String)> {
    let claims = |more: &str| tokens::claims(format!(r#"{{"appId":"{app}","userId":"{USER}"{more}}}"#));
    let foreign = |more: &str| claims(more).secret("nobody's").mint();
    vec![
        ("a foreign signature", foreign("")),
        ("a long token", foreign(&format!(r#","x":"{}""#, "x".repeat(5000)))),
        ("an expired one", foreign(r#","exp":1"#)),
        ("the key that stands in for a missing one", claims("").secret("no app has this key").mint()),
        ("no signature", foreign("").rsplit_once('.').map_or_else(String::new, |(signed, _)| format!("{signed}."))),
        ("another algorithm", claims("").header(r#"{"alg":"none"}"#).mint()),
        ("no token at all", "x".to_owned()),
    ]
}

fn lasting(fields: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let blank = |name: &String| OF_THE_MOMENT.contains(&name.to_ascii_lowercase().as_str());
    fields.map(|(name, value)| if blank(&name) { (name, String::new()) } else { (name, value) }).collect()
}

async fn over_http_1(client: &mut Client, request: &Request) -> Answer {
    let answer = client.ask(request).await;
    (answer.status, lasting(answer.head.headers.into_iter()), answer.body)
}

async fn over_http_2(gateway: &Gateway, authority: &Authority, request: &Request) -> Answer {
    let handshake = Handshake::trusting(authority).protocols(&["h2"]);
    let (client, _) = handshake.connect(gateway.second_address()).await.expect("a handshake");
    let (fields, body) = request.fields("gateway.test").expect("a request that HTTP/2 can say");
    let fields: Vec<(&[u8], &[u8])> = fields.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
    let answer = H2::start(client).await.send(&fields, &[&body]).await;
    (answer.status, lasting(answer.fields.into_iter()), answer.body)
}

fn headers<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    let (_, fields, _) = answer;
    fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
}

#[tokio::test]
async fn a_stranger_is_answered_alike_whatever_the_app_is() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("a test authority");
    let identity = authority.identity("127.0.0.1");
    let builder = with_all_apps(&upstream).set("/cors", json!({ "allowed_origins": ["https://a.example"] }));
    let tls = json!({ "cert": "server.pem", "key": "server.key", "http2": true });
    let builder = builder.listener(json!({ "tls": tls }));
    let gateway = builder.file("server.pem", identity.cert).file("server.key", identity.key).start().await;
    let mut client = gateway.connect().await;
    for (form, status, body) in [
        ("app", 401, r#"{"code":"38","status":"Invalid token"}"#),
        ("sdk", 200, r#"{"code":38,"status":"Invalid token","description":"Invalid token"}"#),
    ] {
        // The answer that all others must be.
        let reference = call(form, APP, &strangers_tokens(APP)[0].1);
        let first = over_http_1(&mut client, &reference).await;
        let framed = over_http_2(&gateway, &authority, &reference).await;
        for answer in [&first, &framed] {
            assert_eq!((answer.0, answer.2.as_slice()), (status, body.as_bytes()), "{form}");
            assert_eq!(headers(answer, "Cache-Control"), ["no-store"], "{form}");
            assert_eq!(headers(answer, "Vary"), ["Origin"], "{form}");
            assert_eq!(headers(answer, "WWW-Authenticate").len(), usize::from(form == "app"), "{form}");
        }
        for app in APPS {
            for (name, token) in strangers_tokens(app) {
                let request = call(form, app, &token);
                // One connection for all: it stays open after each of them, too.
                assert_eq!(over_http_1(&mut client, &request).await, first, "{form}, {app}: {name}, HTTP/1.1");
                assert_eq!(over_http_2(&gateway, &authority, &request).await, framed, "{form}, {app}: {name}, HTTP/2");
            }
        }
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_stranger_waits_for_no_answer_longer_than_for_another() {
    let upstream = Upstream::start().await;
    let gateway = with_all_apps(&upstream).start().await;
    let mut client = gateway.connect().await;
    let requests = APPS.map(|app| call("app", app, &strangers_tokens(app)[1].1));
    let mut best = APPS.map(|_| std::time::Duration::MAX);
    let alike = |best: &[std::time::Duration]| best.iter().max() < best.iter().min().map(|least| *least * 2).as_ref();
    // Taking turns over one connection, and the best of each: what else the machine does hits all alike. On a busy
    // machine the best takes its time to come; a difference that is there doesn't go away.
    for round in 0..1000 {
        if round > 40 && alike(&best) {
            break;
        }
        for (request, best) in requests.iter().zip(&mut best) {
            let started = std::time::Instant::now();
            assert_eq!(client.ask(request).await.status, 401);
            *best = (*best).min(started.elapsed());
        }
    }
    assert!(alike(&best), "{:?}", APPS.iter().zip(best).collect::<Vec<_>>());
}
