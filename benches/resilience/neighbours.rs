//! One app's flood, as another app's requests see it.
//!
//! The gateway has a processor of its own, and everybody else shares the other one, where the flood (wrk, the lowest
//! priority) takes what the measured client leaves: so it is the gateway that is seen, not the machine.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::ms;
use crate::support::gateway::{Gateway, gateway};
use crate::support::load::{Plan, Report};
use crate::support::upstream::Upstream;
use crate::support::{plain, tokens};

const LOUD: &str = "LOUD";
const SECRET: &str = "the-secret-of-the-loud-app-0123456789abc";
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(2);

/// With and without the tarpit.
pub async fn table() {
    println!(
        "| 64 connections flat out for one app | `tarpit` | its requests a second | another's p99, quiet | flooded | ratio, median of {ROUNDS} | failed |"
    );
    println!("|---|---|---|---|---|---|---|");
    for tarpit in ["0s", "250ms"] {
        rows(tarpit).await;
    }
}

/// Quiet and flooded rounds, interleaved.
async fn rows(tarpit: &str) {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream)
        .customer()
        .app(LOUD, SECRET)
        .set("/telemetry/access_log", json!({ "sample": 0.0 }))
        .set("/server/threads", json!(1))
        .set("/limits/requests_per_app", json!({ "rate": 2000.0 }))
        .set("/limits/rejections_per_address", json!({ "rate": 200.0 }))
        .set("/limits/tarpit", json!(tarpit))
        .start()
        .await;
    if !(pin(gateway.pid(), 0) && pin(std::process::id(), 1)) {
        println!("Not measured: this needs `taskset` and two processors.");
        return;
    }
    // Half of the usual load: it must stay under the app's limit.
    let neighbour = Plan::steady(&gateway).paced(16, Duration::from_millis(16));
    let floods = [
        ("good tokens, over its rate limit", Some(tokens::of(LOUD, "u", SECRET))),
        ("no tokens", None),
        ("tokens of another secret", Some(tokens::of(LOUD, "u", "another-secret-0123456789abcdefghijk"))),
    ];
    for (what, token) in floods {
        match Rounds::run(&gateway, &neighbour, token.as_deref()).await {
            Some(came) => println!("| {what} | {tarpit} | {came} |"),
            None => println!("| {what} | {tarpit} | not measured: wrk is missing |"),
        }
    }
}

fn pin(pid: u32, processor: usize) -> bool {
    let pinned = Command::new("taskset").args(["-a", "-c", "-p", &processor.to_string(), &pid.to_string()]).output();
    pinned.is_ok_and(|done| done.status.success())
}

/// Requests for an app, as many as there is time for.
struct Flood(Child);

impl Flood {
    fn start(gateway: &Gateway, token: Option<&str>) -> Option<Self> {
        let mut command = Command::new("nice");
        command.args(["-n", "19", "wrk", "-t1", "-c64", &format!("-d{}s", ROUND.as_secs())]);
        if let Some(token) = token {
            command.args(["-H", &format!("Authorization: Bearer {token}")]);
        }
        command.arg(format!("http://{}{}", gateway.address(), plain(LOUD)));
        Command::new("wrk").arg("-v").output().ok()?;
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok().map(Self)
    }

    /// Requests a second.
    fn ended(self) -> f64 {
        let done = self.0.wait_with_output().expect("a child of ours");
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let rate = said.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
        rate.and_then(|rate| rate.trim().parse().ok()).unwrap_or_else(|| panic!("wrk said: {said}"))
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
    async fn run(gateway: &Gateway, neighbour: &Plan, token: Option<&str>) -> Option<Self> {
        let mut rounds = Self::default();
        for _ in 0..ROUNDS {
            let quiet = round(neighbour).await;
            let flood = Flood::start(gateway, token)?;
            let flooded = round(neighbour).await;
            rounds.rates.push(flood.ended());
            rounds.failed += quiet.failed().len() + flooded.failed().len();
            rounds.ratios.push(flooded.quantile(0.99).as_secs_f64() / quiet.quantile(0.99).as_secs_f64());
            rounds.quiet.push(quiet.quantile(0.99));
            rounds.flooded.push(flooded.quantile(0.99));
        }
        rounds.rates.sort_unstable_by(f64::total_cmp);
        rounds.ratios.sort_unstable_by(f64::total_cmp);
        rounds.quiet.sort_unstable();
        rounds.flooded.sort_unstable();
        Some(rounds)
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
