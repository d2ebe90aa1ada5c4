//! The codes 38, 39 and 40, in both forms: status, exact bytes, headers.

use std::collections::BTreeSet;

use crate::support::client::{Request, Response, get, post, set_user};
use crate::support::gateway::{Gateway, gateway};
use crate::support::upstream::{self, Upstream};
use crate::support::{APP, SECRET, USER, plain, tokens};

const MISSING: &str = r#"{"code":"39","status":"Token is required to access the requested resource."}"#;
const INVALID: &str = r#"{"code":"38","status":"Invalid token"}"#;
const EXPIRED: &str = r#"{"code":"40","status":"Token expired"}"#;

const MISSING_SDK: &str = concat!(
    r#"{"code":39,"status":"Token is required to access the requested resource.","#,
    r#""description":"Token is required to access the requested resource."}"#
);
const INVALID_SDK: &str = r#"{"code":38,"status":"Invalid token","description":"Invalid token"}"#;
const EXPIRED_SDK: &str = r#"{"code":40,"status":"Token expired","description":"Token expired"}"#;

fn wrong() -> String {
    tokens::of(APP, USER, "another secret, as long as the right one is")
}

/// The same request on the route with the `sdk` form.
fn on_sdk_route() -> Request {
    let body = format!(r#"{{"userId":"{USER}"}}"#);
    post(format!("/rtmsAPI/api/v1/sdk/{APP}/setuserid"), body).header("Content-Type: application/json")
}

fn assert_common(answer: &Response, body: &str) {
    assert_eq!(answer.text(), body);
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    assert_eq!(answer.header("Content-Length"), Some(body.len().to_string().as_str()));
    assert!(answer.header("X-Request-Id").is_some_and(|id| !id.is_empty()), "{:?}", answer.head);
}

async fn assert_standard(gateway: &Gateway, request: &Request, body: &str, challenge: &str) {
    let answer = gateway.ask(request).await;
    assert_eq!(answer.status, 401);
    assert_common(&answer, body);
    assert_eq!(answer.header("WWW-Authenticate"), Some(challenge));
}

async fn assert_sdk(gateway: &Gateway, request: &Request, body: &str) {
    let answer = gateway.ask(request).await;
    assert_eq!(answer.status, 200);
    assert_common(&answer, body);
    assert_eq!(answer.header("WWW-Authenticate"), None);
}

#[tokio::test]
async fn a_good_token_reaches_the_upstream_and_its_answer_comes_back() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let answer = gateway.ask(&set_user(APP, USER).token(tokens::good())).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, upstream::SUCCESS));
    assert!(answer.header("X-Request-Id").is_some());
    let seen = upstream.only();
    assert_eq!((seen.method(), seen.target()), ("POST", "/rtmsAPI/api/v1/app/TR21063826/setuserid"));
}

#[tokio::test]
async fn the_standard_form_is_401_with_a_challenge() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let request = set_user(APP, USER);
    let plain = r#"Bearer realm="rtms""#;
    let invalid = r#"Bearer realm="rtms", error="invalid_token""#;
    assert_standard(&gateway, &request, MISSING, plain).await;
    assert_standard(&gateway, &request.clone().header("Authorization:"), MISSING, plain).await;
    assert_standard(&gateway, &request.clone().token(wrong()), INVALID, invalid).await;
    assert_standard(&gateway, &request.clone().token(tokens::expired()), EXPIRED, invalid).await;
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn the_sdk_form_is_200_with_numbers_and_no_challenge() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let request = on_sdk_route();
    assert_sdk(&gateway, &request, MISSING_SDK).await;
    assert_sdk(&gateway, &request.clone().token(wrong()), INVALID_SDK).await;
    assert_sdk(&gateway, &request.clone().token(tokens::expired()), EXPIRED_SDK).await;
    assert_eq!(upstream.count(), 0);
    assert_eq!(gateway.ask(&request.token(tokens::good())).await.text(), upstream::SUCCESS);
}

#[tokio::test]
async fn the_form_may_be_set_for_the_whole_gateway() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().set("/auth/rejection", "sdk".into()).start().await;
    assert_sdk(&gateway, &get(plain(APP)), MISSING_SDK).await;
    // Other answers keep their status in this form too; their code is a number.
    let unknown = gateway.ask(&get("/nowhere")).await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().starts_with(r#"{"code":4,"status":""#), "{}", unknown.text());
}

#[tokio::test]
async fn code_38_never_tells_its_cause() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer();
    let gateway = gateway.document(serde_json::json!({ "appId": "TR_OFF", "jwt_secretkey": SECRET, "disabled": true }));
    let gateway = gateway.document(serde_json::json!({ "appId": "TR_BAD", "jwt_secretkey": 7 })).start().await;
    let other = tokens::of("TR_OTHER", USER, SECRET);
    let causes = [
        ("wrong signature", get(plain(APP)).token(wrong())),
        ("unknown app", get(plain("TR_NOBODY")).token(tokens::good())),
        ("unknown app, no token", get(plain("TR_NOBODY"))),
        ("disabled app", get(plain("TR_OFF")).token(tokens::of("TR_OFF", USER, SECRET))),
        ("unusable app", get(plain("TR_BAD")).token(tokens::of("TR_BAD", USER, SECRET))),
        ("token of another app", get(plain(APP)).token(other)),
        ("not a token", get(plain(APP)).token("x")),
        ("another user", set_user(APP, "somebody").token(tokens::good())),
    ];
    let mut shapes = BTreeSet::new();
    for (cause, request) in causes {
        let answer = gateway.ask(&request).await;
        assert_eq!((answer.status, answer.text().as_str()), (401, INVALID), "{cause}");
        let names: Vec<String> = answer.head.headers.iter().map(|(name, _)| name.clone()).collect();
        shapes.insert((names, answer.header("WWW-Authenticate").map(str::to_owned)));
    }
    assert_eq!(shapes.len(), 1, "{shapes:#?}");
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn each_rejection_is_counted_under_its_own_reason() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let request = set_user(APP, USER);
    gateway.ask(&request).await;
    gateway.ask(&request.clone().token(wrong())).await;
    gateway.ask(&request.clone().token(tokens::expired())).await;
    gateway.ask(&set_user("TR_NOBODY", USER).token(tokens::good())).await;
    gateway.ask(&set_user(APP, "somebody").token(tokens::good())).await;
    let metrics = gateway.counted("rtms_rejections_total", &[], 5).await;
    for (code, reason) in [
        ("39", "token_missing"),
        ("38", "signature_invalid"),
        ("40", "token_expired"),
        ("38", "app_unknown"),
        ("38", "user_mismatch"),
    ] {
        let labels = [("route", "setuserid"), ("code", code), ("reason", reason)];
        assert_eq!(metrics.count("rtms_rejections_total", &labels), 1, "{reason}");
    }
    assert_eq!(metrics.count("rtms_errors_total", &[]), 0);
}
