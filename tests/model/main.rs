//! Random operations and random faults; at each quiet point the verdict for every app must be the model's.
//!
//! One seed unless told otherwise, so that a failure is a change's; `make soak` draws new ones. The seed is printed, and
//! `RTMS_SEED` repeats a run's choices (not its timing); `RTMS_SOAK_SECONDS` sets how long it runs. A program of its own:
//! the database drops what a slow reader hasn't seen yet, so nothing else may keep the machine busy.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod compare;
mod documents;
mod faults;
mod judge;
mod ladder;
mod operations;
mod rig;
mod slow_load;
mod upheavals;
mod verdict;

use std::io::Write as _;
use std::time::{Duration, Instant};

use self::faults::{Fault, HISTORY};
use self::rig::Rig;
use self::upheavals::Upheaval;
use crate::support::mongo::Mongo;
use crate::support::proxy::Proxy;

/// This one found a driver that goes on from the wrong place.
const SEED: u64 = 9006;
/// How long a run lasts, unless `RTMS_SOAK_SECONDS` says otherwise.
const SHORT: Duration = Duration::from_mins(1);
/// The run without faults, which is faster at finding what has nothing to do with them.
const SHORTER: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_random_operations_and_faults_the_verdict_for_every_app_is_the_models() {
    let mongo = Mongo::with(&["--oplog-max-entries", &HISTORY.to_string()]).await;
    let proxy = Proxy::start(mongo.address()).await;
    let rig = Rig::start(seed(), mongo, Some(proxy)).await;
    run(rig, from_environment("RTMS_SOAK_SECONDS").map_or(SHORT, Duration::from_secs)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_random_operations_on_any_server_the_verdict_for_every_app_is_the_models() {
    run(Rig::start(seed(), Mongo::start().await, None).await, SHORTER).await;
}

async fn run(mut rig: Rig, duration: Duration) {
    say(&format!("model: seed {}, for {duration:?}", rig.seed));
    let (start, mut quiet_points) = (Instant::now(), 0);
    while start.elapsed() < duration {
        let operations = rig.rng.usize(20..150);
        rig.operate(operations).await;
        if rig.rng.u8(..8) == 0 {
            let upheaval = Upheaval::ALL[rig.rng.usize(..Upheaval::ALL.len())];
            rig.upheaval(upheaval).await;
            rig.operate(operations / 2).await;
        }
        if rig.proxy.is_some() {
            for _ in 0..rig.rng.u8(1..3) {
                let fault = Fault::random(&mut rig.rng);
                rig.fault(fault).await;
            }
        }
        rig.quiet().await;
        rig.compare().await;
        quiet_points += 1;
    }
    let Rig { seed, writes, events, .. } = &rig;
    say(&format!("model: seed {seed}: {writes} writes, {quiet_points} quiet points, through {events:?}"));
    rig.feed.end().await;
}

fn seed() -> u64 {
    from_environment("RTMS_SEED").unwrap_or(SEED)
}

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number: {text}")))
}

/// Straight to standard error, which is not captured.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
