//! Every connection's way to Pingora's proxy application: let in, counted by listener, its client and its protocol found
//! out where the listener says so, and with deadlines for its heads.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::{ALPN, Shutdown as _, Ssl as _, Stream};
use pingora::server::ShutdownWatch;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::debug;

use super::application::Application;
use super::before_tls;
use super::endpoints::{Endpoint, Endpoints};
use super::limits::Admitted;
use super::patience::Timed;
use super::tls;

/// How long is waited to tell a client that its connection ends.
const GOODBYE: Duration = Duration::from_secs(1);
/// Kept open for as long as the deadline of its stream allows: Pingora's own clock would need a timer for each read.
const NO_CLOCK: Option<u64> = Some(0);

/// The proxy application, with its connections counted and bounded in number and time.
pub struct Connections<A> {
    inner: Arc<Application<A>>,
    endpoints: Arc<Endpoints>,
    /// Connections on which nothing is asked are closed. After a handover that is later than the closing of the listeners.
    parting: watch::Receiver<bool>,
}

impl<A> Connections<A> {
    /// Counts and bounds the connections of `inner`.
    pub fn new(inner: A, endpoints: Arc<Endpoints>, parting: watch::Receiver<bool>) -> Self {
        Self { inner: Arc::new(Application::new(inner, endpoints.shared_times())), endpoints, parting }
    }

    /// Lets a connection in and puts deadlines on it; `None`: it is to be closed. It is counted while the second is kept;
    /// over TLS, where it was let in before the handshake, there is no second.
    async fn prepare(&self, endpoint: Option<&Endpoint>, mut stream: Stream) -> Option<(Box<Timed>, Option<Admitted>)> {
        let admitted = match stream.get_ssl_digest() {
            Some(_) => None,
            None => Some(self.endpoints.let_in(endpoint, &mut *stream).await.ok()?),
        };
        let mut stream = Timed::new(stream, self.endpoints.times());
        stream.count_in(endpoint.map(|endpoint| Arc::clone(&endpoint.series)));
        if endpoint.is_some_and(|endpoint| endpoint.h2c) {
            stream.sniff().await.ok()?;
        }
        Some((Box::new(stream), admitted))
    }
}

impl<A: HttpServerApp + Send + Sync + 'static> Connections<A> {
    /// One request after the other, as Pingora's own loop does it; but between them the connection waits in
    /// [`Timed::first_byte`].
    async fn speak_http1(&self, mut stream: Box<Timed>, shutdown: &ShutdownWatch) {
        let mut settings: Option<HttpPersistentSettings> = None;
        let mut parting = pin!(reached(&self.parting));
        loop {
            let first = tokio::select! {
                // What has come already is answered.
                biased;
                first = stream.first_byte() => first,
                () = &mut parting => Err(io::ErrorKind::TimedOut.into()),
            };
            match first {
                Ok(()) => {}
                // Over TLS it is told; one that ended by itself or doesn't listen isn't waited for.
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    let _ = timeout(GOODBYE, stream.shutdown()).await;
                    return;
                }
                Err(_) => return,
            }
            let mut session = ServerSession::new_http1(stream);
            match settings {
                Some(settings) => settings.apply_to_session(&mut session),
                None => session.set_keepalive(if *shutdown.borrow() { None } else { NO_CLOCK }),
            }
            if session.get_keepalive().is_some() {
                session.set_keepalive(NO_CLOCK);
            }
            let Some(reused) = self.inner.process_new_http(session, shutdown).await else { return };
            let (next, persistent) = reused.consume();
            let Ok(next) = next.into_any().downcast() else { return };
            (stream, settings) = (next, persistent);
        }
    }
}

/// Until the process parts with its clients. A sender that is gone means that it is about to end.
async fn reached(parting: &watch::Receiver<bool>) {
    let _ = parting.clone().wait_for(|parting| *parting).await;
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> ServerApp for Connections<A> {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        if tls::is_refused(&stream) {
            debug!("a client came back with a certificate that is good no longer");
            return None;
        }
        before_tls::hands_shaken(&*stream);
        self.endpoints.runtimes().this_one_serves();
        let endpoint = self.endpoints.of(stream.get_socket_digest().as_deref());
        let _open = endpoint.map(|endpoint| endpoint.series.open());
        let (stream, _admitted) = tokio::select! {
            // What has come already is looked at first.
            biased;
            stream = self.prepare(endpoint, stream) => stream?,
            () = reached(&self.parting) => return None,
        };
        if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) {
            return self.inner.process_new(stream, shutdown).await;
        }
        self.speak_http1(stream, shutdown).await;
        None
    }

    /// Pingora calls this as soon as it accepts no more, and what it does ends connections that wait for requests: one that
    /// is on its way to them would fail. HTTP/2 clients were told to go (RFC 9113 section 6.8).
    async fn cleanup(&self) {
        reached(&self.parting).await;
        self.inner.cleanup().await;
    }
}
