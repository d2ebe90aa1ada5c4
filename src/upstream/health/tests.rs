use std::cell::{Cell, RefCell};
use std::future::ready;

use super::*;

const S: Duration = Duration::from_secs(1);

fn rules() -> HealthCheck {
    HealthCheck { path: "/health".into(), interval: 2 * S, timeout: S, healthy_after: 1, unhealthy_after: 3 }
}

/// What `follow` tells within `time`, and when, of a peer that answers as `check` says.
async fn told<C: Future<Output = Result<(), String>>>(time: Duration, check: impl FnMut() -> C) -> Vec<(u64, Turn)> {
    let (start, told) = (Instant::now(), RefCell::new(Vec::new()));
    let tell = |turn| told.borrow_mut().push((start.elapsed().as_secs(), turn));
    let _ = timeout(
        time,
        follow(&rules(), (S, Tally::new(true, rules().healthy_after, rules().unhealthy_after)), check, tell),
    )
    .await;
    told.into_inner()
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_refuses_is_out_after_three_checks_and_back_after_one() {
    let start = Instant::now();
    let down = || (10..20).contains(&start.elapsed().as_secs());
    let turns = told(60 * S, || ready(if down() { Err("ConnectRefused".to_owned()) } else { Ok(()) })).await;
    // Checks at 1, 3, 5, ..: bad ones at 11, 13 and 15, the next good one at 21.
    assert_eq!(turns, [(15, Turn::Unhealthy("ConnectRefused".into())), (21, Turn::Healthy)]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_is_out_in_bounded_time() {
    let turns = told(60 * S, std::future::pending).await;
    assert_eq!(turns, [(6, Turn::Unhealthy("no answer in time".into()))]);
}

#[tokio::test(start_paused = true)]
async fn one_bad_check_now_and_then_is_nothing() {
    let n = Cell::new(0);
    let turns = told(600 * S, || {
        n.set(n.get() + 1);
        ready(if n.get() % 3 == 0 { Ok(()) } else { Err("ReadTimedout".to_owned()) })
    });
    assert_eq!(turns.await, []);
}
