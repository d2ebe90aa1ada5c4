//! TLS listeners: HTTP/1.1 and HTTP/2, client certificates.

use serde_json::json;

use crate::support::client::{get, set_user};
use crate::support::gateway::{Gateway, gateway};
use crate::support::h2::H2;
use crate::support::tls::{Authority, Handshake};
use crate::support::upstream::{SUCCESS, Upstream};
use crate::support::{APP, USER, plain, setuserid, tokens};

const INVALID: &str = r#"{"code":"38","status":"Invalid token"}"#;

/// A gateway whose only listener speaks TLS; client certificates of `clients` in this mode.
async fn with_tls(upstream: &Upstream, authority: &Authority, clients: Option<(&Authority, &str)>) -> Gateway {
    let identity = authority.identity("127.0.0.1");
    let mut tls = json!({ "cert": "server.pem", "key": "server.key", "http2": true });
    let mut builder = gateway(upstream).customer();
    if let Some((clients, mode)) = clients {
        tls["client_auth"] = json!({ "ca": "clients.pem", "mode": mode });
        builder = builder.file("clients.pem", clients.pem());
    }
    builder
        .file("server.pem", identity.cert)
        .file("server.key", identity.key)
        .set("/listeners/0/tls", tls)
        .start()
        .await
}

/// A connection that speaks HTTP/2.
async fn http_2(authority: &Authority, gateway: &Gateway) -> H2 {
    let handshake = Handshake::trusting(authority).protocols(&["h2"]);
    let (client, protocol) = handshake.connect(gateway.address()).await.unwrap();
    assert_eq!(protocol, "h2");
    H2::start(client).await
}

#[tokio::test]
async fn http_1_1_over_tls_is_judged_and_forwarded() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("a test authority");
    let gateway = with_tls(&upstream, &authority, None).await;
    let (mut client, protocol) = Handshake::trusting(&authority).connect(gateway.address()).await.unwrap();
    assert_eq!(protocol, "http/1.1");
    assert_eq!(client.ask(&set_user(APP, USER).token(tokens::good())).await.text(), SUCCESS);
    assert_eq!(client.ask(&get(plain(APP)).token("wrong")).await.text(), INVALID);
    assert_eq!(upstream.only().head.get("X-Forwarded-Proto"), Some("https"));
}

