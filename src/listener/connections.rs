//! A count of the open connections of each listener, around Pingora's proxy application.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use prometheus::IntGauge;

/// The proxy application, with its connections counted.
pub struct Counted<A> {
    inner: Arc<A>,
    /// The configured addresses and their gauges.
    listeners: Vec<(SocketAddr, IntGauge)>,
}

impl<A> Counted<A> {
    /// Counts the connections of `inner`.
    pub fn new(inner: A, listeners: Vec<(SocketAddr, IntGauge)>) -> Self {
        Self { inner: Arc::new(inner), listeners }
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
impl<A: ServerApp + Send + Sync + 'static> ServerApp for Counted<A> {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let _open = self.gauge(&stream).map(|gauge| {
            gauge.inc();
            Open(gauge)
        });
        self.inner.process_new(stream, shutdown).await
    }

    async fn cleanup(&self) {
        self.inner.cleanup().await;
    }
}
