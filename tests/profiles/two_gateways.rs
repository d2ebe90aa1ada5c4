//! Two gateways on one database: what is changed at one is enforced at the other.

use serde_json::json;

use crate::support::USER;
use crate::support::gateway::gateway;
use crate::support::gateway::profiles::{call, call_with};
use crate::support::mongo::Mongo;
use crate::support::poll;
use crate::support::tokens;
use crate::support::upstream::Upstream;

const OLD: &str = "the-old-secret-of-at-least-32-bytes";
const NEW: &str = "the-new-secret-of-at-least-32-bytes";

#[tokio::test]
async fn a_change_made_at_one_is_enforced_at_the_other() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let here = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    let there = gateway(&upstream).mongo(&mongo).profiles().start().await;
    let becomes = async |what: &str, secret: &str, verdict: (u16, &str)| {
        let token = tokens::of("TR1", USER, secret);
        poll::until_true(what, async || there.verdict("TR1", &token).await == (verdict.0, verdict.1.to_owned())).await;
    };
    here.called(&call_with("POST", "apps", &json!({"appId": "TR1", "jwt_secretkey": OLD})), 201).await;
    becomes("an app", OLD, (200, "0")).await;
    let rotate = json!({"jwt_secretkey": NEW, "overlap": "1h"});
    here.called(&call_with("POST", "apps/TR1/rotate", &rotate), 200).await;
    becomes("a rotated secret", NEW, (200, "0")).await;
    becomes("the one before", OLD, (200, "0")).await;
    // Which tokens came by here isn't known there.
    let used = async |gateway: &crate::support::gateway::Gateway| {
        gateway.called(&call("GET", "apps/TR1"), 200).await["previous_last_used"].clone()
    };
    assert!(used(&there).await.is_string());
    assert_eq!(used(&here).await, json!(null));
    here.called(&call("POST", "apps/TR1/disable"), 200).await;
    becomes("a disabled app", NEW, (401, "38")).await;
    // The entity tag is the document's, wherever it is asked for.
    let tag = there.call(&call("GET", "apps/TR1")).await.header("etag").unwrap().to_owned();
    here.called(&call("DELETE", "apps/TR1").header(format!("If-Match: {tag}")), 204).await;
    becomes("a deleted app", OLD, (401, "38")).await;
    there.called(&call("GET", "apps/TR1"), 404).await;
}