#[tokio::test]
async fn http_2_is_agreed_on_and_judged_alike() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("a test authority");
    let gateway = with_tls(&upstream, &authority, None).await;
    let handshake = Handshake::trusting(&authority).protocols(&["h2", "http/1.1"]);
    let (client, protocol) = handshake.connect(gateway.address()).await.unwrap();
    assert_eq!(protocol, "h2");
    let mut h2 = H2::start(client).await;
    let bearer = format!("Bearer {}", tokens::good());
    let body = format!(r#"{{"userId":"{USER}"}}"#);
    let json = ("content-type", "application/json");

    let good = h2.ask("POST", &setuserid(APP), &[("authorization", &bearer), json], body.as_bytes()).await;
    assert_eq!((good.status, good.body.as_slice()), (200, SUCCESS.as_bytes()), "{good:?}");
    let seen = upstream.only();
    assert_eq!((seen.method(), seen.target()), ("POST", setuserid(APP).as_str()));
    assert_eq!(seen.body.content, body.as_bytes());
    assert_eq!(seen.head.get("Host"), Some(gateway.address().to_string().as_str()));
    assert_eq!(seen.head.get("X-Rtms-User-Id"), Some(USER));

    let wrong = h2.ask("POST", &setuserid(APP), &[("authorization", "Bearer x"), json], body.as_bytes()).await;
    assert_eq!((wrong.status, wrong.body.as_slice()), (401, INVALID.as_bytes()), "{wrong:?}");
    assert_eq!(wrong.field("www-authenticate"), Some(r#"Bearer realm="rtms", error="invalid_token""#));
    assert_eq!(wrong.field("cache-control"), Some("no-store"));
    let other = h2.ask("POST", &setuserid(APP), &[("authorization", &bearer), json], br#"{"userId":"x"}"#).await;
    assert_eq!((other.status, other.body.as_slice()), (401, INVALID.as_bytes()), "{other:?}");
    let missing = h2.ask("GET", &plain(APP), &[], b"").await;
    assert_eq!(missing.status, 401, "{missing:?}");
    assert_eq!(upstream.count(), 0);
    let again = h2.ask("GET", &plain(APP), &[("authorization", &bearer)], b"").await;
    assert_eq!(again.status, 200, "the connection goes on after rejections: {again:?}");
}

#[tokio::test]
async fn a_doubled_slash_over_http_2_keeps_its_authority() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("a test authority");
    let gateway = with_tls(&upstream, &authority, None).await;
    let mut h2 = http_2(&authority, &gateway).await;
    let bearer = format!("Bearer {}", tokens::good());
    let doubled = plain(APP).replacen("/api", "//api", 1);
    let answer = h2.ask("GET", &doubled, &[("authorization", &bearer)], b"").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = upstream.only();
    assert_eq!(seen.target(), plain(APP));
    let host = gateway.address().to_string();
    assert_eq!((seen.head.get("Host"), seen.head.get("X-Forwarded-Host")), (Some(&*host), Some(&*host)));
}

#[tokio::test]
async fn a_body_over_http_2_ends_once_upstream_however_its_frames_end_it() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("a test authority");
    let gateway = with_tls(&upstream, &authority, None).await;
    let mut h2 = http_2(&authority, &gateway).await;
    let bearer = format!("Bearer {}", tokens::good());
    let bodies: [&[&[u8]]; 6] = [&[b"hi"], &[b"hi", b""], &[b""], &[b"", b"hi"], &[b"h", b"", b"i", b""], &[b"", b""]];
    for path in [plain(APP), "/public/x".to_owned(), plain("AP09092338")] {
        for pieces in bodies {
            let answer = h2.ask_in_pieces(("POST", &path), &[("authorization", &bearer)], pieces).await;
            // The next request uses the same connection upstream: a byte too many would be in front of it.
            let after = h2.ask("GET", &plain(APP), &[("authorization", &bearer)], b"").await;
            assert_eq!(after.status, 200, "{path} {pieces:?}: {after:?}");
            let seen = upstream.take();
            let last = seen.last().expect("the request after");
            assert!(last.head.bytes.starts_with(b"GET "), "{path} {pieces:?}: {:?}", last.head.bytes);
            if answer.status == 200 {
                assert_eq!((seen.len(), &seen[0].body.content), (2, &pieces.concat()), "{path} {pieces:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_client_certificate_may_be_required() {
    let upstream = Upstream::start().await;
    let (authority, clients, strangers) =
        (Authority::new("servers"), Authority::new("clients"), Authority::new("strangers"));
    let gateway = with_tls(&upstream, &authority, Some((&clients, "require"))).await;
    let [member, stranger] = [&clients, &strangers].map(|authority| authority.identity("somebody.test"));

    let none = Handshake::trusting(&authority).connect(gateway.address()).await;
    assert!(none.is_err(), "no certificate, no connection");
    let wrong = Handshake::trusting(&authority).identity(&stranger).connect(gateway.address()).await;
    assert!(wrong.is_err(), "a certificate of another authority");
    let (mut client, _) = Handshake::trusting(&authority).identity(&member).connect(gateway.address()).await.unwrap();
    assert_eq!(client.ask(&get(plain(APP)).token(tokens::good())).await.status, 200);
    // A certificate is no token.
    assert_eq!(client.ask(&get(plain(APP))).await.verdict(), (401, "39".into()));
}

#[tokio::test]
async fn a_client_certificate_may_be_optional_but_never_a_wrong_one() {
    let upstream = Upstream::start().await;
    let (authority, clients, strangers) =
        (Authority::new("servers"), Authority::new("clients"), Authority::new("strangers"));
    let gateway = with_tls(&upstream, &authority, Some((&clients, "optional"))).await;
    let stranger = strangers.identity("somebody.test");
    let (mut client, _) = Handshake::trusting(&authority).connect(gateway.address()).await.unwrap();
    assert_eq!(client.ask(&get(plain(APP)).token(tokens::good())).await.status, 200);
    assert!(Handshake::trusting(&authority).identity(&stranger).connect(gateway.address()).await.is_err());
}

#[tokio::test]
async fn plain_http_on_a_tls_listener_gets_nothing() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("a test authority");
    let gateway = with_tls(&upstream, &authority, None).await;
    let mut client = gateway.connect().await;
    let bytes = get(plain(APP)).token(tokens::good()).bytes("h");
    client.send(&bytes).await;
    assert!(client.response().await.is_none_or(|answer| answer.status == 400));
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn cookies_that_came_one_by_one_arrive_as_one_field() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("a test authority");
    let gateway = with_tls(&upstream, &authority, None).await;
    let mut h2 = http_2(&authority, &gateway).await;
    let bearer = format!("Bearer {}", tokens::good());
    let cookies = [("cookie", "a=1"), ("authorization", &bearer), ("cookie", "b=2"), ("cookie", "c=3; d=4")];
    assert_eq!(h2.ask("GET", &plain(APP), &cookies, b"").await.status, 200);
    assert_eq!(upstream.only().head.all("Cookie"), ["a=1; b=2; c=3; d=4"]);
}
