//! A recording upstream: plain TCP and HTTP/1.1 by hand, so that a test sees the exact bytes that were forwarded.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::poll;
use super::wire::{Body, Head, Reader};

/// The body of the default answer.
pub const SUCCESS: &str = r#"{"code":"0","status":"Success"}"#;

/// What the upstream does with a request.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Answers; the status line's status and text, header lines, a body.
    Answer(&'static str, Vec<String>, Vec<u8>),
    /// Sends these bytes and closes the connection.
    Raw(Vec<u8>),
    /// Sends these bytes, and nothing more.
    Begin(Vec<u8>),
    /// Closes without an answer.
    Close,
    /// Resets the connection.
    Reset,
    /// Reads the request and never answers.
    Hang,
    /// Answers 101 and sends every byte back.
    Upgrade,
    /// Answers as by default once [`Upstream::release`] was called.
    Hold,
}

impl Behaviour {
    /// The answer of rtmsAPI.
    pub fn success() -> Self {
        Self::Answer("200 OK", vec!["Content-Type: application/json".into()], SUCCESS.into())
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The head, to the byte.
    pub head: Head,
    /// The body; what came of it, if it broke off.
    pub body: Body,
    /// Whether the request came to its end.
    pub complete: bool,
    /// The connection's number, from 1.
    pub connection: usize,
}

impl Recorded {
    /// The method.
    pub fn method(&self) -> &str {
        self.head.word(0)
    }

    /// The target, as on the request line.
    pub fn target(&self) -> &str {
        self.head.word(1)
    }
}

struct Shared {
    requests: Mutex<Vec<Recorded>>,
    behaviour: Mutex<Behaviour>,
    connections: watch::Sender<(usize, usize)>,
    released: watch::Sender<bool>,
}

/// The upstream; stops when dropped.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Starts one on a free port, answering success.
    pub async fn start() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts one on an address of the test's choice.
    pub async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free address");
        let address = listener.local_addr().expect("a bound socket");
        let shared = Arc::new(Shared {
            requests: Mutex::default(),
            behaviour: Mutex::new(Behaviour::success()),
            connections: watch::Sender::new((0, 0)),
            released: watch::Sender::new(false),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, task }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what it does with the requests to come.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// Lets held requests go on.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// How many requests came, broken-off ones included.
    pub fn count(&self) -> usize {
        self.requests().len()
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All requests so far, forgotten here.
    pub fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The only request so far, forgotten here.
    pub fn only(&self) -> Recorded {
        let mut all = self.take();
        assert_eq!(all.len(), 1, "{all:#?}");
        all.remove(0)
    }

    /// How many connections were opened.
    pub fn connections(&self) -> usize {
        self.shared.connections.borrow().0
    }

    /// Waits until a request came whole.
    pub async fn arrived(&self, count: usize) {
        poll::until_true("a request at the upstream", async || self.count() >= count).await;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Connections end with the upstream: a peer that is stopped must not go on answering.
    let mut tasks = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = shared.connections.borrow().0 + 1;
        shared.connections.send_modify(|c| c.0 = number);
        tasks.spawn(serve(stream, number, Arc::clone(&shared)));
        while tasks.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, connection: usize, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut reader = Reader::new(stream);
    // A head that breaks off is no request: nothing to record.
    while let Ok(Some(head)) = reader.head().await {
        let body = reader.body(&head, false).await;
        let complete = body.is_ok();
        let body = body.unwrap_or_else(|_| Body { content: reader.take_ahead(), ..Body::default() });
        let recorded = Recorded { head, body, complete, connection };
        let head_only = recorded.method() == "HEAD";
        shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(recorded);
        let behaviour = shared.behaviour.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !complete || answer(&mut reader, behaviour, head_only, &shared).await.is_none() {
            return;
        }
    }
}

/// `None`: the connection is at its end.
async fn answer(reader: &mut Reader<TcpStream>, behaviour: Behaviour, head_only: bool, shared: &Shared) -> Option<()> {
    match behaviour {
        Behaviour::Answer(status, headers, body) => {
            reader.io().write_all(&message(status, &headers, &body, head_only)).await.ok()
        }
        Behaviour::Raw(bytes) => {
            let _ = reader.io().write_all(&bytes).await;
            let _ = reader.io().shutdown().await;
            None
        }
        Behaviour::Begin(bytes) => {
            let _ = reader.io().write_all(&bytes).await;
            std::future::pending().await
        }
        Behaviour::Close => None,
        Behaviour::Reset => {
            let _ = reader.io().set_zero_linger();
            None
        }
        Behaviour::Hang => std::future::pending().await,
        Behaviour::Upgrade => {
            let _ = echo(reader).await;
            None
        }
        Behaviour::Hold => {
            shared.released.subscribe().wait_for(|released| *released).await.ok()?;
            Box::pin(answer(reader, Behaviour::success(), head_only, shared)).await
        }
    }
}

fn message(status: &str, headers: &[String], body: &[u8], head_only: bool) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for header in headers {
        out.extend(format!("{header}\r\n").as_bytes());
    }
    out.extend(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    if !head_only {
        out.extend(body);
    }
    out
}

async fn echo(reader: &mut Reader<TcpStream>) -> std::io::Result<()> {
    let ahead = reader.take_ahead();
    let (mut read, mut write) = reader.io().split();
    write.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n").await?;
    write.write_all(&ahead).await?;
    tokio::io::copy(&mut read, &mut write).await?;
    write.shutdown().await
}
