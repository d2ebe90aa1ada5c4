//! Clients that mean harm, and what the gateway's memory and everybody else see of them.

use std::time::Duration;

use serde_json::json;

use crate::ms;
use crate::support::floods;
use crate::support::gateway::{Gateway, gateway};
use crate::support::load::Load;
use crate::support::tls::Authority;
use crate::support::upstream::Upstream;

async fn start(upstream: &Upstream) -> (Gateway, Authority) {
    let quiet = gateway(upstream).customer().set("/telemetry/access_log", json!({ "sample": 0.0 }));
    let (builder, authority) = floods::over_http2(quiet);
    (builder.start().await, authority)
}

/// Every flood against a gateway of its own, under steady load.
pub async fn table() {
    println!("| | what came of it | memory before | at most meanwhile | others: requests | failed | p99 |");
    println!("|---|---|---|---|---|---|---|");
    let upstream = Upstream::start().await;
    flood(&upstream, "nothing", async |_, _| String::new()).await;
    flood(&upstream, "10 000 idle connections", async |gateway, _| {
        let idle = floods::idle(gateway.address(), 10_000).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        format!("all {} held", idle.len())
    })
    .await;
    flood(&upstream, "1000 heads, a byte every 100 ms", async |gateway, _| {
        let mut lasted = floods::trickle(gateway.address(), 1000, Duration::from_millis(100)).await;
        lasted.sort_unstable();
        format!("closed after {} to {}", ms(lasted[0]), ms(lasted[lasted.len() - 1]))
    })
    .await;
    flood(&upstream, "ten heads of 50 MB, one after the other", async |gateway, _| {
        let mut most = 0;
        let mut answer = String::new();
        for _ in 0..10 {
            let ended = floods::endless_head(gateway.address(), 50 << 20).await;
            most = most.max(ended.sent);
            answer = ended.answer;
        }
        format!("ended after {:.1} MB at most (kernel buffers included), `{answer}`", most as f64 / 1e6)
    })
    .await;
    flood(&upstream, "100 000 streams, each reset at once", async |gateway, authority| {
        let (opened, error) = floods::reset_streams(floods::connect(gateway, authority).await, 100_000).await;
        format!("the connection ended after {opened}, error code {error:?}")
    })
    .await;
    flood(&upstream, "a header block of 50 MB in CONTINUATION frames", async |gateway, authority| {
        let (sent, error) = floods::connect(gateway, authority).await.continuation_flood(50 << 20).await;
        format!("the connection ended after {:.1} MB, error code {error:?}", sent as f64 / 1e6)
    })
    .await;
}

async fn flood(upstream: &Upstream, what: &str, harm: impl AsyncFnOnce(&Gateway, &Authority) -> String) {
    let (gateway, authority) = start(upstream).await;
    let load = Load::start(&gateway).await;
    load.goes_on(1000).await;
    gateway.forget_peak();
    let before = gateway.memory().0;
    let came = harm(&gateway, &authority).await;
    load.goes_on(1000).await;
    let most = gateway.memory().1;
    let report = load.end().await;
    let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    println!(
        "| {what} | {came} | {} | {} | {} | {} | {} |",
        mb(before),
        mb(most),
        report.answers.len(),
        report.failed().len(),
        ms(report.quantile(0.99))
    );
}
