//! Every connection's way to Pingora's proxy application: counted by listener, and with deadlines for its heads.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, ServerApp};
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use prometheus::IntGauge;

use super::patience::{Patient, timed};
use super::times::SharedTimes;

/// The proxy application, with its connections counted and bounded in time.
pub struct Connections<A> {
    inner: Arc<Patient<A>>,
    times: SharedTimes,
    /// The configured addresses and their gauges.
    listeners: Vec<(SocketAddr, IntGauge)>,
}

impl<A> Connections<A> {
    /// Counts and bounds the connections of `inner`.
    pub fn new(inner: A, times: SharedTimes, listeners: Vec<(SocketAddr, IntGauge)>) -> Self {
        Self { inner: Arc::new(Patient::new(inner, Arc::clone(&times))), times, listeners }
    }

    /// Which listener accepted a connection, by the address it arrived on.
    fn gauge(&self, stream: &Stream) -> Option<&IntGauge> {
        let local = *stream.get_socket_digest()?.local_addr()?.as_inet()?;
        let matches = |l: &SocketAddr| l.port() == local.port() && (l.ip() == local.ip() || l.ip().is_unspecified());
        self.listeners.iter().find(|(address, _)| matches(address)).map(|(_, gauge)| gauge)
    }
}

/// Takes a connection off the count, however it ends.
struct Open<'m>(&'m IntGauge);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> ServerApp for Connections<A> {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let _open = self.gauge(&stream).map(|gauge| {
            gauge.inc();
            Open(gauge)
        });
        self.inner.process_new(timed(stream, **self.times.load()), shutdown).await
    }

    async fn cleanup(&self) {
        self.inner.cleanup().await;
    }
}
