//! Floods stay outside: their connections end or wait, memory stays bounded, and everybody else is served meanwhile.

use std::time::Duration;

use serde_json::json;

use crate::support::client::get;
use crate::support::floods;
use crate::support::gateway::{Gateway, gateway};
use crate::support::h2::H2;
use crate::support::load::{Load, Plan};
use crate::support::poll;
use crate::support::upstream::Upstream;

const MIB: u64 = 1 << 20;

/// What the gateway's memory grew by at most meanwhile, from its quiet state.
struct Memory<'g> {
    gateway: &'g Gateway,
    before: u64,
}

impl<'g> Memory<'g> {
    fn watch(gateway: &'g Gateway) -> Self {
        gateway.forget_peak();
        Self { gateway, before: gateway.memory().0 }
    }

    fn grew(&self) -> u64 {
        self.gateway.memory().1.saturating_sub(self.before)
    }
}

async fn connections(gateway: &Gateway, wanted: impl Fn(u64) -> bool) {
    poll::until_true("so many connections are open", async || {
        wanted(gateway.metrics().await.count("rtms_connections", &[]))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_trickle_are_cut_off_in_time_while_others_are_served() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().set("/limits/head_read_timeout", json!("1s")).start().await;
    let load = Load::start(&gateway).await;
    let memory = Memory::watch(&gateway);
    let lasted = floods::trickle(gateway.address(), 500, Duration::from_millis(100)).await;
    let grew = memory.grew();
    assert!(lasted.iter().all(|l| *l >= Duration::from_millis(900)), "{lasted:?}");
    assert!(grew < 64 * MIB, "{grew}");
    load.end().await.none_failed();
    connections(&gateway, |count| count < 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_are_held_and_let_go_while_others_are_served() {
    const COUNT: usize = 10_000;
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let load = Load::start(&gateway).await;
    let memory = Memory::watch(&gateway);
    let idle = floods::idle(gateway.address(), COUNT).await;
    connections(&gateway, |count| count >= COUNT as u64).await;
    let each = memory.grew() / COUNT as u64;
    assert!(each < 24 * 1024, "{each} bytes a connection");
    load.goes_on(200).await;
    drop(idle);
    connections(&gateway, |count| count < 100).await;
    load.end().await.none_failed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_without_an_end_are_refused_early() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let load = Load::start(&gateway).await;
    let memory = Memory::watch(&gateway);
    for _ in 0..10 {
        let ended = floods::endless_head(gateway.address(), 50 << 20).await;
        // What is in the kernel's buffers counts as sent.
        assert!(ended.sent < 12 << 20, "{ended:?}");
    }
    let grew = memory.grew();
    assert!(grew < 64 * MIB, "{grew}");
    load.end().await.none_failed();
}

/// Does harm on a connection of its own: the others, one that came before among them, are served as ever.
async fn harm_over_http2(harm: impl AsyncFnOnce(H2)) {
    let upstream = Upstream::start().await;
    let (builder, authority) = floods::over_http2(gateway(&upstream).customer());
    let gateway = builder.start().await;
    let load = Load::start(&gateway).await;
    let memory = Memory::watch(&gateway);
    let mut bystander = floods::connect(&gateway, &authority).await;
    harm(floods::connect(&gateway, &authority).await).await;
    assert_eq!(bystander.ask("GET", "/public/x", &[], b"").await.status, 200);
    let grew = memory.grew();
    assert!(grew < 64 * MIB, "{grew}");
    load.end().await.none_failed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rapid_reset_flood_ends_its_connection_and_nothing_else() {
    harm_over_http2(async |client| {
        let (opened, error) = floods::reset_streams(client, 100_000).await;
        assert!(opened < 100_000, "it went on for ever");
        // What the client goes on to send may overtake the GOAWAY by a reset.
        assert!(matches!(error, None | Some(11)), "ENHANCE_YOUR_CALM after {opened}, not {error:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_block_without_an_end_ends_its_connection_and_nothing_else() {
    harm_over_http2(async |client| {
        let (sent, _) = client.continuation_flood(50 << 20).await;
        assert!(sent < 12 << 20, "{sent}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejected_requests_flat_out_don_t_fail_the_others() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let load = Load::start(&gateway).await;
    let flood = Plan::steady(&gateway).asking(get("/rtmsAPI/api/v1/OTHER/plain")).flat_out(64).start().await;
    flood.goes_on(5000).await;
    let flood = flood.end().await;
    assert!(flood.answers.iter().all(|a| a.status == Some(401)));
    load.end().await.none_failed();
}
