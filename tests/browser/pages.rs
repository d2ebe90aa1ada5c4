//! What pages can read of the gateway's answers and of the upstream's, by their origin.

use serde_json::{Value, json};

use crate::page::{Call, Pages, Seen};
use crate::support::gateway::{Builder, Gateway, gateway};
use crate::support::upstream::{Behaviour, SUCCESS, Upstream};
use crate::support::{APP, SECRET, USER, setuserid, tokens};

/// An upstream whose own CORS policy lets pages of one origin in.
async fn upstream_for(origin: &str) -> Upstream {
    let upstream = Upstream::start().await;
    let headers = vec![
        "Content-Type: application/json".to_owned(),
        format!("Access-Control-Allow-Origin: {origin}"),
        "Access-Control-Allow-Methods: GET, POST, PUT, DELETE".to_owned(),
        "Access-Control-Allow-Headers: authorization, content-type".to_owned(),
        "Access-Control-Expose-Headers: X-Request-Id".to_owned(),
        "Vary: Origin".to_owned(),
    ];
    upstream.behave(Behaviour::Answer("200 OK", headers, SUCCESS.into()));
    upstream
}

/// A gateway with the routes that are shipped, whose own answers pages of one origin may read.
fn open_to(origin: &str, upstream: &Upstream) -> Builder {
    let built = gateway(upstream).set("/routes", Value::Null).customer();
    built.set("/cors", json!({ "allowed_origins": [origin] }))
}

fn url(gateway: &Gateway, path: &str) -> String {
    format!("http://{}{path}", gateway.address())
}

/// The vendor's example.
fn set_user(gateway: &Gateway, user: &str) -> Call {
    let body = format!(r#"{{"clientId":"{APP}/{USER}/v2_22315c49b793ad39","userId":"{user}"}}"#);
    Call::post(url(gateway, &setuserid(APP)), body)
}

/// Calls that are answered: 0, 39, 38 for a signature, 38 for a user, 40, 404, and 39 without a preflight.
fn calls(gateway: &Gateway) -> [Call; 7] {
    let wrong = tokens::of(APP, USER, &SECRET.to_uppercase());
    [
        set_user(gateway, USER).token(tokens::good()),
        set_user(gateway, USER),
        set_user(gateway, USER).token(wrong),
        set_user(gateway, "2315").token(tokens::good()),
        set_user(gateway, USER).token(tokens::expired()),
        Call::get(url(gateway, "/nowhere")),
        Call::get(url(gateway, &format!("/rtmsAPI/api/v2/apps/{APP}/user/{USER}/threads?limit=1"))),
    ]
}

fn code(seen: &Seen) -> Value {
    serde_json::from_str::<Value>(&seen.text).unwrap()["code"].clone()
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_reads_every_code_status_and_challenge() {
    let pages = Pages::start().await;
    let upstream = upstream_for(&pages.origin()).await;
    let gateway = open_to(&pages.origin(), &upstream).start().await;
    let seen = pages.make(&calls(&gateway)).await;
    let (plain, invalid) = (r#"Bearer realm="rtms""#, r#"Bearer realm="rtms", error="invalid_token""#);
    for (at, (status, code_text, challenge)) in [
        (200, "0", None),
        (401, "39", Some(plain)),
        (401, "38", Some(invalid)),
        (401, "38", Some(invalid)),
        (401, "40", Some(invalid)),
        (404, "4", None),
        (401, "39", Some(plain)),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = &seen[at];
        assert_eq!((answer.status, code(answer)), (status, json!(code_text)), "{at}: {answer:?}");
        assert_eq!(answer.header("WWW-Authenticate"), challenge, "{at}");
        assert_eq!(answer.header("Content-Type"), Some("application/json"), "{at}");
        assert!(answer.header("X-Request-Id").is_some_and(|id| !id.is_empty()), "{at}: {answer:?}");
        // The vendor's SDKs don't understand this form: that is what the other one is for.
        assert!(!answer.renews, "{at}");
    }
    // Of the calls with a token or JSON, the preflights arrived; of the calls themselves, only the good one.
    let arrived: Vec<String> = upstream.requests().iter().map(|request| request.method().to_owned()).collect();
    assert_eq!(arrived.iter().filter(|method| *method == "POST").count(), 1, "{arrived:?}");
    assert!(arrived.iter().all(|method| method == "POST" || method == "OPTIONS"), "{arrived:?}");
    assert!(
        upstream.requests().iter().filter(|r| r.method() == "OPTIONS").all(|r| r.head.get("Authorization").is_none())
    );
}

#[tokio::test]
async fn an_sdk_in_a_page_understands_the_form_that_is_meant_for_it() {
    let pages = Pages::start().await;
    let upstream = upstream_for(&pages.origin()).await;
    let gateway = open_to(&pages.origin(), &upstream).set("/auth/rejection", "sdk".into()).start().await;
    let seen = pages.make(&calls(&gateway)).await;
    let codes: Vec<Value> = seen.iter().map(code).collect();
    assert_eq!(codes, [json!("0"), json!(39), json!(38), json!(38), json!(40), json!(4), json!(39)]);
    let statuses: Vec<u16> = seen.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 404, 200]);
    let renews: Vec<bool> = seen.iter().map(|answer| answer.renews).collect();
    assert_eq!(renews, [false, false, true, true, false, false, false]);
    for answer in &seen {
        assert_eq!(answer.header("WWW-Authenticate"), None, "{answer:?}");
        assert!(answer.header("X-Request-Id").is_some(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_page_reads_how_long_to_wait_when_its_app_asks_too_much() {
    let pages = Pages::start().await;
    let upstream = upstream_for(&pages.origin()).await;
    // The next one only after a hundred seconds: no browser is so slow that it waits them out.
    let limit = json!({ "rate": 0.01, "burst": 1 });
    let gateway = open_to(&pages.origin(), &upstream).set("/limits/requests_per_app", limit).start().await;
    let call = set_user(&gateway, USER).token(tokens::good());
    let seen = pages.make(&[call.clone(), call]).await;
    assert_eq!((seen[0].status, seen[1].status, code(&seen[1])), (200, 429, json!("4")), "{seen:?}");
    let wait = seen[1].header("Retry-After").and_then(|seconds| seconds.parse::<u64>().ok());
    assert!(wait.is_some_and(|seconds| (1..=100).contains(&seconds)), "{:?}", seen[1]);
}

#[tokio::test]
async fn a_page_of_another_origin_reads_nothing_at_all() {
    let pages = Pages::start().await;
    let elsewhere = Pages::start().await;
    let upstream = upstream_for(&pages.origin()).await;
    let gateway = open_to(&pages.origin(), &upstream).start().await;
    for answer in elsewhere.make(&calls(&gateway)).await {
        assert_eq!(answer.error.as_deref(), Some("TypeError"), "{answer:?}");
        assert_eq!((answer.status, answer.text.as_str()), (0, ""));
    }
    // Its browser asked, was told no by the upstream, and made none of the calls.
    assert!(upstream.requests().iter().all(|request| request.method() == "OPTIONS"));
}
