//! Headers: what the upstream is told, and what a client can't make it believe.

use serde_json::json;

use crate::support::client::{Request, get, set_user};
use crate::support::gateway::gateway;
use crate::support::upstream::{Behaviour, Recorded, Upstream};
use crate::support::{APP, SECRET, USER, plain, tokens};

/// The identity headers that arrived: every name that an upstream could fold into `X-Rtms-*`.
fn identities(seen: &Recorded) -> Vec<(String, String)> {
    let folded = |name: &str| name.to_ascii_lowercase().replace(['_', '.'], "-");
    let found = seen.head.headers.iter().filter(|(name, _)| folded(name).starts_with("x-rtms"));
    let mut found: Vec<_> = found.map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    found.sort();
    found
}

fn expected(app: &str, user: Option<&str>, customer: Option<&str>) -> Vec<(String, String)> {
    let fields = [("x-rtms-app-id", Some(app)), ("x-rtms-customer-id", customer), ("x-rtms-user-id", user)];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect()
}

/// Every spelling of an identity header that some upstream reads as one.
fn spoofed(request: Request) -> Request {
    let names = [
        "X-Rtms-App-Id",
        "x-rtms-app-id",
        "X_Rtms_App_Id",
        "X.Rtms.App.Id",
        "x-rtms_user.id",
        "X-RTMS-USER-ID",
        "X-Rtms-Customer-Id",
        "X_RTMS-Anything",
        "x-rtms-",
    ];
    names.into_iter().fold(request, |request, name| request.header(format!("{name}: evil")))
}

