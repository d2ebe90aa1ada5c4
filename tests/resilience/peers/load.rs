//! Steady load on a gateway while its peers come and go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::support::client::{Client, get};
use crate::support::gateway::Gateway;
use crate::support::{APP, plain, poll, tokens};

/// Together some 2000 requests a second, where the machine has time for them.
pub const CLIENTS: usize = 16;
const PACE: Duration = Duration::from_millis(8);
const PATIENCE: Duration = Duration::from_secs(10);

/// The load; ends when dropped.
pub struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<Mutex<Vec<Answer>>>,
    tasks: Vec<JoinHandle<()>>,
}

/// An answer, or `None` for a connection that ended without one.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub at: Instant,
    pub status: Option<u16>,
}

impl Answer {
    pub fn failed(&self) -> bool {
        self.status != Some(200)
    }
}

impl Load {
    /// Starts it, and waits until it runs.
    pub async fn start(gateway: &Gateway) -> Self {
        let mut load = Self { stop: Arc::default(), answers: Arc::default(), tasks: Vec::new() };
        for _ in 0..CLIENTS {
            let (stop, answers) = (Arc::clone(&load.stop), Arc::clone(&load.answers));
            load.tasks.push(tokio::spawn(ask_on(gateway.address(), stop, answers)));
        }
        load.goes_on(200).await;
        load
    }

    /// Waits for so many answers more.
    pub async fn goes_on(&self, count: usize) {
        let wanted = self.answers().len() + count;
        poll::until_true("the load goes on", async || self.answers().len() >= wanted).await;
    }

    /// All answers so far.
    pub fn answers(&self) -> Vec<Answer> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those since then that weren't good.
    pub fn failed_since(&self, since: Instant) -> Vec<Answer> {
        self.answers().into_iter().filter(|answer| answer.at >= since && answer.failed()).collect()
    }

    /// Ends it: how many answers there were, and those that weren't good.
    pub async fn end(mut self) -> (usize, Vec<Answer>) {
        self.stop.store(true, Ordering::Relaxed);
        for task in std::mem::take(&mut self.tasks) {
            poll::bounded("the load's end", task).await.expect("no panic");
        }
        let answers = self.answers();
        (answers.len(), answers.into_iter().filter(Answer::failed).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn ask_on(address: std::net::SocketAddr, stop: Arc<AtomicBool>, answers: Arc<Mutex<Vec<Answer>>>) {
    let request = get(plain(APP)).token(tokens::good()).bytes("gateway.test");
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut client = Client::connect(address).await;
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        let answer = timeout(PATIENCE, async {
            client.send(&request).await;
            client.response().await
        });
        let status = answer.await.ok().flatten().map(|answer| answer.status);
        let answer = Answer { at: Instant::now(), status };
        answers.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
        if answer.failed() {
            // Some of these end the connection.
            client = Client::connect(address).await;
        }
    }
}
