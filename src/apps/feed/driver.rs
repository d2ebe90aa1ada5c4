//! Runs what the supervisor commands: one exchange, one comparison and one stream at a time, each in a task of its
//! own, and the timers. Knows no rule of the feed but how long a silence may last.

mod cache;

use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use self::cache::CacheSlot;
use super::cache::CacheFile;
use super::failure::{Failure, FailureKind};
use super::source::{Signal, Source, Token};
use super::supervisor::{Command, Input, Supervisor};
use super::words::Phase;

/// The longest a server may wait for events before it sends an empty reply.
pub(super) const MAX_AWAIT: Duration = Duration::from_secs(1);
/// A stream that is silent for longer is given up: it owes a reply every [`MAX_AWAIT`].
const WATCHDOG: Duration = MAX_AWAIT.saturating_add(Duration::from_secs(10));
/// For one exchange, opening a stream included: finding a server, connecting, one retry by the driver.
const EXCHANGE: Duration = Duration::from_secs(20);

/// Feeds until `stop` is true, or its sender gone.
pub(super) async fn drive(
    source: Arc<dyn Source>,
    mut supervisor: Supervisor,
    cache: Option<CacheFile>,
    mut stop: watch::Receiver<bool>,
    ready: impl FnOnce() + Send,
) {
    let mut ready = Some(ready);
    let mut slots = Slots { cache: CacheSlot::new(cache), ..Slots::default() };
    let mut commands = supervisor.start();
    loop {
        for command in commands {
            slots.execute_cache(&command, &supervisor);
            slots.execute(&source, command);
        }
        if supervisor.status().ready()
            && let Some(ready) = ready.take()
        {
            ready();
        }
        let input = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            input = slots.next(supervisor.listens(), supervisor.merges()) => input,
        };
        if matches!(input, Input::Positioned(_) | Input::Opened(_))
            && let Some(server) = source.server()
        {
            supervisor.status().found_server(server);
        }
        commands = supervisor.handle(input);
    }
    slots.last_write(&mut supervisor).await;
    supervisor.status().enter(Phase::Stopped);
    drop(slots);
    source.close().await;
}

/// Returns when `stop` is true or its sender is gone.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone: nobody could ever stop us then.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What is under way.
#[derive(Default)]
struct Slots {
    exchange: Option<Task<Input>>,
    comparison: Option<Task<Input>>,
    stream: Option<Stream>,
    wake: Option<Instant>,
    compare_at: Option<Instant>,
    cache: CacheSlot,
    cache_at: Option<Instant>,
}

struct Stream {
    signals: mpsc::Receiver<Signal>,
    task: Task<Failure>,
    /// When the silence has lasted too long.
    deadline: Instant,
}

/// A task that ends with its owner.
struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T: Send + 'static> Task<T> {
    fn spawn(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Slots {
    fn execute(&mut self, source: &Arc<dyn Source>, command: Command) {
        let source = Arc::clone(source);
        match command {
            Command::Position => {
                self.exchange = Some(Task::spawn(async move {
                    Input::Positioned(bounded("taking a position", source.position()).await)
                }));
            }
            // As long as a load gets on it may last; the source bounds each of its steps.
            Command::Load => self.exchange = Some(Task::spawn(async move { Input::Loaded(source.load().await) })),
            Command::Read(ids) => {
                self.exchange =
                    Some(Task::spawn(async move { Input::Read(bounded("reading documents", source.read(ids)).await) }));
            }
            Command::Compare(since) => {
                self.comparison = Some(Task::spawn(async move { Input::Compared(source.compare(since).await) }));
            }
            Command::Follow(after) => self.stream = Some(Stream::open(source, after)),
            Command::Close => {
                self.exchange = None;
                self.comparison = None;
                self.stream = None;
            }
            Command::Wake(wait) => self.wake = Some(Instant::now() + wait),
            Command::CompareIn(wait) => self.compare_at = Some(Instant::now() + wait),
            Command::NotBefore(at) => source.not_before(at),
            Command::CacheIn(wait) => self.cache_at = Some(Instant::now() + wait),
            Command::ReadCache | Command::WriteCache => {}
        }
    }

    /// The next thing that happens.
    async fn next(&mut self, listens: bool, merges: bool) -> Input {
        let Self { exchange, comparison, stream, wake, compare_at, cache, cache_at } = self;
        tokio::select! {
            biased;
            input = finished(exchange) => input,
            () = due(wake) => Input::Woke,
            () = due(compare_at) => Input::CompareDue,
            input = finished(comparison) => input,
            input = finished(&mut cache.work) => input,
            () = due(cache_at) => Input::CacheDue,
            input = heard(stream), if listens => input,
            () = tokio::task::yield_now(), if merges => Input::Slice,
        }
    }
}

impl Stream {
    fn open(source: Arc<dyn Source>, after: Token) -> Self {
        // One batch of slack: while we apply one, the next is on its way.
        let (sink, signals) = mpsc::channel(1);
        let task = Task::spawn(async move { source.follow(after, sink).await });
        Self { signals, task, deadline: Instant::now() + EXCHANGE }
    }
}

async fn bounded<T>(what: &str, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(EXCHANGE, work).await.unwrap_or_else(|_| Err(silence(what, EXCHANGE)))
}

fn silence(what: &str, after: Duration) -> Failure {
    Failure::new(FailureKind::Transient, format!("{what}: no reply for {} s", after.as_secs()))
}

/// What a task came to; never, while there is none. The slot is empty afterwards.
async fn finished(slot: &mut Option<Task<Input>>) -> Input {
    let Some(task) = slot else { return pending().await };
    let result = (&mut task.0).await;
    *slot = None;
    match result {
        Ok(input) => input,
        // A task of ours panicked: the next attempt starts afresh.
        Err(_) => Input::Ended(Failure::new(FailureKind::Unlisted, "an exchange with the store panicked")),
    }
}

/// What the stream says next, its end, or its silence. After an end the stream is gone.
async fn heard(slot: &mut Option<Stream>) -> Input {
    let Some(stream) = slot else { return pending().await };
    // While we weren't listening, nothing could be heard.
    let deadline = stream.deadline.max(Instant::now() + MAX_AWAIT);
    let failure = match timeout_at(deadline, stream.signals.recv()).await {
        Ok(Some(signal)) => {
            stream.deadline = Instant::now() + WATCHDOG;
            return match signal {
                Signal::Opened(now) => Input::Opened(now),
                Signal::Batch(batch) => Input::Batch(batch),
            };
        }
        Ok(None) => (&mut stream.task.0)
            .await
            .unwrap_or_else(|_| Failure::new(FailureKind::Unlisted, "the task of the stream panicked")),
        Err(_) => silence("the stream", WATCHDOG),
    };
    *slot = None;
    Input::Ended(failure)
}

/// Waits for the moment in the slot, and empties it; never, while there is none.
async fn due(slot: &mut Option<Instant>) {
    let Some(at) = *slot else { return pending().await };
    sleep_until(at).await;
    *slot = None;
}
