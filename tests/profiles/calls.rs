//! Every call, and that what it says is what the gateway does.

use mongodb::bson::doc;
use serde_json::{Value, json};

use crate::support::client::post;
use crate::support::gateway::profiles::{WRITER, call, call_with};
use crate::support::gateway::{Gateway, gateway};
use crate::support::mongo::Mongo;
use crate::support::upstream::Upstream;
use crate::support::{USER, tokens};

const OLD: &str = "the-old-secret-of-at-least-32-bytes";
const NEW: &str = "the-new-secret-of-at-least-32-bytes";

async fn start(upstream: &Upstream) -> (Mongo, Gateway) {
    let mongo = Mongo::start().await;
    let gateway = gateway(upstream).mongo(&mongo).profiles().start_indexed().await;
    (mongo, gateway)
}

async fn create(gateway: &Gateway, body: &Value) -> Value {
    gateway.called(&call_with("POST", "apps?wait=applied", body), 201).await
}

async fn verdict(gateway: &Gateway, secret: &str) -> (u16, String) {
    gateway.verdict("TR1", &tokens::of("TR1", USER, secret)).await
}

fn good() -> (u16, String) {
    (200, "0".to_owned())
}

fn rejected() -> (u16, String) {
    (401, "38".to_owned())
}

#[tokio::test]
async fn an_app_is_created_once_and_judged_at_once() {
    let upstream = Upstream::start().await;
    let (mongo, gateway) = start(&upstream).await;
    let body = json!({"appId": "TR1", "jwt_secretkey": OLD, "appName": "One", "fcm": {"key": "k", "n": 1}});
    let profile = create(&gateway, &body).await;
    assert_eq!(verdict(&gateway, OLD).await, good());
    assert_eq!((&profile["state"], &profile["jwt"], &profile["in_force"]), (&json!("jwt"), &json!(true), &json!(true)));
    assert_eq!((&profile["appName"], &profile["key_length"]), (&json!("One"), &json!(35)));
    assert_eq!(profile["fingerprint"].as_str().unwrap().len(), 8);
    assert_eq!(profile["other_fields"], json!(["fcm"]));

    // Again: the same is as good, another is refused, and nothing was overwritten.
    gateway.called(&call_with("POST", "apps", &body), 200).await;
    gateway.called(&call_with("POST", "apps", &json!({"appId": "TR1", "jwt_secretkey": NEW})), 409).await;
    assert_eq!(verdict(&gateway, OLD).await, good());
    let stored = mongo.apps().find_one(doc! { "appId": "TR1" }).await.unwrap().unwrap();
    assert_eq!(stored.get_document("fcm").unwrap().get_str("key").ok(), Some("k"));
}

#[tokio::test]
async fn no_answer_and_no_log_line_holds_a_secret_or_a_value_of_other_fields() {
    let upstream = Upstream::start().await;
    let (_mongo, gateway) = start(&upstream).await;
    let body = json!({"appId": "TR1", "jwt_secretkey": OLD, "fcm_key": "a-key-of-somebody-else"});
    let mut said = create(&gateway, &body).await.to_string();
    let rotate = call_with("POST", "apps/TR1/rotate", &json!({"jwt_secretkey": NEW}));
    said += &gateway.called(&rotate, 200).await.to_string();
    said += &gateway
        .called(&call_with("POST", "apps", &json!({"appId": "TR1", "jwt_secretkey": "short-and-bad"})), 400)
        .await
        .to_string();
    for path in ["apps", "apps/TR1"] {
        said += &gateway.called(&call("GET", path), 200).await.to_string();
    }
    said += &gateway.printed();
    for secret in [OLD, NEW, "somebody-else", "short-and-bad", "a-token-that-may"] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
    // What was done is told: who, what, which app, which fields.
    let audit = gateway.audit();
    let told: Vec<_> = audit
        .iter()
        .map(|l| (l["what"].as_str().unwrap(), l["app"].as_str().unwrap(), l["status"].as_u64().unwrap()))
        .collect();
    assert_eq!(told, [("create", "TR1", 201), ("rotate", "TR1", 200), ("create", "TR1", 400)], "{audit:?}");
    assert!(audit.iter().all(|line| line["who"] == "writer"));
    assert_eq!(audit[1]["fields"], "jwt_secretkey jwt_secretkey_previous previous_expires_at");
}

#[tokio::test]
async fn a_change_touches_what_it_names_and_null_takes_a_field_out() {
    let upstream = Upstream::start().await;
    let (_mongo, gateway) = start(&upstream).await;
    create(&gateway, &json!({"appId": "TR1", "jwt_secretkey": OLD, "appName": "One", "x": 1})).await;
    let change = async |body: Value| gateway.called(&call_with("PATCH", "apps/TR1?wait=applied", &body), 200).await;
    let profile = change(json!({"appName": "Two", "x": null})).await;
    assert_eq!((&profile["appName"], &profile["other_fields"]), (&json!("Two"), &json!([])));
    assert_eq!(verdict(&gateway, OLD).await, good());
    change(json!({"jwt_secretkey": NEW})).await;
    assert_eq!(verdict(&gateway, NEW).await, good());
    assert_eq!(verdict(&gateway, OLD).await, rejected());
    let profile = change(json!({"jwt_secretkey": null})).await;
    assert_eq!((&profile["state"], &profile["jwt"]), (&json!("open"), &json!(false)));
    assert_eq!(verdict(&gateway, OLD).await, good());
    gateway.called(&call_with("PATCH", "apps/TR1", &json!({"appId": "TR2"})), 400).await;
    gateway.called(&call_with("PATCH", "apps/TR1", &json!({"appId": "TR1"})), 200).await;
    gateway.called(&call_with("PATCH", "apps/TR2", &json!({"appName": "x"})), 404).await;
}

