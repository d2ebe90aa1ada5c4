//! Changes that meet each other: conditions, races, and documents that stand twice.

use std::collections::HashSet;

use futures_util::future::join_all;
use mongodb::IndexModel;
use mongodb::bson::{Bson, doc};
use serde_json::json;

use crate::support::gateway::gateway;
use crate::support::gateway::profiles::{call, call_with};
use crate::support::mongo::Mongo;
use crate::support::poll;
use crate::support::upstream::Upstream;

const SECRET: &str = "a-secret-of-at-least-32-bytes-length";

#[tokio::test]
async fn a_change_can_ask_for_the_state_it_was_made_for() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    gateway.called(&call_with("POST", "apps", &json!({"appId": "TR1", "jwt_secretkey": SECRET})), 201).await;
    let tag = async || gateway.call(&call("GET", "apps/TR1")).await.header("etag").unwrap().to_owned();
    let first = tag().await;
    let rename = |name: &str, tag: &str| {
        call_with("PATCH", "apps/TR1", &json!({"appName": name})).header(format!("If-Match: {tag}"))
    };
    let answer = gateway.call(&rename("One", &first)).await;
    assert_eq!((answer.status, answer.header("etag").map(str::to_owned)), (200, Some(tag().await)));
    gateway.called(&rename("Two", &first), 412).await;
    gateway.called(&rename("Two", &format!("\"x\", {}", tag().await)), 200).await;
    gateway.called(&rename("Three", "*"), 200).await;
    gateway.called(&rename("Four", "x"), 400).await;
    // Written by others, past the API: the tag tells it too.
    let before = tag().await;
    mongo.set("TR1", doc! { "disabled": true }).await;
    gateway.called(&rename("Five", &before), 412).await;
    gateway.called(&call("DELETE", "apps/TR1").header(format!("If-Match: {before}")), 412).await;
    let now = tag().await;
    gateway.called(&call("DELETE", "apps/TR1").header(format!("If-Match: {now}")), 204).await;
}

#[tokio::test]
async fn of_many_that_create_one_app_one_does_and_the_same_document_is_as_good() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    indexed(&mongo).await;
    let same = call_with("POST", "apps", &json!({"appId": "SAME", "jwt_secretkey": SECRET}));
    let statuses: Vec<u16> = join_all((0..12).map(|_| gateway.call(&same))).await.iter().map(|r| r.status).collect();
    let created = |statuses: &[u16]| statuses.iter().filter(|s| **s == 201).count();
    assert_eq!((created(&statuses), statuses.iter().filter(|s| **s == 200).count()), (1, 11), "{statuses:?}");

    let other =
        |n: usize| call_with("POST", "apps", &json!({"appId": "OTHER", "jwt_secretkey": format!("{SECRET}{n}")}));
    let requests: Vec<_> = (0..12).map(other).collect();
    let statuses: Vec<u16> =
        join_all(requests.iter().map(|r| gateway.call(r))).await.iter().map(|r| r.status).collect();
    assert_eq!((created(&statuses), statuses.iter().filter(|s| **s == 409).count()), (1, 11), "{statuses:?}");
    assert_eq!(mongo.apps().count_documents(doc! { "appId": "OTHER" }).await.unwrap(), 1);
}

#[tokio::test]
async fn of_many_changes_at_once_none_is_lost() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    gateway.called(&call_with("POST", "apps", &json!({"appId": "TR1", "jwt_secretkey": SECRET})), 201).await;
    let set = |n: usize| call_with("PATCH", "apps/TR1", &json!({ format!("field_{n}"): n }));
    let requests: Vec<_> = (0..8).map(set).collect();
    let answers = join_all(requests.iter().map(|request| gateway.call(request))).await;
    let done: HashSet<String> = answers
        .iter()
        .enumerate()
        .filter(|(_, answer)| answer.status == 200)
        .map(|(n, _)| format!("field_{n}"))
        .collect();
    // Who was overtaken too often is told so, and has written nothing.
    assert!(answers.iter().all(|answer| [200, 409].contains(&answer.status)) && !done.is_empty());
    let profile = gateway.called(&call("GET", "apps/TR1"), 200).await;
    let there: HashSet<String> =
        profile["other_fields"].as_array().unwrap().iter().map(|f| f.as_str().unwrap().to_owned()).collect();
    assert_eq!(there, done);
}

