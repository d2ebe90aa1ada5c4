//! Steady load on a gateway while something happens to it: what was asked, what failed, and how long answers took.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::client::{Client, Request, get};
use super::gateway::Gateway;
use super::h2::H2;
use super::tls::{Authority, Handshake};
use super::{APP, plain, poll, tokens};

/// Together some 2000 requests a second, where the machine has time for them.
pub const CLIENTS: usize = 16;
/// Between the beginnings of a client's requests.
pub const PACE: Duration = Duration::from_millis(8);
const PATIENCE: Duration = Duration::from_secs(10);

/// How a client of the load connects.
#[derive(Clone)]
pub enum Way {
    /// On a connection that it keeps as long as it may.
    Kept,
    /// On a connection for each request.
    Fresh,
    /// The same over TLS.
    FreshTls(Arc<Authority>),
    /// Over HTTP/2, on a connection that it keeps as long as it may.
    Http2(Arc<Authority>),
}

enum Connection {
    Http1(Client),
    Http2(H2),
}

/// What is asked, and how often.
#[derive(Clone)]
pub struct Plan {
    address: watch::Receiver<SocketAddr>,
    request: Request,
    clients: usize,
    pace: Option<Duration>,
    way: Way,
}

/// The load; ends when dropped.
pub struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<Mutex<Vec<Answer>>>,
    tasks: Vec<JoinHandle<()>>,
    began: Instant,
}

/// An answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// When it had come.
    pub at: Instant,
    /// How long that took.
    pub took: Duration,
    /// Its status; `None`: the connection was refused, or ended without one.
    pub status: Option<u16>,
}

impl Answer {
    /// Whether it is any other than 200.
    pub fn failed(&self) -> bool {
        self.status != Some(200)
    }
}

impl Plan {
    /// Good requests of the customer's app, about 2000 a second over connections that are kept.
    pub fn steady(gateway: &Gateway) -> Self {
        let request = get(plain(APP)).token(tokens::good());
        let address = watch::channel(gateway.address()).1;
        Self { address, request, clients: CLIENTS, pace: Some(PACE), way: Way::Kept }
    }

    /// Another request.
    pub fn asking(self, request: Request) -> Self {
        Self { request, ..self }
    }

    /// Connects to whatever this says at the time.
    pub fn towards(self, address: &watch::Receiver<SocketAddr>) -> Self {
        Self { address: address.clone(), ..self }
    }

    /// So many clients, each of which asks again as soon as it is answered.
    pub fn flat_out(self, clients: usize) -> Self {
        Self { clients, pace: None, ..self }
    }

    /// So many clients, with this pause between the beginnings of a client's requests.
    pub fn paced(self, clients: usize, pace: Duration) -> Self {
        Self { clients, pace: Some(pace), ..self }
    }

    /// To this address, in this way.
    pub fn by(self, address: SocketAddr, way: Way) -> Self {
        Self { address: watch::channel(address).1, way, ..self }
    }

    /// Starts it, and waits until answers come.
    pub async fn start(self) -> Load {
        let began = Instant::now();
        let mut load = Load { stop: Arc::default(), answers: Arc::default(), tasks: Vec::new(), began };
        for _ in 0..self.clients {
            let (stop, answers) = (Arc::clone(&load.stop), Arc::clone(&load.answers));
            load.tasks.push(tokio::spawn(self.clone().ask_on(stop, answers)));
        }
        load.goes_on(self.clients).await;
        load
    }

    async fn ask_on(self, stop: Arc<AtomicBool>, answers: Arc<Mutex<Vec<Answer>>>) {
        let mut pace = self.pace.map(interval);
        if let Some(pace) = &mut pace {
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let mut kept = None;
        while !stop.load(Ordering::Relaxed) {
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            let began = Instant::now();
            let status = timeout(PATIENCE, self.ask(&mut kept)).await.ok().flatten();
            let answer = Answer { at: Instant::now(), took: began.elapsed(), status };
            answers.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
            if answer.failed() {
                // Some failures end the connection.
                kept = None;
            }
        }
    }

    /// One request; the connection is kept where both sides want that.
    async fn ask(&self, kept: &mut Option<Connection>) -> Option<u16> {
        let connection = match kept.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        match connection {
            Connection::Http1(mut client) => {
                client.send(&self.request.bytes("gateway.test")).await;
                let answer = client.response().await?;
                let goes_on = matches!(self.way, Way::Kept) && !answer.head.lists("connection", "close");
                *kept = goes_on.then_some(Connection::Http1(client));
                Some(answer.status)
            }
            Connection::Http2(mut client) => {
                let (fields, _) = self.request.fields("gateway.test").expect("a request that HTTP/2 can say");
                let fields: Vec<(&[u8], &[u8])> = fields.iter().map(|(n, v)| (&n[..], &v[..])).collect();
                let answer = client.send(&fields, &[]).await;
                // An error code, of whatever value: the server told us to go.
                *kept = answer.error.is_none().then_some(Connection::Http2(client));
                (answer.status != 0).then_some(answer.status)
            }
        }
    }

    async fn connect(&self) -> Option<Connection> {
        let address = *self.address.borrow();
        match &self.way {
            Way::Kept | Way::Fresh => {
                let stream = TcpStream::connect(address).await.ok()?;
                let _ = stream.set_nodelay(true);
                Some(Connection::Http1(Client::over(stream, address)))
            }
            Way::FreshTls(authority) => {
                let (client, _) = Handshake::trusting(authority).connect(address).await.ok()?;
                Some(Connection::Http1(client))
            }
            Way::Http2(authority) => {
                let (client, _) = Handshake::trusting(authority).protocols(&["h2"]).connect(address).await.ok()?;
                Some(Connection::Http2(H2::start(client).await))
            }
        }
    }
}

impl Load {
    /// The steady load of [`Plan::steady`].
    pub async fn start(gateway: &Gateway) -> Self {
        Plan::steady(gateway).start().await
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

    /// Ends it.
    pub async fn end(mut self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        for task in std::mem::take(&mut self.tasks) {
            poll::bounded("the load's end", task).await.expect("no panic");
        }
        Report { answers: self.answers(), lasted: self.began.elapsed() }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What a load came to.
#[derive(Debug)]
pub struct Report {
    /// Every answer, in the order they came.
    pub answers: Vec<Answer>,
    /// From its start to its end.
    pub lasted: Duration,
}

impl Report {
    /// Those that weren't good.
    pub fn failed(&self) -> Vec<Answer> {
        self.answers.iter().copied().filter(Answer::failed).collect()
    }

    /// Fails the test if any request did.
    pub fn none_failed(&self) {
        let failed = self.failed();
        assert!(failed.is_empty(), "{} of {}: {failed:?}", failed.len(), self.answers.len());
    }

    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.answers.len() as f64 / self.lasted.as_secs_f64()
    }

    /// The time below which a share of the good answers took.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut took: Vec<_> = self.answers.iter().filter(|a| !a.failed()).map(|a| a.took).collect();
        took.sort_unstable();
        let at = (took.len().saturating_sub(1) as f64 * share).round();
        #[expect(clippy::cast_sign_loss, reason = "a share of a length")]
        took.get(at as usize).copied().unwrap_or_default()
    }

    /// From then until the last failure; zero if none came.
    pub fn recovered_after(&self, event: Instant) -> Duration {
        let last = self.failed().iter().map(|a| a.at).max();
        last.map_or(Duration::ZERO, |at| at.saturating_duration_since(event))
    }
}
