//! Who may use the API: tokens and scopes, guessing, TLS and client certificates.

use serde_json::{Value, json};

use crate::support::client::{Client, get, post};
use crate::support::gateway::gateway;
use crate::support::gateway::profiles::{READER, WRITER, call, call_with};
use crate::support::mongo::Mongo;
use crate::support::tls::{Authority, Handshake, Identity};
use crate::support::upstream::Upstream;

const SECRET: &str = "a-secret-of-at-least-32-bytes-length";

#[tokio::test]
async fn reading_and_writing_need_a_token_of_that_scope() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    let body = json!({"appId": "TR1", "jwt_secretkey": SECRET}).to_string();
    let read = |token: &str| get("/api/v1/apps").token(token);
    let write = |token: &str| post("/api/v1/apps", body.as_str()).token(token).header("Content-Type: application/json");

    let missing = gateway.call(&get("/api/v1/apps")).await;
    assert_eq!(missing.verdict(), (401, "39".into()));
    assert_eq!(missing.header("www-authenticate"), Some("Bearer realm=\"rtms\""));
    let wrong = gateway.call(&read("nobody")).await;
    assert_eq!(wrong.verdict(), (401, "38".into()));
    assert_eq!(wrong.header("www-authenticate"), Some("Bearer realm=\"rtms\", error=\"invalid_token\""));
    let scope = gateway.call(&write(READER)).await;
    assert_eq!(scope.verdict(), (403, "4".into()));
    assert!(scope.header("www-authenticate").is_some_and(|c| c.contains("insufficient_scope")));

    assert_eq!(gateway.call(&read(READER)).await.status, 200);
    assert_eq!(gateway.call(&write(WRITER)).await.status, 201);
    // What would be wrong with the request isn't told to whoever may not make it.
    for path in ["apps?limit=0", "apps/no%20app"] {
        assert_eq!(gateway.call(&get(format!("/api/v1/{path}"))).await.status, 401);
    }
    // The description has no secrets.
    let document: Value = serde_json::from_slice(&gateway.call(&get("/api/v1/openapi.json")).await.body).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}

#[tokio::test]
async fn guessing_ends_in_429_even_for_a_good_token() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    let mut client = Client::connect(gateway.profiles()).await;
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(client.ask(&get("/api/v1/apps").token("guess")).await.status);
    }
    assert_eq!(statuses[..10], [401; 10]);
    assert_eq!(statuses[19], 429);
    let good = client.ask(&call("GET", "apps")).await;
    assert_eq!(good.verdict(), (429, "4".into()));
    let wait: u64 = good.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3).contains(&wait), "{wait}");
    // The denied are told of, and the throttled don't fill the log.
    let denied = gateway.printed().matches("unknown token").count();
    assert!((10..=12).contains(&denied), "{denied}");
}

#[tokio::test]
async fn the_listener_speaks_tls_and_asks_for_certificates() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
    let server = authority.identity("127.0.0.1");
    let tls = json!({"cert": "admin.pem", "key": "admin.key", "client_auth": {"ca": "clients.pem"}});
    let gateway = gateway(&upstream)
        .mongo(&mongo)
        .profiles()
        .file("admin.pem", server.cert)
        .file("admin.key", server.key)
        .file("clients.pem", clients.pem())
        .set("/profiles/tls", tls)
        .start()
        .await;
    let connect = async |identity: Option<&Identity>| {
        let handshake = Handshake::trusting(&authority);
        let handshake = if let Some(identity) = identity { handshake.identity(identity) } else { handshake };
        handshake.connect(gateway.profiles()).await
    };
    let body = json!({"appId": "TR1", "jwt_secretkey": SECRET});
    let (mut client, _) = connect(Some(&clients.identity("operator"))).await.expect("a known certificate");
    assert_eq!(client.ask(&call_with("POST", "apps", &body)).await.status, 201);
    assert_eq!(client.ask(&get("/api/v1/apps")).await.status, 401, "a certificate is no token");
    assert!(connect(None).await.is_err(), "no certificate");
    assert!(connect(Some(&authority.identity("operator"))).await.is_err(), "somebody else's certificate");
    let mut plain = Client::connect(gateway.profiles()).await;
    plain.send(&call("GET", "apps").bytes("h")).await;
    assert!(plain.response().await.is_none_or(|answer| answer.status == 400), "plain HTTP");
    let (_, protocol) = Handshake::trusting(&authority)
        .identity(&clients.identity("operator"))
        .protocols(&["h2", "http/1.1"])
        .connect(gateway.profiles())
        .await
        .expect("a known certificate");
    assert_eq!(protocol, "h2");
}

#[tokio::test]
async fn a_client_that_asks_nothing_is_let_go() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    // Silence, the beginning of either protocol, and an HTTP/2 connection without a request.
    let beginnings: [&[u8]; 4] = [
        b"",
        b"GET /api/v1/apps HTTP/1.1\r\nHost: ",
        b"PRI * HTTP/2.0\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ];
    let ends = beginnings.map(async |beginning| {
        let mut client = Client::connect(gateway.profiles()).await;
        client.send(beginning).await;
        client.closed().await
    });
    assert_eq!(futures_util::future::join_all(ends).await, [true; 4]);
}

#[tokio::test]
async fn every_attempt_is_told_once_and_counted() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    let good = json!({"appId": "TR1", "jwt_secretkey": SECRET});
    let as_reader = get("/api/v1/apps/TR1").method("DELETE").token(READER);
    let attempts = [
        (call_with("POST", "apps", &good), 201),
        (call_with("POST", "apps?wait=never", &good), 400),
        (call_with("POST", "apps", &json!({"appId": "TR1", "jwt_secretkey": "short"})), 400),
        (call_with("PATCH", "apps/TR1", &json!([])), 400),
        (call_with("POST", "apps/TR1/rotate", &json!({"overlap": "24h"})), 400),
        (call("DELETE", "apps/%ff"), 404),
        (call_with("POST", "apps/TR1/disable", &json!({"why": "x"})), 400),
        (as_reader, 403),
        (call("GET", "apps/%ff"), 404),
    ];
    for (request, status) in &attempts {
        assert_eq!(gateway.called(request, *status).await["code"].is_string(), *status != 201, "JSON");
    }
    let lines = gateway.audit();
    let told: Vec<_> = lines
        .iter()
        .map(|line| (line["who"].as_str().unwrap(), line["what"].as_str().unwrap_or("denied"), line["status"].as_u64()))
        .collect();
    let expected = [
        ("writer", "create", Some(201)),
        ("writer", "create", Some(400)),
        ("writer", "create", Some(400)),
        ("writer", "change", Some(400)),
        ("writer", "rotate", Some(400)),
        ("writer", "delete", Some(404)),
        ("writer", "disable", Some(400)),
        ("reader", "denied", None),
    ];
    assert_eq!(told, expected, "{lines:?}");
    let metrics = gateway.metrics().await;
    let count =
        |call: &str, status: &str| metrics.count("rtms_profiles_requests_total", &[("call", call), ("status", status)]);
    assert_eq!((count("create", "201"), count("create", "400"), count("delete", "403")), (1, 2, 1));
    assert_eq!((count("delete", "404"), count("read", "404")), (1, 1));
}