#[tokio::test]
async fn two_documents_of_one_app_are_shown_and_left_alone() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    mongo.insert_app("TR1", SECRET).await;
    mongo.insert_app("TR1", SECRET).await;
    mongo.insert_app("TR2", SECRET).await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start().await;
    let profile = gateway.called(&call("GET", "apps/TR1"), 200).await;
    assert_eq!((&profile["state"], &profile["in_force"]), (&json!("unusable"), &json!(true)));
    let list = gateway.called(&call("GET", "apps"), 200).await;
    let states: Vec<_> = list["apps"].as_array().unwrap().iter().map(|a| a["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["unusable", "jwt"]);
    gateway.called(&call("DELETE", "apps/TR1"), 409).await;
    gateway.called(&call_with("PATCH", "apps/TR1", &json!({"appName": "x"})), 409).await;
    gateway.called(&call_with("POST", "apps", &json!({"appId": "TR1", "jwt_secretkey": SECRET})), 409).await;
    assert_eq!(mongo.apps().count_documents(doc! { "appId": "TR1" }).await.unwrap(), 2);
    // The index can't be made; that is told, and everything else works.
    poll::until_true("a word about the index", async || gateway.printed().contains("no unique index on `appId`")).await;
    gateway
        .called(&call_with("POST", "apps?wait=applied", &json!({"appId": "TR3", "jwt_secretkey": SECRET})), 201)
        .await;
}

#[tokio::test]
async fn an_index_of_the_operators_own_is_left_as_it_is() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let options = mongodb::options::IndexOptions::builder().unique(true).name("ours".to_owned()).build();
    let index = IndexModel::builder().keys(doc! { "appId": 1 }).options(options).build();
    mongo.apps().create_index(index).await.unwrap();
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start().await;
    gateway.called(&call_with("POST", "apps", &json!({"appId": "TR1", "jwt_secretkey": SECRET})), 201).await;
    let mut names = mongo.apps().list_index_names().await.unwrap();
    names.sort();
    assert_eq!(names, ["_id_", "ours"]);
    assert!(!gateway.printed().contains("index on `appId`"), "{}", gateway.printed());
}

#[tokio::test]
async fn what_others_wrote_into_the_revision_does_not_stand_in_the_way() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start().await;
    for (n, odd) in [Bson::Null, "v2".into(), Bson::Array(vec![]), i64::MAX.into(), 7.into()].into_iter().enumerate() {
        let app = format!("TR{n}");
        let document = doc! { "appId": &app, "jwt_secretkey": SECRET, "profile_revision": odd };
        mongo.apps().insert_one(document).await.unwrap();
        let tag = gateway.call(&call("GET", &format!("apps/{app}"))).await.header("etag").unwrap().to_owned();
        let change = call_with("PATCH", &format!("apps/{app}"), &json!({"appName": "x"}));
        gateway.called(&change.header(format!("If-Match: {tag}")), 200).await;
        let disable = call("POST", &format!("apps/{app}/disable")).header(format!("If-Match: {tag}"));
        gateway.called(&disable, 412).await;
    }
}

#[tokio::test]
async fn a_list_for_an_app_id_is_nobodys_and_in_nobodys_way() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start().await;
    indexed(&mongo).await;
    mongo.apps().insert_one(doc! { "appId": ["TR1", "TR2"], "jwt_secretkey": SECRET }).await.unwrap();
    gateway.called(&call("GET", "apps/TR1"), 404).await;
    gateway.called(&call("DELETE", "apps/TR1"), 404).await;
    assert_eq!(gateway.called(&call("GET", "apps?limit=1"), 200).await, json!({"apps": [], "next": null}));
    // The unique index counts what the list holds.
    gateway.called(&call_with("POST", "apps", &json!({"appId": "TR1", "jwt_secretkey": SECRET})), 409).await;
}

/// Waits for the unique index.
async fn indexed(mongo: &Mongo) {
    poll::until_true("the unique index", async || {
        mongo.apps().list_index_names().await.is_ok_and(|names| names.len() == 2)
    })
    .await;
}
