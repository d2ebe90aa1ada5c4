//! The sockets of the API: plain or TLS, HTTP/1.1 or HTTP/2, with bounds on everything a client may take.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::http::{Peer, Running};
use crate::limit::{Held, Hold, network};
use crate::listener::tls::Acceptor;

/// Connections at a time; more wait in the kernel.
const CONNECTIONS: usize = 256;
/// Connections of one address (IPv6: of one network) at a time, so that nobody holds all places; more are closed at once.
const PER_ADDRESS: usize = 32;
/// Time for a TLS handshake, and for the head of a request, from when the connection is free for it.
const PATIENCE: Duration = Duration::from_secs(10);
/// A connection on which nothing is asked is let go, whatever protocol it speaks or hasn't said it speaks: soon where
/// nothing ever was, as anybody can have one.
const IDLE: Duration = Duration::from_secs(20);
const FIRST_REQUEST: Duration = Duration::from_secs(5);
/// After the kernel could not give a connection, for want of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

/// How it ends.
pub struct Stop<F> {
    /// Nothing is accepted any more, once this is true or its sender is gone.
    pub closed: watch::Receiver<bool>,
    /// After that: connections on which nothing is asked are closed.
    pub let_go: F,
    /// How long the process goes on after that.
    pub finish: Duration,
}

/// Serves `router` until it is stopped; requests that are being answered then, and what is `running` though its client
/// is gone, are finished.
pub async fn run<F: Future<Output = ()>>(
    listener: TcpListener,
    tls: Option<Acceptor>,
    router: Router,
    running: Running,
    stop: Stop<F>,
) {
    let Stop { mut closed, let_go, finish } = stop;
    let (places, graceful) = (Places::new(), GracefulShutdown::new());
    let (ending, ends) = watch::channel(false);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            _ = closed.wait_for(|closed| *closed) => break,
        };
        let Some((stream, peer, place)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let (tls, router, watcher) = (tls.clone(), router.clone(), graceful.watcher());
        let mut ends = ends.clone();
        tokio::spawn(async move {
            let _place = place;
            let Some(tls) = tls else { return serve(stream, peer, router, watcher).await };
            let accepted = tokio::select! {
                accepted = timeout(PATIENCE, tls.accept(stream)) => accepted,
                _ = ends.wait_for(|ends| *ends) => return,
            };
            match accepted {
                Ok(Ok(stream)) => serve(stream, peer, router, watcher).await,
                Ok(Err(error)) => debug!(%peer, %error, "app profiles: TLS handshake failed"),
                Err(_) => debug!(%peer, "app profiles: TLS handshake took too long"),
            }
        });
    }
    drop(listener);
    let_go.await;
    ending.send_replace(true);
    let last = async {
        graceful.shutdown().await;
        running.ended().await;
    };
    // A little less than the process goes on, so that this can be said.
    if timeout(finish / 10 * 9, last).await.is_err() {
        warn!("app profiles: calls were given up, as the process ends");
    }
}

/// How many connections there may be, and are.
struct Places {
    all: Arc<Semaphore>,
    addresses: Held<u128>,
}

/// A connection's place.
struct Place {
    _one: OwnedSemaphorePermit,
    _of_its_address: Hold<u128>,
}

impl Places {
    fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(CONNECTIONS)), addresses: Held::default() }
    }
}

/// The next connection that may stay.
async fn accept(listener: &TcpListener, places: &Places) -> Option<(TcpStream, SocketAddr, Place)> {
    let one = Arc::clone(&places.all).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let hold = places.addresses.take(&network(peer.ip()), PER_ADDRESS, u128::clone);
                let Some(hold) = hold else {
                    debug!(%peer, "app profiles: one connection too many of its address");
                    continue;
                };
                let _ = stream.set_nodelay(true);
                return Some((stream, peer, Place { _one: one, _of_its_address: hold }));
            }
            Err(error) => {
                warn!(%error, "app profiles: no connection could be accepted");
                return None;
            }
        }
    }
}

async fn serve<S>(stream: S, peer: SocketAddr, router: Router, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let requests = Running::default();
    let router = router.layer(Extension(Peer(peer))).layer(from_fn_with_state(requests.clone(), counted));
    let service = TowerToHyperService::new(router);
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PATIENCE)
        .keep_alive_timeout(PATIENCE)
        .max_concurrent_streams(32)
        .max_header_list_size(32 << 10);
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    tokio::select! {
        ended = watcher.watch(connection) => if let Err(error) = ended {
            debug!(%peer, %error, "app profiles: a connection ended early");
        },
        () = idle(&requests) => debug!(%peer, "app profiles: an idle connection was closed"),
    }
}

async fn counted(State(requests): State<Running>, request: Request, next: Next) -> Response {
    let _run = requests.begin();
    next.run(request).await
}

/// Returns when nothing was asked for a while: also of a client that doesn't read what it was answered, or that keeps
/// an HTTP/2 connection alive by pings alone.
async fn idle(requests: &Running) {
    let mut count = requests.watch();
    let mut patience = FIRST_REQUEST;
    loop {
        let _ = count.wait_for(|count| *count == 0).await;
        if !matches!(timeout(patience, count.changed()).await, Ok(Ok(()))) {
            return;
        }
        patience = IDLE;
    }
}
