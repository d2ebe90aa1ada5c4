//! Every connection's way to Pingora's proxy application: let in, counted by listener, its client and its protocol found
//! out where the listener says so, and with deadlines for its heads.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, ServerApp};
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use tracing::debug;

use super::endpoints::{Endpoint, Endpoints};
use super::limits::Admitted;
use super::patience::{Patient, Timed};
use super::tls;

/// The proxy application, with its connections counted and bounded in number and time.
pub struct Connections<A> {
    inner: Arc<Patient<A>>,
    endpoints: Arc<Endpoints>,
}

impl<A> Connections<A> {
    /// Counts and bounds the connections of `inner`.
    pub fn new(inner: A, endpoints: Arc<Endpoints>) -> Self {
        Self { inner: Arc::new(Patient::new(inner, endpoints.shared_times())), endpoints }
    }

    /// Lets a connection in and puts deadlines on it; `None`: it is to be closed. It is counted while the second is kept;
    /// over TLS, where it was let in before the handshake, there is no second.
    async fn prepare(&self, endpoint: Option<&Endpoint>, mut stream: Stream) -> Option<(Stream, Option<Admitted>)> {
        let admitted = match stream.get_ssl_digest() {
            Some(_) => None,
            None => Some(self.endpoints.let_in(endpoint, &mut *stream).await.ok()?),
        };
        let mut stream = Timed::new(stream, self.endpoints.times());
        if endpoint.is_some_and(|endpoint| endpoint.h2c) {
            stream.sniff().await.ok()?;
        }
        Some((Box::new(stream), admitted))
    }
}

/// Until the process stops: a connection on which nothing was asked yet isn't waited for.
async fn stopped(shutdown: &ShutdownWatch) {
    let _ = shutdown.clone().wait_for(|stopping| *stopping).await;
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> ServerApp for Connections<A> {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        if tls::is_refused(&stream) {
            debug!("a client came back with a certificate that is good no longer");
            return None;
        }
        let endpoint = self.endpoints.of(stream.get_socket_digest().as_deref());
        let _open = endpoint.map(|endpoint| endpoint.series.open());
        let (stream, _admitted) = tokio::select! {
            // What has come already is looked at first.
            biased;
            stream = self.prepare(endpoint, stream) => stream?,
            () = stopped(shutdown) => return None,
        };
        self.inner.process_new(stream, shutdown).await
    }

    async fn cleanup(&self) {
        self.inner.cleanup().await;
    }
}
