//! How soon a write in the database is in force, and what following a busy collection costs a request.
//!
//! `cargo bench --bench feed` runs a gateway, a database (`SecantusDB`, or `MONGODB_URI`) and, beside the gateway, a bare
//! driver that watches the same collection, and prints a report in Markdown.
#![allow(missing_docs, reason = "a program, not a library")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::cast_sign_loss,
    reason = "a bench may fail loudly, as tests may"
)]

#[path = "../../tests/support/mod.rs"]
mod support;

mod cost;
mod latency;

use std::time::Duration;

use support::gateway::gateway;
use support::mongo::Mongo;
use support::upstream::Upstream;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let quiet = serde_json::json!({ "sample": 0.0 });
    let gateway = gateway(&upstream).mongo(&mongo).set("/telemetry/access_log", quiet).start().await;
    println!("## Write to in force\n");
    latency::single_writes(&mongo, &gateway).await;
    println!("\n## A burst\n");
    latency::burst(&mongo, &gateway).await;
    println!("\n## A request while the collection is busy\n");
    cost::busy_against_quiet(&mongo, &gateway).await;
}

/// The value below which a share of the sorted samples lies.
fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let at = ((sorted.len() - 1) as f64 * share).round() as usize;
    sorted[at]
}
