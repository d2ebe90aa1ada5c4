//! One app is flooded with requests that take for ever; another one doesn't notice.

use serde_json::json;

use crate::support::client::{Client, get};
use crate::support::gateway::gateway;
use crate::support::upstream::{Behaviour, Upstream};
use crate::support::{APP, SECRET, USER, plain, tokens};

const PLACES: usize = 20;
const FLOOD: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_is_flooded_with_slow_requests_takes_nothing_from_another() {
    let (slow, fast) = (Upstream::start().await, Upstream::start().await);
    slow.behave(Behaviour::Hang);
    let gateway = gateway(&slow).customer().app("TR_OTHER", SECRET);
    let gateway = gateway.set("/upstreams/fast/peers", json!([{ "address": fast.address().to_string() }]));
    let gateway = gateway.set("/routes/4/upstream", json!("fast"));
    let gateway = gateway.set("/limits/concurrent_requests_per_app", json!(PLACES)).start().await;
    let flood = get(plain(APP)).token(tokens::good());
    let mut clients = Vec::new();
    for _ in 0..FLOOD {
        let mut client = Client::connect(gateway.address()).await;
        let bytes = flood.bytes(client.host());
        client.send(&bytes).await;
        clients.push(client);
    }
    let calm = get(format!("/rtmsAPI/api/v1/TR_OTHER/lookup?userId={USER}"));
    let calm = calm.token(tokens::of("TR_OTHER", USER, SECRET));
    let mut other = gateway.connect().await;
    for _ in 0..FLOOD {
        assert_eq!(other.ask(&calm).await.status, 200);
    }
    let limit = [("limit", "concurrent_requests_per_app")];
    gateway.counted("rtms_limited_total", &limit, (FLOOD - PLACES) as u64).await;
    slow.arrived(PLACES).await;
    assert_eq!((slow.count(), fast.count()), (PLACES, FLOOD));
}
