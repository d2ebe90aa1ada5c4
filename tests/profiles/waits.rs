//! `?wait=applied` on a database that isn't the apps' alone.

use mongodb::bson::{Document, doc};
use serde_json::json;

use crate::support::gateway::gateway;
use crate::support::gateway::profiles::{call, call_with};
use crate::support::mongo::Mongo;
use crate::support::upstream::Upstream;

const SECRET: &str = "a-secret-of-at-least-32-bytes-length";

#[tokio::test]
async fn a_wait_ends_although_others_write_elsewhere_all_the_time() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::own().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    let elsewhere = mongo.client().database(mongo.database()).collection::<Document>("elsewhere");
    let others = tokio::spawn(async move {
        loop {
            elsewhere.insert_one(doc! { "n": 1 }).await.unwrap();
        }
    });
    for n in 0..20 {
        let body = json!({"appId": format!("TR{n}"), "jwt_secretkey": SECRET});
        gateway.called(&call_with("POST", "apps?wait=applied&timeout=3s", &body), 201).await;
        gateway.called(&call("POST", &format!("apps/TR{n}/disable?wait=applied&timeout=3s")), 200).await;
        gateway.called(&call("DELETE", &format!("apps/TR{n}?wait=applied&timeout=3s")), 204).await;
    }
    others.abort();
}
