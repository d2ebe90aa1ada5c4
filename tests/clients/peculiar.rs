//! What is peculiar in the traffic of the SDKs: guests, new customers, encrypted and unreadable bodies, uploads, calls
//! without a token, and what isn't rtmsAPI at all.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::calls::{BASE, CALLS, Call, Names, SLASHED, VICTIM, own, shipped, start, token, with_customer};
use crate::support::client::{Request, get, post};
use crate::support::upstream::Upstream;
use crate::support::{APP, USER, poll};

fn call(route: &str) -> &'static Call {
    CALLS.iter().find(|call| call.route == route).unwrap()
}

/// JSON to a path of the customer's app.
fn send(path: &str, body: impl Into<Vec<u8>>) -> Request {
    post(format!("{BASE}/{APP}/{path}"), body).header("Content-Type: application/json")
}

#[tokio::test]
async fn a_guest_logs_in_under_a_client_id_that_still_names_the_user_before() {
    let (upstream, gateway) = start().await;
    for before in [VICTIM, "guest-1", SLASHED, ""] {
        for call in CALLS.iter().filter(|call| call.route == "setuserid") {
            let names = own().with("old_user", before);
            let target = call.target(BASE, &names);
            let answer = gateway.ask(&call.request(&target, &names).token(token(USER))).await;
            assert_eq!(answer.verdict(), (200, "0".into()), "{target} after {before}");
            assert_eq!(upstream.only().body.content, names.fill(call.body).as_bytes());
            // The user before, who has no token of the new one's any more, can't name the new one.
            let answer = gateway.ask(&call.request(&target, &names).token(token("guest-1"))).await;
            assert_eq!(answer.verdict(), (401, "38".into()), "{target} after {before}");
        }
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_user_sets_a_customer_that_its_token_does_not_know_yet() {
    let (upstream, gateway) = start().await;
    let call = call("setcustomerid");
    let target = call.target(BASE, &own());
    for (names, token, passes) in [
        (own(), token(USER), true),
        (own().with("body_customer", "c-78"), token(USER), true),
        (own(), with_customer(), true),
        (own().with("body_customer", "c-78"), with_customer(), false),
        (own().with("client_user", ""), token(USER), false),
        (Names::of(APP, VICTIM), token(USER), false),
    ] {
        let answer = gateway.ask(&call.request(&target, &names).token(token)).await;
        assert_eq!(answer.status == 200, passes, "{}", names.fill(call.body));
        assert_eq!(upstream.take().len(), usize::from(passes));
    }
}

#[tokio::test]
async fn a_device_registers_before_it_has_a_user() {
    let (upstream, gateway) = start().await;
    for body in [r#"{"deviceId":"d1","userId":""}"#, r#"{"deviceId":"d1","userId":null}"#, r#"{"deviceId":"d1"}"#] {
        let answer = gateway.ask(&send("register", body).token(token(USER))).await;
        assert_eq!(answer.verdict(), (200, "0".into()), "{body}");
        assert_eq!(upstream.only().body.content, body.as_bytes());
    }
}

#[tokio::test]
async fn an_encrypted_body_passes_wherever_identities_stand_in_the_body() {
    let (upstream, gateway) = start().await;
    let body = r#"{"encrypted":"q83vEjRWeJASNFZ4kBI0VniQ"}"#;
    let in_body = || CALLS.iter().filter(|call| ["client_user", "body_user"].iter().any(|field| call.names(field)));
    for call in in_body() {
        let target = call.target(BASE, &own());
        let request = post(&target, body).header("Content-Type: application/json").token(token(USER));
        assert_eq!(gateway.ask(&request).await.verdict(), (200, "0".into()), "{target}");
        assert_eq!(upstream.only().body.content, body.as_bytes(), "{target}");
    }
    gateway.counted("rtms_encrypted_bodies_total", &[], in_body().count() as u64).await;
    // Not so where it names somebody beside it: a server may read either.
    let both = format!(r#"{{"encrypted":"q83v","userId":"{VICTIM}"}}"#);
    assert_eq!(gateway.ask(&send("setUserId", both).token(token(USER))).await.verdict(), (401, "38".into()));
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_subscription_is_no_json_and_passes_for_what_it_is() {
    let (upstream, gateway) = start().await;
    let body = format!("['{USER}']");
    let target = format!("{BASE}/apps/{APP}/topics/news/users");
    let request = post(&target, body.clone()).header("Content-Type: application/json").token(token(USER));
    assert_eq!(gateway.ask(&request).await.status, 200);
    assert_eq!(upstream.only().body.content, body.as_bytes());
}

#[tokio::test]
async fn a_large_upload_streams_and_arrives_whole() {
    let (upstream, gateway) = start().await;
    let target = format!("{BASE}/media/{APP}/upload?fileName=film.mp4");
    let mut body = b"------b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n".to_vec();
    body.extend((0u32..3 << 20).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()));
    body.extend(b"\r\n------b--\r\n");
    let request = post(target, body.clone()).header("Content-Type: multipart/form-data; boundary=----b");
    let bytes = request.token(token(USER)).bytes("gateway.test");
    let mut client = gateway.connect().await;
    // The upstream is reached before the client has sent half of it: nobody waits for the whole.
    let (first, rest) = bytes.split_at(body.len() / 2);
    client.send(first).await;
    poll::until_true("the upload reaches the upstream", async || upstream.connections() == 1).await;
    client.send(rest).await;
    assert_eq!(client.response().await.unwrap().verdict(), (200, "0".into()));
    let seen = upstream.only();
    assert!(seen.complete && seen.body.content == body, "{} bytes of {}", seen.body.content.len(), body.len());
}

#[tokio::test]
async fn the_start_of_the_sdk_and_its_service_worker_need_no_token() {
    let (upstream, gateway) = start().await;
    for call in CALLS.iter().filter(|call| !call.token) {
        let target = call.target(BASE, &own());
        // Nor is one that they send all the same their business, good or bad.
        for authorization in ["", "Bearer x", "Basic dXNlcjpwYXNz"] {
            let request = call.request(&target, &own()).header(format!("Authorization: {authorization}"));
            assert_eq!(gateway.ask(&request).await.status, 200, "{target} {authorization}");
            let seen = upstream.only();
            assert_eq!(seen.target(), target);
            assert_eq!(seen.head.get("X-Rtms-App-Id"), None);
        }
        // Only reading is free.
        let answer = gateway.ask(&call.request(&target, &own()).method("POST")).await;
        assert_eq!((answer.status, answer.header("Allow")), (405, Some("GET, HEAD")), "{target}");
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn an_oauth_token_is_asked_for_by_an_encoded_user_unless_it_holds_a_slash() {
    let (upstream, gateway) = start().await;
    for (user, encoded, verdict) in [
        ("WwopGfQ==", "WwopGfQ%3D%3D", (200, "0")),
        ("ann@shop.example", "ann%40shop.example", (200, "0")),
        ("J\u{fc}rgen M", "J%C3%BCrgen%20M", (200, "0")),
        (SLASHED, "WwopGf%2FQ%3D%3D", (400, "4")),
        (USER, "WwopGfQ%3D%3D", (401, "38")),
    ] {
        let target = format!("{BASE}/apps/{APP}/user/{encoded}/oauth/token");
        let answer = gateway.ask(&get(&target).token(token(user))).await;
        assert_eq!(answer.verdict(), (verdict.0, verdict.1.into()), "{target}");
        let arrived: Vec<String> = upstream.take().iter().map(|seen| seen.target().to_owned()).collect();
        assert_eq!(arrived, if verdict.0 == 200 { vec![target] } else { vec![] });
    }
}

/// What the same host may serve beside rtmsAPI.
fn beside() -> [Request; 3] {
    [
        post("/oauth/token", "grant_type=client_credentials").header("Authorization: Basic dXNlcjpwYXNz"),
        get("/livechats/conversations/1").header("Authorization: Bearer an.other.kind"),
        get("/livechats").header("Authorization: Bearer an.other.kind"),
    ]
}

#[tokio::test]
async fn what_is_not_rtmsapi_is_unknown_to_the_shipped_routes() {
    let (upstream, gateway) = start().await;
    for request in beside() {
        assert_eq!(gateway.ask(&request).await.verdict(), (404, "4".into()), "{request:?}");
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_copy_of_the_shipped_routes_may_add_what_the_same_host_serves_beside() {
    let upstream = Upstream::start().await;
    let yaml = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/rtms.yaml")).unwrap();
    let table: Value = serde_saphyr::from_str(&yaml).unwrap();
    let mut routes = table["routes"].as_array().unwrap().clone();
    routes.push(json!({ "name": "oauth", "path": "/oauth/token", "auth": "none" }));
    routes.push(json!({ "name": "livechats", "path": "/livechats/{rest*}", "auth": "none" }));
    let gateway = shipped(&upstream).set("/routes", routes.into()).start().await;
    for request in beside() {
        assert_eq!(gateway.ask(&request).await.status, 200, "{request:?}");
        assert!(upstream.only().head.get("Authorization").is_some());
    }
    let call = call("setuserid");
    let target = call.target(BASE, &own());
    assert_eq!(gateway.ask(&call.request(&target, &own())).await.verdict(), (401, "39".into()));
}
