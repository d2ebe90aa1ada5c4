//! Rate limits: verified requests of an app, rejected requests of an address.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::client::{Response, get, post, set_user};
use crate::support::gateway::{Gateway, gateway};
use crate::support::upstream::Upstream;
use crate::support::{APP, SECRET, USER, plain, poll, setuserid, tokens};

const LIMITED: &str = r#"{"code":"4","status":"Too many requests"}"#;

/// Slow enough that nothing comes back while a test runs.
fn budget(burst: u32) -> serde_json::Value {
    json!({ "rate": 0.001, "burst": burst })
}

async fn good(gateway: &Gateway, app: &str) -> Response {
    gateway.ask(&get(plain(app)).token(tokens::of(app, USER, SECRET))).await
}

fn assert_limited(answer: &Response) {
    assert_eq!((answer.status, answer.text().as_str()), (429, LIMITED));
    let wait: u64 = answer.header("Retry-After").expect("Retry-After").parse().expect("whole seconds");
    assert!((1..=1000).contains(&wait), "{wait}");
    assert!(answer.header("X-Request-Id").is_some());
}

#[tokio::test]
async fn an_app_over_its_budget_is_told_when_to_come_back_and_another_is_not_touched() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().app("TR_OTHER", SECRET);
    let gateway = gateway.set("/limits/requests_per_app", budget(3)).start().await;
    for _ in 0..3 {
        assert_eq!(good(&gateway, APP).await.status, 200);
    }
    assert_limited(&good(&gateway, APP).await);
    assert_limited(&gateway.ask(&set_user(APP, USER).token(tokens::good())).await);
    assert_eq!(good(&gateway, "TR_OTHER").await.status, 200);
    assert_eq!(upstream.count(), 4);
    gateway.counted("rtms_rejections_total", &[("reason", "rate_limited"), ("code", "4")], 2).await;
}

#[tokio::test]
async fn only_verified_requests_spend_an_apps_budget() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().document(json!({ "appId": "TR_OPEN" }));
    let gateway = gateway.set("/limits/requests_per_app", budget(1)).start().await;
    for _ in 0..5 {
        assert_eq!(gateway.ask(&get(plain(APP))).await.status, 401);
        assert_eq!(gateway.ask(&get(plain(APP)).token(tokens::expired())).await.status, 401);
        assert_eq!(gateway.ask(&set_user(APP, "another").token(tokens::good())).await.status, 401);
        assert_eq!(gateway.ask(&get(plain("TR_OPEN"))).await.status, 200, "an app without JWT has no budget");
        assert_eq!(gateway.ask(&get("/public/x")).await.status, 200);
    }
    assert_eq!(good(&gateway, APP).await.status, 200);
    assert_limited(&good(&gateway, APP).await);
}

#[tokio::test]
async fn a_budget_comes_back_with_time() {
    let upstream = Upstream::start().await;
    let limit = json!({ "rate": 20, "burst": 1 });
    let gateway = gateway(&upstream).customer().set("/limits/requests_per_app", limit).start().await;
    poll::until_true("the limit bites", async || good(&gateway, APP).await.status == 429).await;
    poll::until_true("and lets go", async || good(&gateway, APP).await.status == 200).await;
}

#[tokio::test]
async fn an_address_over_its_budget_of_rejections_is_limited_and_its_good_requests_pass() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer();
    let gateway = gateway.set("/limits/rejections_per_address", budget(4)).start().await;
    assert_eq!(gateway.ask(&get(plain(APP))).await.verdict(), (401, "39".into()));
    assert_eq!(gateway.ask(&get("/unknown")).await.status, 404);
    assert_eq!(gateway.ask(&get(plain("TR_NOBODY")).token(tokens::good())).await.verdict(), (401, "38".into()));
    assert_eq!(gateway.ask(&get("/a;b")).await.status, 400);
    let body = format!(r#"{{"userId":"{USER}"}}"#);
    for request in
        [get(plain(APP)), get("/unknown"), get("/a;b"), post(setuserid(APP), body.clone()).token(tokens::expired())]
    {
        assert_limited(&gateway.ask(&request).await);
        assert_eq!(good(&gateway, APP).await.status, 200);
    }
    let sdk = gateway.ask(&post(format!("/rtmsAPI/api/v1/sdk/{APP}/setuserid"), body)).await;
    assert_eq!(sdk.status, 429);
    assert_eq!(sdk.text(), r#"{"code":4,"status":"Too many requests","description":"Too many requests"}"#);
    assert_eq!(upstream.count(), 4);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_address_is_the_clients() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().set("/limits/rejections_per_address", budget(1));
    let gateway = gateway.set("/server/trusted_proxies", json!(["127.0.0.0/8"])).start().await;
    let from = |chain: &str| get(plain(APP)).header(format!("X-Forwarded-For: {chain}"));
    assert_eq!(gateway.ask(&from("9.9.9.9")).await.status, 401);
    assert_limited(&gateway.ask(&from("1.1.1.1, 9.9.9.9, 127.0.0.7")).await);
    assert_eq!(gateway.ask(&from("9.9.9.9, 8.8.8.8")).await.status, 401);
}

#[tokio::test]
async fn nobody_else_chooses_the_address_they_are_counted_under() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer();
    let gateway = gateway.set("/limits/rejections_per_address", budget(1)).start().await;
    let from = |address: &str| get(plain(APP)).header(format!("X-Forwarded-For: {address}"));
    assert_eq!(gateway.ask(&from("9.9.9.9")).await.status, 401);
    assert_limited(&gateway.ask(&from("8.8.8.8")).await);
}

#[tokio::test]
async fn a_client_over_its_limit_may_have_to_wait_for_its_answer_while_others_are_served() {
    const TARPIT: Duration = Duration::from_millis(500);
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().set("/limits/rejections_per_address", budget(1));
    let gateway = gateway.set("/limits/tarpit", json!("500ms")).start().await;
    assert_eq!(gateway.ask(&get(plain(APP))).await.status, 401, "within the limit it is told at once");
    let mut waiting = gateway.connect().await;
    let bytes = get(plain(APP)).bytes(waiting.host());
    let began = Instant::now();
    waiting.send(&bytes).await;
    assert_eq!(good(&gateway, APP).await.status, 200);
    assert_limited(&waiting.response().await.expect("an answer"));
    assert!(began.elapsed() >= TARPIT, "{:?}", began.elapsed());
    assert_eq!(waiting.ask(&get(plain(APP)).token(tokens::good())).await.status, 200, "the connection goes on");
}
