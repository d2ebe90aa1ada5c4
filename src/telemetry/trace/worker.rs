//! The thread's side: spans are gathered for a moment and sent in one go, one batch at a time.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout_at};

use super::Flush;
use super::counts::{SpanCounts, SpanResult};

/// How long spans wait for company.
const GATHER: Duration = Duration::from_secs(1);
/// A batch takes no further request once it has so many spans: well under 4 MiB, the most a collector takes by default.
const BATCH: usize = 2048;
/// At its end, and where somebody waits, everything must be sent within this.
const LAST_WORDS: Duration = Duration::from_millis(1500);

/// Empties the queue.
pub(super) struct Worker {
    pub inbox: mpsc::Receiver<Vec<SpanData>>,
    /// Told when the queue is half full.
    pub crowded: Arc<Notify>,
    pub flushes: mpsc::Receiver<Flush>,
    pub counts: SpanCounts,
}

/// Sends batches, and says once that it can't.
struct Sender<E, F> {
    exporter: E,
    /// Makes another one: a connection that leads nowhere any more may not know it for a quarter of an hour.
    anew: F,
    /// For one batch.
    patience: Duration,
    counts: SpanCounts,
    failing: bool,
}

/// What ends a wait.
enum Wake {
    /// There is something to send.
    Send,
    /// Everything is to be sent now.
    Flush(Flush),
    /// No more will come.
    End,
}

impl Worker {
    /// Sends what comes until nobody is left to hand over anything.
    pub(super) async fn run<E, F>(mut self, exporter: E, anew: F, patience: Duration)
    where
        E: SpanExporter,
        F: Fn() -> Option<E>,
    {
        let mut sender = Sender { exporter, anew, patience, counts: self.counts.clone(), failing: false };
        let mut batch = Vec::new();
        loop {
            match self.wait(&mut batch).await {
                Wake::Send => {
                    self.fill(&mut batch);
                    if let Some(flush) = self.send(&mut sender, &mut batch).await {
                        self.send_all(&mut sender, &mut batch).await;
                        let _ = flush.try_send(());
                    }
                }
                Wake::Flush(flush) => {
                    self.send_all(&mut sender, &mut batch).await;
                    let _ = flush.try_send(());
                }
                Wake::End => return self.send_all(&mut sender, &mut batch).await,
            }
        }
    }

    /// Waits for the first spans of a batch, then for company. While it does, what comes wakes nobody.
    async fn wait(&mut self, batch: &mut Vec<SpanData>) -> Wake {
        if batch.is_empty() {
            tokio::select! {
                biased;
                Some(flush) = self.flushes.recv() => return Wake::Flush(flush),
                spans = self.inbox.recv() => match spans {
                    Some(spans) => batch.extend(spans),
                    None => return Wake::End,
                },
            }
        }
        tokio::select! {
            biased;
            flush = self.flushes.recv() => flush.map_or(Wake::End, Wake::Flush),
            () = self.crowded.notified() => Wake::Send,
            () = sleep(GATHER) => Wake::Send,
        }
    }

    fn fill(&mut self, batch: &mut Vec<SpanData>) {
        while batch.len() < BATCH
            && let Ok(spans) = self.inbox.try_recv()
        {
            batch.extend(spans);
        }
    }

    /// Sends a batch. Somebody who doesn't want to wait that long gets it back, to be sent once more.
    async fn send<E, F>(&mut self, sender: &mut Sender<E, F>, batch: &mut Vec<SpanData>) -> Option<Flush>
    where
        E: SpanExporter,
        F: Fn() -> Option<E>,
    {
        let patience = sender.patience;
        tokio::select! {
            biased;
            () = sender.send(batch, Instant::now() + patience) => None,
            Some(flush) = self.flushes.recv() => Some(flush),
        }
    }

    /// Sends everything, for as long as there is time; the rest is given up.
    async fn send_all<E, F>(&mut self, sender: &mut Sender<E, F>, batch: &mut Vec<SpanData>)
    where
        E: SpanExporter,
        F: Fn() -> Option<E>,
    {
        let until = Instant::now() + LAST_WORDS;
        loop {
            self.fill(batch);
            if batch.is_empty() {
                return;
            }
            sender.send(batch, until).await;
        }
    }
}

impl<E: SpanExporter, F: Fn() -> Option<E>> Sender<E, F> {
    /// Sends a batch and counts what became of it; it is empty then, but not where this is given up in between.
    async fn send(&mut self, batch: &mut Vec<SpanData>, until: Instant) {
        let outcome = timeout_at(until, self.exporter.export(batch.clone())).await;
        let outcome = outcome.unwrap_or(Err(OTelSdkError::Timeout(self.patience)));
        let result = if outcome.is_ok() { SpanResult::Exported } else { SpanResult::Failed };
        self.counts.add(result, batch.len() as u64);
        batch.clear();
        self.say(&outcome);
        if outcome.is_err()
            && let Some(exporter) = (self.anew)()
        {
            self.exporter = exporter;
        }
    }

    /// Once when it begins to fail, and once when that is over.
    fn say(&mut self, outcome: &OTelSdkResult) {
        match outcome {
            Ok(()) if self.failing => tracing::info!("traces reach their collector again"),
            Err(error) if !self.failing => {
                tracing::warn!(%error, "traces don't reach their collector; their spans are given up and counted");
            }
            _ => {}
        }
        self.failing = outcome.is_err();
    }
}
