//! Requests that go on in the background while something happens to the gateway's database.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

use super::client::get;
use super::gateway::Gateway;
use super::{plain, poll};

/// Between two requests of one client: the flow must show faults, not load the machine.
const PACE: Duration = Duration::from_millis(50);
/// An answer that takes longer counts as wrong.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request that is asked again and again, and the one answer it must get.
#[derive(Clone)]
pub struct Case {
    app: String,
    token: String,
    verdict: (u16, String),
}

/// A GET of this app with this token must be answered with this status and code.
pub fn case(app: &str, token: impl Into<String>, (status, code): (u16, &str)) -> Case {
    Case { app: app.into(), token: token.into(), verdict: (status, code.into()) }
}

#[derive(Default)]
struct Counts {
    stop: AtomicBool,
    judged: AtomicU64,
    slowest: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

/// The flow; ends when dropped.
pub struct Flow {
    counts: Arc<Counts>,
    tasks: Vec<JoinHandle<()>>,
}

/// What came of a flow.
#[derive(Debug)]
pub struct Outcome {
    /// Requests that were answered.
    pub judged: u64,
    /// The longest time an answer took.
    pub slowest: Duration,
    /// Answers other than the one the case must get, and requests without one.
    pub wrong: Vec<String>,
}

impl Flow {
    /// Starts a client for each case.
    pub async fn start(gateway: &Gateway, cases: &[Case]) -> Self {
        let counts = Arc::<Counts>::default();
        let mut tasks = Vec::new();
        for case in cases {
            let (client, counts, case) = (gateway.connect().await, Arc::clone(&counts), case.clone());
            tasks.push(tokio::spawn(ask_on(client, case, counts)));
        }
        Self { counts, tasks }
    }

    /// Requests answered so far.
    pub fn judged(&self) -> u64 {
        self.counts.judged.load(Ordering::Relaxed)
    }

    /// Waits until every client has been answered a few times more.
    pub async fn goes_on(&self, what: &str) {
        let wanted = self.judged() + 10 * self.tasks.len() as u64;
        poll::until_true(what, async || self.judged() >= wanted || !self.wrong().is_empty()).await;
        assert_eq!(self.wrong(), [""; 0], "{what}");
    }

    /// Ends it.
    pub async fn end(mut self) -> Outcome {
        self.counts.stop.store(true, Ordering::Relaxed);
        for task in std::mem::take(&mut self.tasks) {
            poll::bounded("the flow's end", task).await.expect("no panic");
        }
        let slowest = Duration::from_micros(self.counts.slowest.load(Ordering::Relaxed));
        Outcome { judged: self.judged(), slowest, wrong: self.wrong() }
    }

    fn wrong(&self) -> Vec<String> {
        self.counts.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn ask_on(mut client: super::client::Client, case: Case, counts: Arc<Counts>) {
    let request = get(plain(&case.app)).token(&case.token);
    let bytes = request.bytes(client.host());
    let mut pace = interval(PACE);
    while !counts.stop.load(Ordering::Relaxed) {
        pace.tick().await;
        let began = Instant::now();
        let answer = timeout(PATIENCE, async {
            client.send(&bytes).await;
            client.response().await
        });
        let answer = answer.await.ok().flatten().map(|answer| answer.verdict());
        if answer.as_ref() != Some(&case.verdict) {
            let text = format!("{} must be {:?}: {answer:?}", case.app, case.verdict);
            counts.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            return;
        }
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        counts.slowest.fetch_max(took, Ordering::Relaxed);
        counts.judged.fetch_add(1, Ordering::Relaxed);
    }
}