#[tokio::test]
async fn the_upstream_is_told_what_the_token_vouches_for() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let plain = |claims: &str| get(plain(APP)).token(tokens::claims(claims).mint());
    let cases = [
        (r#"{"appId":"TR21063826","userId":"u1"}"#, Some("u1"), None),
        (r#"{"appId":"TR21063826","appUserId":"u2"}"#, Some("u2"), None),
        (r#"{"appId":"TR21063826","customerId":"c1"}"#, None, Some("c1")),
        (r#"{"appId":"TR21063826","userId":"u1","customerId":"c1"}"#, Some("u1"), Some("c1")),
        (r#"{"appId":"TR21063826","userId":"zo\u00eb %/~"}"#, Some("zo%C3%AB%20%25/~"), None),
    ];
    for (claims, user, customer) in cases {
        assert_eq!(gateway.ask(&plain(claims)).await.verdict(), (200, "0".into()), "{claims}");
        assert_eq!(identities(&upstream.only()), expected(APP, user, customer), "{claims}");
    }
}

#[tokio::test]
async fn spoofed_copies_are_removed_in_every_spelling() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().document(json!({ "appId": "TR_OPEN" })).start().await;
    gateway.ask(&spoofed(get(plain(APP)).token(tokens::good()))).await;
    assert_eq!(identities(&upstream.only()), expected(APP, Some(USER), None), "a judged request");
    gateway.ask(&spoofed(set_user(APP, USER).token(tokens::good()))).await;
    assert_eq!(identities(&upstream.only()), expected(APP, Some(USER), None), "a judged request with a body");
    gateway.ask(&spoofed(get(plain("TR_OPEN")))).await;
    assert_eq!(identities(&upstream.only()), [], "an open app");
    gateway.ask(&spoofed(get("/public/x"))).await;
    assert_eq!(identities(&upstream.only()), [], "an exempt route");
    let preflight =
        get(plain(APP)).method("OPTIONS").header("Origin: https://e").header("Access-Control-Request-Method: GET");
    gateway.ask(&spoofed(preflight)).await;
    assert_eq!(identities(&upstream.only()), [], "a preflight");
}

#[tokio::test]
async fn a_client_cannot_nominate_identity_headers_away() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let nominating =
        get(plain(APP)).token(tokens::good()).header("Connection: X-Rtms-App-Id, X-Rtms-User-Id, X-Request-Id");
    gateway.ask(&nominating).await;
    let seen = upstream.only();
    assert_eq!(identities(&seen), expected(APP, Some(USER), None));
    assert!(seen.head.get("X-Request-Id").is_some());
}

#[tokio::test]
async fn spoofed_trailers_never_arrive() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let mut client = gateway.connect().await;
    let head = get(plain(APP)).method("POST").token(tokens::good()).header("Transfer-Encoding: chunked");
    let mut bytes = head.header("Trailer: X-Rtms-User-Id").bytes("h");
    bytes.extend(b"4\r\nbody\r\n0\r\nX-Rtms-User-Id: evil\r\nx_rtms_app_id: evil\r\n\r\n");
    client.send(&bytes).await;
    let answer = client.response().await.expect("an answer");
    let seen = upstream.take();
    let trailers = seen.iter().map(|r| String::from_utf8_lossy(&r.body.trailers).to_lowercase()).collect::<String>();
    assert!(!trailers.contains("rtms"), "{} {trailers}", answer.status);
    assert!(seen.iter().all(|r| r.body.content == b"body"));
}

#[tokio::test]
async fn a_request_id_is_kept_if_it_is_sound_and_stands_on_every_answer() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let with = |id: &str| get(plain(APP)).token(tokens::good()).header(format!("X-Request-Id: {id}"));
    let long = "a".repeat(64);
    for id in ["a-Sound.id_7", long.as_str()] {
        let answer = gateway.ask(&with(id)).await;
        assert_eq!((answer.header("X-Request-Id"), upstream.only().head.get("X-Request-Id")), (Some(id), Some(id)));
    }
    let longer = "a".repeat(65);
    for id in ["", "not sound", "a;b", longer.as_str(), "\u{e9}"] {
        let answer = gateway.ask(&with(id)).await;
        let new = answer.header("X-Request-Id").expect("an id").to_owned();
        assert!(new != id && (1..=64).contains(&new.len()), "{id}: {new}");
        assert_eq!(upstream.only().head.get("X-Request-Id"), Some(new.as_str()), "{id}");
    }
    let nominated = gateway.ask(&with("sound").header("Connection: X-Request-Id")).await;
    assert_eq!(
        (nominated.header("X-Request-Id"), upstream.only().head.get("X-Request-Id")),
        (Some("sound"), Some("sound"))
    );
    let twice = gateway.ask(&with("one").header("X-Request-Id: two")).await;
    assert_eq!(upstream.only().head.get("X-Request-Id"), twice.header("X-Request-Id"));
    // Rejections too, and two requests have two.
    let ids = [gateway.ask(&get(plain(APP))).await, gateway.ask(&get("/nowhere")).await];
    let ids = ids.map(|answer| answer.header("X-Request-Id").map(str::to_owned));
    assert!(ids.iter().all(Option::is_some) && ids[0] != ids[1], "{ids:?}");
    // What the upstream answers under that name gives way.
    upstream.behave(Behaviour::Answer("200 OK", vec!["X-Request-Id: theirs".into()], b"{}".to_vec()));
    assert_eq!(gateway.ask(&with("ours")).await.header("X-Request-Id"), Some("ours"));
}

#[tokio::test]
async fn forwarded_headers_are_set_afresh_unless_a_trusted_proxy_sent_them() {
    let upstream = Upstream::start().await;
    let request = get(plain(APP))
        .token(tokens::good())
        .header("X-Forwarded-For: 192.0.2.7")
        .header("X-Forwarded-Proto: gopher")
        .header("X-Forwarded-Host: evil.example")
        .header("Forwarded: for=192.0.2.7");
    let fresh = gateway(&upstream).customer().start().await;
    fresh.ask(&request).await;
    let seen = upstream.only();
    assert_eq!(seen.head.get("X-Forwarded-For"), Some("127.0.0.1"));
    assert_eq!(seen.head.get("X-Forwarded-Proto"), Some("http"));
    assert_eq!(seen.head.get("X-Forwarded-Host"), Some(fresh.address().to_string().as_str()));
    assert_eq!(seen.head.get("Forwarded"), None);

    let behind = gateway(&upstream).customer().set("/server/trusted_proxies", json!(["127.0.0.0/8"])).start().await;
    behind.ask(&request).await;
    let seen = upstream.only();
    assert_eq!(seen.head.get("X-Forwarded-For"), Some("192.0.2.7, 127.0.0.1"));
    assert_eq!(seen.head.get("Forwarded"), None);
}

