//! `/status` tells which peers get requests, and why others don't.

use serde_json::{Value, json};

use crate::support::gateway::{Gateway, gateway, to_peers};
use crate::support::upstream::{Behaviour, Upstream};
use crate::support::{APP, floods, poll, ports, tokens};

async fn peer(gateway: &Gateway, index: usize) -> Value {
    gateway.status().await["upstreams"][0]["peers"][index].clone()
}

#[tokio::test]
async fn an_unhealthy_peer_is_shown_with_its_fault_and_a_busy_one_with_its_requests() {
    let (good, gone) = (Upstream::start().await, ports::free());
    let check = json!({ "path": "/health", "interval": "50ms", "timeout": "1s", "unhealthy_after": 1 });
    let gateway = to_peers(&[good.address(), gone]).customer().set("/upstreams/rtms/health_check", check).start().await;
    let shown = poll::until("an unhealthy peer", async || {
        let peer = peer(&gateway, 1).await;
        (peer["state"] == "unhealthy").then_some(peer)
    })
    .await;
    assert_eq!(shown["address"], gone.to_string());
    assert!(!shown["fault"].as_str().unwrap().is_empty(), "{shown}");
    assert_eq!(peer(&gateway, 0).await["state"], "healthy");

    good.behave(Behaviour::Hold);
    let mut held = gateway.connect().await;
    let bytes = crate::support::client::get(crate::support::plain(APP)).token(tokens::good()).bytes(held.host());
    held.send(&bytes).await;
    poll::until_true("a request under way", async || peer(&gateway, 0).await["requests"] == 1).await;
    good.release();
    assert_eq!(held.response().await.unwrap().status, 200);
    poll::until_true("none under way", async || peer(&gateway, 0).await["requests"] == 0).await;
}

#[tokio::test]
async fn an_ejected_peer_is_shown_with_the_end_of_its_ejection() {
    let (good, bad) = (Upstream::start().await, Upstream::start().await);
    bad.behave(Behaviour::Close);
    let rules = json!({ "consecutive_failures": 1, "for": "1h" });
    let gateway =
        to_peers(&[good.address(), bad.address()]).customer().set("/upstreams/rtms/ejection", rules).start().await;
    let shown = poll::until("an ejected peer", async || {
        gateway.verdict(APP, &tokens::good()).await;
        let peer = peer(&gateway, 1).await;
        (peer["state"] == "ejected").then_some(peer)
    })
    .await;
    assert!(shown["ejected_until"].as_str().is_some_and(|date| date.ends_with('Z')), "{shown}");
    assert_eq!(peer(&gateway, 0).await["ejected_until"], json!(null));
}

#[tokio::test]
async fn what_is_spoken_on_each_listener_is_shown() {
    let upstream = Upstream::start().await;
    let (builder, _) = floods::over_http2(gateway(&upstream).set("/listeners/0/h2c", json!(true)));
    let shown = builder.start().await.status().await["configuration"]["listeners"].clone();
    let of = |index: usize| ["tls", "http2", "h2c", "proxy_protocol"].map(|option| shown[index][option].clone());
    assert_eq!(of(0), [false, false, true, false].map(Value::from), "{shown}");
    assert_eq!(of(1), [true, true, false, false].map(Value::from), "{shown}");
}
