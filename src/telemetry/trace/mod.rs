//! Traces: spans of the requests that are in the sample, handed to an OpenTelemetry collector.
//!
//! A request never waits for the collector: its spans go into a bounded queue, which a thread of its own empties in
//! batches. Where that doesn't keep up, or the collector is out of reach, spans are given up and counted. Nothing of a
//! request is told here but what has few values, ids, and times: no path, query, header, token or user.

mod counts;
mod exporter;
mod spans;
mod worker;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;
use tokio::sync::{Notify, mpsc};

pub use self::counts::{SpanCounts, SpanResult};
pub use self::spans::{Attempt, Interval, Request, Spans, Stage, random as random_span};
use self::worker::Worker;
use crate::config::settings;
use crate::request::traceparent::TraceId;

/// Requests whose spans may wait: a few MiB of them.
const WAITING: usize = 4096;

/// Asks for everything that waits to be sent; answered when that is done, or hopeless.
type Flush = SyncSender<()>;

/// Where traced requests are told; shared by all workers. Dropped, its thread sends what waits, and ends.
pub struct Tracing {
    queue: mpsc::Sender<Vec<SpanData>>,
    /// Told when the queue is half full.
    crowded: Arc<Notify>,
    flush: mpsc::Sender<Flush>,
    counts: SpanCounts,
    sample: Sample,
    client_address: bool,
}

impl Tracing {
    /// Starts the thread that sends spans. Nothing is dialled before there are some. Call it after the process forked, if
    /// it does.
    ///
    /// # Errors
    /// What keeps it from starting; no secret is in it.
    pub fn start(settings: &settings::Tracing, counts: SpanCounts) -> Result<Self, String> {
        let (queue, inbox) = mpsc::channel(WAITING);
        let (flush, flushes) = mpsc::channel(1);
        let crowded = Arc::new(Notify::new());
        let worker = Worker { inbox, crowded: Arc::clone(&crowded), flushes, counts: counts.clone() };
        let (started, outcome) = sync_channel(1);
        let wanted = settings.clone();
        thread::Builder::new()
            .name("traces".to_owned())
            .spawn(move || run(worker, &wanted, &started))
            .map_err(|error| error.to_string())?;
        said(&outcome)?;
        Ok(Self {
            queue,
            crowded,
            flush,
            counts,
            sample: Sample::new(settings.sample),
            client_address: settings.client_address,
        })
    }

    /// Whether a trace is in the sample. All requests of one trace are, or none.
    #[must_use]
    pub fn samples(&self, trace: TraceId) -> bool {
        self.sample.holds(trace)
    }

    /// Whether spans name the client's address.
    #[must_use]
    pub const fn names_clients(&self) -> bool {
        self.client_address
    }

    /// Hands over the spans of a request that has ended. Never blocks.
    pub fn record(&self, spans: Spans) {
        let spans = spans.0;
        let count = spans.len() as u64;
        if self.queue.try_send(spans).is_err() {
            self.counts.add(SpanResult::Dropped, count);
        }
        if self.queue.capacity() <= WAITING / 2 {
            self.crowded.notify_one();
        }
    }

    /// Waits until everything recorded so far is sent, at most for `within`; `false`: that wasn't enough.
    #[allow(clippy::must_use_candidate, reason = "at the end there may be nothing left to do about it")]
    pub fn flush(&self, within: Duration) -> bool {
        let (done, answer) = sync_channel(1);
        self.flush.try_send(done).is_ok() && answer.recv_timeout(within).is_ok()
    }
}

/// The thread.
fn run(worker: Worker, settings: &settings::Tracing, started: &SyncSender<Result<(), String>>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(started.send(Err(error.to_string()))),
    };
    runtime.block_on(async {
        match exporter::build(settings) {
            Ok(exporter) => {
                let _ = started.send(Ok(()));
                worker.run(exporter, || exporter::build(settings).ok(), settings.timeout).await;
            }
            Err(error) => drop(started.send(Err(error))),
        }
    });
}

fn said(outcome: &Receiver<Result<(), String>>) -> Result<(), String> {
    outcome.recv().unwrap_or_else(|_| Err("its thread ended at once".to_owned()))
}

/// Which traces are recorded: a share of them.
///
/// Whoever may choose a trace's id must not choose to be recorded, so the ids are hashed with a key of this process.
struct Sample {
    key: RandomState,
    /// Hashes below this are in the sample.
    below: u64,
    all: bool,
}

impl Sample {
    #[expect(clippy::cast_sign_loss, reason = "the share was checked to be 0 to 1")]
    fn new(share: f64) -> Self {
        Self { key: RandomState::new(), below: (share * u64::MAX as f64) as u64, all: share >= 1.0 }
    }

    fn holds(&self, trace: TraceId) -> bool {
        self.all || (self.below > 0 && self.key.hash_one(trace) < self.below)
    }
}

#[cfg(test)]
mod tests;
