//! What judging allocates: nothing, where a request is accepted for its head.
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    dead_code,
    reason = "tests may fail loudly, and share more than they use"
)]

#[path = "../benches/judge/cases.rs"]
mod cases;

use cases::{Core, cases};

/// Allocations of judging each case once, the thread's scratch grown before.
fn allocated() -> Vec<(&'static str, u64)> {
    let core = Core::new(1000);
    let mut scratch = Vec::new();
    let mut counted = Vec::new();
    for case in cases() {
        assert_eq!(core.judge(&case, &mut scratch), case.outcome, "{}", case.name);
        let info = allocation_counter::measure(|| assert_eq!(core.judge(&case, &mut scratch), case.outcome));
        counted.push((case.name, info.count_total));
    }
    counted
}

#[test]
fn whatever_the_verdict_judging_a_head_allocates_nothing() {
    for (name, count) in allocated() {
        // What a body has named so far is one list; the body itself was collected before.
        assert_eq!(count, u64::from(name.contains("body")), "{name}");
    }
}

#[test]
fn the_counter_sees_an_allocation() {
    assert_eq!(allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1)))).count_total, 1);
}
