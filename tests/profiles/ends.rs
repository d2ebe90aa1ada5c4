//! The end of a client, and of the gateway, while a call is under way.

use std::time::Duration;

use mongodb::bson::doc;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::client::Client;
use crate::support::gateway::profiles::call_with;
use crate::support::gateway::{Gateway, gateway};
use crate::support::mongo::Mongo;
use crate::support::poll;
use crate::support::proxy::{Mode, Proxy};
use crate::support::upstream::Upstream;

/// A gateway whose writes take a while, and the proxy through which they go.
async fn slow(upstream: &Upstream) -> (Mongo, Proxy, Gateway) {
    let mongo = Mongo::own().await;
    let proxy = Proxy::start(mongo.address()).await;
    let uri = format!("mongodb://{}/?directConnection=true", proxy.address());
    let gateway = gateway(upstream).mongo_at(&uri, &mongo).profiles().start_indexed().await;
    mongo.fail(&["insert"], "alwaysOn", &doc! { "blockConnection": true, "blockTimeMS": 800 }).await;
    (mongo, proxy, gateway)
}

/// A connection on which an app is being created: the database has the write before it, and lets it wait.
async fn creating(gateway: &Gateway, proxy: &Proxy) -> Client {
    let body = json!({"appId": "TR1", "jwt_secretkey": "a-secret-of-at-least-32-bytes-length"});
    let mut client = Client::connect(gateway.profiles()).await;
    proxy.trap(b"insert\0", Mode::Pass);
    client.send(&call_with("POST", "apps", &body).bytes("h")).await;
    proxy.sprung().await;
    client
}

fn told(gateway: &Gateway) -> bool {
    gateway.audit().iter().any(|line| line["what"] == "create" && line["app"] == "TR1" && line["status"] == 201)
}

#[tokio::test]
async fn a_change_whose_client_hangs_up_is_in_the_audit_log() {
    let upstream = Upstream::start().await;
    let (mongo, proxy, gateway) = slow(&upstream).await;
    drop(creating(&gateway, &proxy).await);
    poll::until_true("it is told of", async || told(&gateway)).await;
    assert_eq!(mongo.apps().count_documents(doc! { "appId": "TR1" }).await.unwrap(), 1);
}

#[tokio::test]
async fn a_change_that_is_under_way_when_the_gateway_stops_is_finished_and_answered() {
    let upstream = Upstream::start().await;
    let (_mongo, proxy, mut gateway) = slow(&upstream).await;
    let mut client = creating(&gateway, &proxy).await;
    gateway.signal(Signal::SIGTERM);
    assert_eq!(client.response().await.map(|answer| answer.status), Some(201));
    assert!(gateway.ends(Duration::from_secs(5)).await.success());
    assert!(told(&gateway));
}