#[tokio::test]
async fn an_app_is_disabled_enabled_revoked_and_deleted() {
    let upstream = Upstream::start().await;
    let (mongo, gateway) = start(&upstream).await;
    create(&gateway, &json!({"appId": "TR1", "jwt_secretkey": OLD})).await;
    let post = async |what: &str| gateway.called(&call("POST", &format!("apps/TR1/{what}?wait=applied")), 200).await;
    assert_eq!(post("disable").await["state"], "disabled");
    assert_eq!(verdict(&gateway, OLD).await, rejected());
    assert_eq!(post("enable").await["state"], "jwt");
    assert_eq!(verdict(&gateway, OLD).await, good());
    assert!(post("revoke").await["tokens_valid_after"].is_string());
    assert_eq!(verdict(&gateway, OLD).await, rejected(), "no iat, or one from before");
    gateway.called(&call("DELETE", "apps/TR1?wait=applied"), 204).await;
    assert_eq!(verdict(&gateway, OLD).await, rejected());
    assert_eq!(mongo.apps().count_documents(doc! {}).await.unwrap(), 0);
    gateway.called(&call("DELETE", "apps/TR1"), 404).await;
    for what in ["disable", "enable", "revoke"] {
        gateway.called(&call("POST", &format!("apps/TR1/{what}")), 404).await;
    }
}

#[tokio::test]
async fn apps_are_listed_page_by_page_in_the_order_of_their_ids() {
    let upstream = Upstream::start().await;
    let (mongo, gateway) = start(&upstream).await;
    let ids: Vec<String> = (0..25).map(|n| format!("TR{n:02}")).collect();
    for id in ids.iter().rev() {
        mongo.insert_app(id, OLD).await;
    }
    // Nobody's: no string, so no app.
    mongo.insert(doc! { "appId": 5 }).await;
    let mut seen = Vec::new();
    let mut path = "apps?limit=10".to_owned();
    let mut pages = 0;
    loop {
        let page = gateway.called(&call("GET", &path), 200).await;
        seen.extend(page["apps"].as_array().unwrap().iter().map(|app| app["appId"].as_str().unwrap().to_owned()));
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        path = format!("apps?limit=10&after={next}");
    }
    assert_eq!((seen, pages), (ids, 3));
    for bad in ["limit=0", "limit=1001", "limit=x", "limt=5"] {
        gateway.called(&call("GET", &format!("apps?{bad}")), 400).await;
    }
}

#[tokio::test]
async fn every_mistake_is_listed_and_nothing_is_written() {
    let upstream = Upstream::start().await;
    let (mongo, gateway) = start(&upstream).await;
    let body = json!({"appId": "a b", "jwt_secretkey": "short", "jwtSecretKey": "x", "disabled": "yes"});
    let answer = gateway.called(&call_with("POST", "apps", &body), 400).await;
    assert_eq!((&answer["code"], &answer["status"]), (&json!("4"), &json!("4 fields can't be written")));
    let mut fields: Vec<&str> =
        answer["mistakes"].as_array().unwrap().iter().map(|m| m["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["appId", "disabled", "jwtSecretKey", "jwt_secretkey"]);
    for bad in ["", "[]", "{", "{\"appId\":\"A\",\"appId\":\"A\"}", "{} {}", "\u{feff}{}"] {
        let request = post("/api/v1/apps", bad).token(WRITER).header("Content-Type: application/json");
        assert_eq!(gateway.call(&request).await.status, 400, "{bad:?}");
    }
    assert_eq!(mongo.apps().count_documents(doc! {}).await.unwrap(), 0);
}

#[tokio::test]
async fn a_document_written_by_others_is_shown_as_it_is_judged() {
    let upstream = Upstream::start().await;
    let (mongo, gateway) = start(&upstream).await;
    mongo.insert(doc! { "appId": "TR1", "jwt_secretkey": 5 }).await;
    mongo.insert_app("TR2", "short").await;
    let profile = gateway.called(&call("GET", "apps/TR1"), 200).await;
    assert_eq!(profile["state"], "unusable");
    assert_eq!(profile["problem"], "`jwt_secretkey` is a number, it must be a string");
    let profile = gateway.called(&call("GET", "apps/TR2"), 200).await;
    assert_eq!((&profile["weak"], profile.get("fingerprint")), (&json!(["short"]), None));
    // It can be put right, and only then be rotated or enabled.
    gateway.called(&call_with("POST", "apps/TR1/rotate", &json!({"jwt_secretkey": NEW})), 409).await;
    let mended =
        gateway.called(&call_with("PATCH", "apps/TR1?wait=applied", &json!({"jwt_secretkey": OLD})), 200).await;
    assert_eq!((&mended["state"], &mended["in_force"]), (&json!("jwt"), &json!(true)));
    assert_eq!(verdict(&gateway, OLD).await, good());
}
