//! One app's flood, as another app's requests see it.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::ms;
use crate::support::client::{Request, get};
use crate::support::gateway::gateway;
use crate::support::load::{Plan, Report};
use crate::support::upstream::Upstream;
use crate::support::{plain, tokens};

const LOUD: &str = "LOUD";
const SECRET: &str = "the-secret-of-the-loud-app-0123456789abc";
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

/// Quiet and flooded rounds, interleaved.
pub async fn table() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream)
        .customer()
        .app(LOUD, SECRET)
        .set("/telemetry/access_log", json!({ "sample": 0.0 }))
        .set("/limits/requests_per_app", json!({ "rate": 2000.0 }))
        .set("/limits/rejections_per_address", json!({ "rate": 200.0 }))
        .start()
        .await;
    // Half of the usual load: it must stay under the app's limit.
    let neighbour = Plan::steady(&gateway).paced(16, Duration::from_millis(16));
    let asks = |token: &str| get(plain(LOUD)).token(token);
    let floods = [
        ("good tokens, over its rate limit", asks(&tokens::of(LOUD, "u", SECRET))),
        ("no tokens", get(plain(LOUD))),
        ("tokens of another secret", asks(&tokens::of(LOUD, "u", "another-secret-0123456789abcdefghijk"))),
    ];
    println!(
        "| 64 connections flat out for one app | its requests a second | another's p99, quiet | flooded | ratio, median of {ROUNDS} | failed |"
    );
    println!("|---|---|---|---|---|---|");
    for (what, request) in floods {
        let came = Rounds::run(&neighbour, &request).await;
        println!("| {what} | {came} |");
    }
}

/// What the rounds came to.
#[derive(Default)]
struct Rounds {
    rates: Vec<f64>,
    quiet: Vec<Duration>,
    flooded: Vec<Duration>,
    ratios: Vec<f64>,
    failed: usize,
}

impl Rounds {
    async fn run(neighbour: &Plan, flood: &Request) -> Self {
        let mut rounds = Self::default();
        for _ in 0..ROUNDS {
            let quiet = round(neighbour).await;
            let flood = neighbour.clone().asking(flood.clone()).flat_out(64).start().await;
            let flooded = round(neighbour).await;
            rounds.rates.push(flood.end().await.rate());
            rounds.failed += quiet.failed().len() + flooded.failed().len();
            rounds.ratios.push(flooded.quantile(0.99).as_secs_f64() / quiet.quantile(0.99).as_secs_f64());
            rounds.quiet.push(quiet.quantile(0.99));
            rounds.flooded.push(flooded.quantile(0.99));
        }
        rounds.rates.sort_unstable_by(f64::total_cmp);
        rounds.ratios.sort_unstable_by(f64::total_cmp);
        rounds.quiet.sort_unstable();
        rounds.flooded.sort_unstable();
        rounds
    }
}

impl std::fmt::Display for Rounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let middle = ROUNDS / 2;
        let (quiet, flooded) = (ms(self.quiet[middle]), ms(self.flooded[middle]));
        write!(f, "{:.0} | {quiet} | {flooded} | {:.2} | {}", self.rates[middle], self.ratios[middle], self.failed)
    }
}

async fn round(plan: &Plan) -> Report {
    let load = plan.clone().start().await;
    sleep(ROUND).await;
    load.end().await
}