#[tokio::test]
async fn host_target_trace_context_and_other_headers_pass_unchanged() {
    let upstream = Upstream::start().await;
    upstream.behave(Behaviour::Answer(
        "201 Made",
        vec!["Set-Cookie: a=1".into(), "Set-Cookie: b=2".into()],
        b"{}".to_vec(),
    ));
    let gateway = gateway(&upstream).customer().start().await;
    let target = format!("{}?q=%zz;..//\\&userId=evil", plain(APP));
    let parent = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = get(&target).token(tokens::good()).header(parent).header("X-Own: one").header("x-own: two");
    let answer = gateway.ask(&request).await;
    assert_eq!((answer.status, answer.head.all("Set-Cookie")), (201, vec!["a=1", "b=2"]));
    let seen = upstream.only();
    assert_eq!(seen.target(), target);
    assert_eq!(seen.head.get("Host"), Some(gateway.address().to_string().as_str()));
    assert_eq!(seen.head.get("traceparent"), parent.split_once(": ").map(|p| p.1));
    assert_eq!(seen.head.all("X-Own"), ["one", "two"]);
    assert!(seen.head.get("Authorization").is_some_and(|a| a.starts_with("Bearer ")));
    let merged = gateway.ask(&get(format!("//rtmsAPI///api/v1/{APP}//plain/?")).token(tokens::good())).await;
    assert_eq!(merged.status, 201);
    assert_eq!(upstream.only().target(), format!("/rtmsAPI/api/v1/{APP}/plain/?"));
}

#[tokio::test]
async fn a_judged_token_may_be_kept_from_the_upstream() {
    let upstream = Upstream::start().await;
    let open = json!({ "appId": "TR_OPEN" });
    let gateway =
        gateway(&upstream).app(APP, SECRET).document(open).set("/auth/forward_token", json!(false)).start().await;
    gateway.ask(&get(plain(APP)).token(tokens::good())).await;
    assert_eq!(upstream.only().head.get("Authorization"), None);
    // What wasn't judged isn't ours to remove.
    gateway.ask(&get(plain("TR_OPEN")).header("Authorization: Basic YTpi")).await;
    assert_eq!(upstream.only().head.get("Authorization"), Some("Basic YTpi"));
    gateway.ask(&get("/public/x").header("Authorization: Basic YTpi")).await;
    assert_eq!(upstream.only().head.get("Authorization"), Some("Basic YTpi"));
}

#[tokio::test]
async fn a_request_without_a_host_goes_upstream_with_the_peers() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let token = tokens::good();
    // HTTP/1.0 needs none; HTTP/1.1, which is spoken upstream, does, and HTTP/2 needs one that isn't empty.
    for (version, host) in [("1.0", ""), ("1.1", "Host:\r\n")] {
        let head = format!("GET {} HTTP/{version}\r\n{host}Authorization: Bearer {token}\r\n\r\n", plain(APP));
        let mut client = gateway.connect().await;
        client.send(head.as_bytes()).await;
        assert_eq!(client.response().await.expect("an answer").status, 200, "{version}");
        let seen = upstream.only();
        assert!(seen.head.start.ends_with("HTTP/1.1"), "{}", seen.head.start);
        assert_eq!(seen.head.get("Host"), Some(upstream.address().to_string().as_str()), "{version}");
    }
}
