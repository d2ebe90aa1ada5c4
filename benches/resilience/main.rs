//! What failures, deploys and floods cost, in figures.
//!
//! `cargo bench --bench resilience` runs every scenario against the built gateway and prints the tables of
//! `docs/resilience.md`.
#![allow(missing_docs, reason = "a program, not a library")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a bench may fail loudly, as tests may"
)]

#[path = "../../tests/resilience/scenarios/mod.rs"]
mod scenarios;
#[path = "../../tests/support/mod.rs"]
mod support;

mod floods;
mod neighbours;

use std::time::Duration;

use scenarios::certificates::{self, Connections};
use scenarios::names::{self, Leaves};
use scenarios::{Outcome, deploys, peers};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    // `-- floods` and the like run one part.
    let part = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let wanted = |name: &str| part.as_deref().is_none_or(|part| part == name);
    if wanted("failures") {
        failures().await;
    }
    if wanted("floods") {
        println!("\n## Floods\n");
        floods::table().await;
    }
    if wanted("neighbours") {
        println!("\n## A neighbour's flood\n");
        neighbours::table().await;
    }
}

async fn failures() {
    println!("## Through failures and deploys\n");
    println!("| | requests | a second | failed | last failure after | p50 | p99 | longest |");
    println!("|---|---|---|---|---|---|---|---|");
    row("a peer of two is killed, and comes back", &peers::killed(false).await);
    row("the same, with health checks and ejection", &peers::killed(true).await);
    row("a peer of two hangs (`timeouts.read: 300ms`)", &peers::hanging().await);
    row("a peer of two dies six times in two seconds", &peers::flapping().await);
    row("two peers of four die at once", &peers::half_dead().await);
    row("both peers die, and come back", &peers::all_dead().await.0);
    row("100 reloads", &deploys::reloads().await);
    row("one gateway of two is drained", &deploys::drain().await);
    row("two upgrades in a row", &deploys::upgrades().await);
    for (when, leaves) in [("later", Leaves::Late), ("at once", Leaves::AtOnce)] {
        let (outcome, took) = names::moved(leaves).await;
        row(&format!("a name moves (TTL 1 s; followed after {}), its old peer ends {when}", ms(took)), &outcome);
    }
    row("20 certificates in turn, a handshake for each request", &certificates::rotated(Connections::Fresh).await);
    row("20 certificates in turn, HTTP/2 on kept connections", &certificates::rotated(Connections::Kept).await);
}

fn row(what: &str, outcome: &Outcome) {
    let report = &outcome.report;
    let failed = report.failed().len();
    let recovered = if failed == 0 { "-".to_owned() } else { ms(report.recovered_after(outcome.event)) };
    println!(
        "| {what} | {} | {:.0} | {failed} | {recovered} | {} | {} | {} |",
        report.answers.len(),
        report.rate(),
        ms(report.quantile(0.5)),
        ms(report.quantile(0.99)),
        ms(report.quantile(1.0)),
    );
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
