//! Waiting for something to become true: polled, bounded.

use std::time::{Duration, Instant};

/// How long anything may take before a test fails: generous, for a machine with two slow cores.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks until `look` gives a value; fails the test, naming `what`, at the deadline.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    within(DEADLINE, what, look).await
}

/// Like [`until`], with a deadline of its own.
pub async fn within<T>(deadline: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    let mut pause = tokio::time::interval(PAUSE);
    loop {
        if let Some(value) = look().await {
            return value;
        }
        assert!(start.elapsed() < deadline, "not within {deadline:?}: {what}");
        pause.tick().await;
    }
}

/// Looks until `look` is true.
pub async fn until_true(what: &str, mut look: impl AsyncFnMut() -> bool) {
    until(what, async || look().await.then_some(())).await;
}

/// Awaits `future` no longer than the deadline.
pub async fn bounded<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"))
}
