//! The database fails under the API: what was written is told apart from what may have been, and nothing hangs.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mongodb::bson::doc;
use serde_json::json;

use crate::support::USER;
use crate::support::gateway::gateway;
use crate::support::gateway::profiles::{call, call_with};
use crate::support::mongo::Mongo;
use crate::support::poll;
use crate::support::proxy::{Mode, Proxy};
use crate::support::tokens;
use crate::support::upstream::Upstream;

const SECRET: &str = "a-secret-of-at-least-32-bytes-length";

#[tokio::test]
async fn a_database_that_is_down_is_said_to_be_and_back_once_it_is() {
    let upstream = Upstream::start().await;
    let mut mongo = Mongo::own().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    gateway
        .called(&call_with("POST", "apps?wait=applied", &json!({"appId": "TR1", "jwt_secretkey": SECRET})), 201)
        .await;
    mongo.kill();
    let answer = gateway.call(&call("GET", "apps/TR1")).await;
    assert_eq!(answer.verdict(), (503, "1".into()), "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    let answer = gateway.call(&call("POST", "apps/TR1/disable")).await;
    assert!([503, 504].contains(&answer.status), "{}", answer.text());
    assert_eq!(gateway.verdict("TR1", &tokens::of("TR1", USER, SECRET)).await, (200, "0".into()));
    mongo.restart().await;
    poll::until_true("the API works again", async || gateway.call(&call("GET", "apps/TR1")).await.status == 200).await;
}

#[tokio::test]
async fn a_write_that_loses_its_connection_is_done_once_or_not_known_to_be() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::own().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    let cut = doc! { "closeConnection": true };
    mongo.fail(&["insert", "findAndModify", "delete"], doc! { "times": 1 }, &cut).await;
    let create = |app: &str| call_with("POST", "apps", &json!({"appId": app, "jwt_secretkey": SECRET}));
    gateway.called(&create("TR1"), 201).await;
    mongo.fail(&["insert", "findAndModify", "delete"], "alwaysOn", &cut).await;
    let answer = gateway.call(&create("TR2")).await;
    assert_eq!(answer.verdict(), (504, "1".into()));
    assert!(answer.text().contains("isn't known"), "{}", answer.text());
    mongo.heal().await;
    // Asked again, it is done: once.
    let again = gateway.call(&create("TR2")).await.status;
    assert!([200, 201].contains(&again));
    assert_eq!(mongo.apps().count_documents(doc! { "appId": "TR2" }).await.unwrap(), 1);
}

#[tokio::test]
async fn writes_that_wait_for_a_slow_database_keep_nobody_from_reading() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::own().await;
    let proxy = Proxy::start(mongo.address()).await;
    let uri = format!("mongodb://{}/?directConnection=true", proxy.address());
    let gateway = gateway(&upstream).mongo_at(&uri, &mongo).profiles().start_indexed().await;
    let apps: Vec<String> = (0..8).map(|n| format!("TR{n}")).collect();
    for app in &apps {
        mongo.apps().insert_one(doc! { "appId": app, "jwt_secretkey": SECRET }).await.unwrap();
    }
    let slow = doc! { "blockConnection": true, "blockTimeMS": 2000 };
    mongo.fail(&["findAndModify"], "alwaysOn", &slow).await;
    proxy.trap(b"findAndModify\0", Mode::Pass);
    let writes = join_all(apps.iter().map(async |app| {
        let disable = call("POST", &format!("apps/{app}/disable"));
        gateway.call(&disable).await.status
    }));
    let read = async {
        proxy.sprung().await;
        let asked = Instant::now();
        gateway.called(&call("GET", "apps/TR0"), 200).await;
        asked.elapsed()
    };
    let (statuses, took) = tokio::join!(writes, read);
    assert_eq!(statuses, [200; 8]);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn a_write_that_the_server_was_interrupted_in_is_not_said_to_be_undone() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::own().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    // A primary that steps down says so also where it has the write already, and others may have it.
    let interrupted = doc! { "errorCode": 11602, "errorLabels": ["RetryableWriteError"] };
    mongo.fail(&["insert"], "alwaysOn", &interrupted).await;
    let answer = gateway.call(&call_with("POST", "apps", &json!({"appId": "TR1", "jwt_secretkey": SECRET}))).await;
    assert_eq!(answer.verdict(), (504, "1".into()), "{}", answer.text());
    assert!(answer.text().contains("isn't known"), "{}", answer.text());
}

#[tokio::test]
async fn a_user_that_may_not_write_is_told_so() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::own().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    mongo.fail(&["insert"], "alwaysOn", &doc! { "errorCode": 13 }).await;
    let answer = gateway.call(&call_with("POST", "apps", &json!({"appId": "TR1", "jwt_secretkey": SECRET}))).await;
    assert_eq!(answer.verdict(), (502, "1".into()));
    assert!(answer.text().contains("the database refused"), "{}", answer.text());
}

#[tokio::test]
async fn a_change_that_is_not_in_force_in_time_is_stored_all_the_same() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::own().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    mongo.fail(&["getMore", "aggregate"], "alwaysOn", &doc! { "errorCode": 91 }).await;
    // What the open stream asks for now fails from here on.
    poll::until_true("the stream is broken", async || {
        gateway.status().await["apps"]["failures"].as_u64().is_some_and(|failures| failures > 0)
    })
    .await;
    let create =
        call_with("POST", "apps?wait=applied&timeout=500ms", &json!({"appId": "TR1", "jwt_secretkey": SECRET}));
    let answer = gateway.call(&create).await;
    assert_eq!(answer.verdict(), (504, "1".into()));
    assert!(answer.text().contains("stored, but not in force"), "{}", answer.text());
    assert_eq!(gateway.called(&call("GET", "apps/TR1"), 200).await["in_force"], false);
    mongo.heal().await;
    // The same call waits for what is there by now.
    let create = call_with("POST", "apps?wait=applied", &json!({"appId": "TR1", "jwt_secretkey": SECRET}));
    assert_eq!(gateway.called(&create, 200).await["in_force"], true);
    assert_eq!(gateway.verdict("TR1", &tokens::of("TR1", USER, SECRET)).await, (200, "0".into()));
}

#[tokio::test]
async fn a_database_that_does_not_answer_does_not_hold_a_call_for_ever() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::own().await;
    let proxy = Proxy::start(mongo.address()).await;
    let uri = format!("mongodb://{}/?directConnection=true", proxy.address());
    let gateway = gateway(&upstream).mongo_at(&uri, &mongo).profiles().start_indexed().await;
    gateway
        .called(&call_with("POST", "apps?wait=applied", &json!({"appId": "TR1", "jwt_secretkey": SECRET})), 201)
        .await;
    proxy.set(Mode::BlackHole);
    let (read, disable) = (call("GET", "apps/TR1"), call("POST", "apps/TR1/disable"));
    let answers = tokio::join!(gateway.call(&read), gateway.call(&disable));
    assert_eq!((answers.0.status, answers.1.status), (503, 503), "{} {}", answers.0.text(), answers.1.text());
    assert_eq!(gateway.verdict("TR1", &tokens::of("TR1", USER, SECRET)).await, (200, "0".into()));
    proxy.set(Mode::Pass);
    poll::until_true("the API works again", async || gateway.call(&call("GET", "apps/TR1")).await.status == 200).await;
}
