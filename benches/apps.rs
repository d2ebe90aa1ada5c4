//! What an app costs: memory, a look-up, a change, a load; in process, without a server.
//!
//! `cargo bench --bench apps` prints a table for 1 000, 100 000 and 1 000 000 apps.
#![allow(missing_docs, reason = "a program, not a library")]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a bench may fail loudly")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use rtms_gateway::apps::{Apps, DocId, Document, SecretEncoding, Value};

const CHANGES: usize = 20_000;
const LOOKUPS: usize = 1_000_000;

fn main() {
    println!("| apps | bytes an app | load | look-up, random | look-up, one app | change p50 | change p99 |");
    println!("|---|---|---|---|---|---|---|");
    for n in [1_000, 100_000, 1_000_000] {
        row(n);
    }
}

fn row(n: usize) {
    let before = resident();
    let began = Instant::now();
    let mut apps = Apps::new(SecretEncoding::Raw);
    for i in 0..n {
        apps.upsert(&id(i), &document(i, "first"));
    }
    apps.publish();
    let load = began.elapsed();
    let bytes = resident().saturating_sub(before) / n;
    let random = lookups(&apps, |step| step % n);
    let same = lookups(&apps, |_| n / 2);
    let mut changes = changes(&mut apps, n);
    changes.sort_unstable();
    println!(
        "| {n} | {bytes} | {load:.1?} | {random:.0?} | {same:.0?} | {:.1?} | {:.1?} |",
        changes[changes.len() / 2],
        changes[changes.len() * 99 / 100]
    );
}

/// The mean time of a look-up, the making of the ids taken off.
fn lookups(apps: &Apps, which: impl Fn(usize) -> usize) -> Duration {
    let published = apps.published();
    let time = |look: bool| {
        let snapshot = published.load();
        let began = Instant::now();
        for step in 0..LOOKUPS {
            let app = app_id(which(scattered(step)));
            if look {
                black_box(snapshot.get(&app));
            } else {
                black_box(&app);
            }
        }
        began.elapsed()
    };
    time(true);
    let with = time(true);
    with.saturating_sub(time(false)) / u32::try_from(LOOKUPS).unwrap()
}

/// The time of each change, its publish included: what a request sees next is already the new state.
fn changes(apps: &mut Apps, n: usize) -> Vec<Duration> {
    (0..CHANGES)
        .map(|step| {
            let i = scattered(step) % n;
            let (id, document) = (id(i), document(i, &format!("change-{step}")));
            let began = Instant::now();
            apps.upsert(&id, &document);
            apps.publish();
            began.elapsed()
        })
        .collect()
}

fn scattered(step: usize) -> usize {
    (step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) & 0xfff_ffff
}

fn app_id(i: usize) -> String {
    format!("TR{i:08}")
}

fn id(i: usize) -> DocId {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&(i as u64).to_be_bytes());
    DocId::ObjectId(bytes)
}

fn document(i: usize, version: &str) -> Document {
    let mut document = Document::default();
    document.set("appId", Value::string(&app_id(i)));
    document.set("jwt_secretkey", Value::string(&format!("secret-{i:08}-{version}-0123456789abcdef")));
    document
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}
