//! What happens on a TLS connection before its handshake: it is let in, or nothing is spent on it.
//!
//! What is counted stays with the connection as its stream's data, until that is closed. On plain listeners Pingora
//! doesn't ask: there [`Connections`](super::connections::Connections) does the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use pingora::http::ResponseHeader;
use pingora::listeners::PreTlsProcess;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{GetProxyDigest as _, GetSocketDigest as _, IO, Peek as _};
use pingora::{Error, ErrorType, Result};

use super::endpoints::Endpoints;
use super::limits::Admitted;
use crate::telemetry::{ListenerSeries, NoRequest};

/// Lets connections in.
pub struct BeforeTls {
    endpoints: Arc<Endpoints>,
}

impl BeforeTls {
    /// For the TLS listeners among `endpoints`.
    #[must_use]
    pub const fn new(endpoints: Arc<Endpoints>) -> Self {
        Self { endpoints }
    }
}

#[async_trait]
impl PreTlsProcess for BeforeTls {
    async fn process(&self, stream: &mut Stream) -> Result<()> {
        let digest = stream.get_socket_digest();
        let endpoint = self.endpoints.of(digest.as_deref());
        let Ok(admitted) = self.endpoints.let_in(endpoint, stream).await else { return closed() };
        let series = endpoint.map(|endpoint| Arc::clone(&endpoint.series));
        let mut handshake =
            Handshake { _admitted: admitted, series, stands: NoRequest::Idle, done: AtomicBool::new(false) };
        // Whether it begins at all: a balancer's health check says nothing.
        if stream.try_peek(&mut [0]).await.is_err() {
            handshake.stands = NoRequest::Closed;
            return closed();
        }
        handshake.stands = NoRequest::TlsFailed;
        // Nothing but a place to keep it in: there is no proxy and no answer of one.
        let digest = ProxyDigest::new(Box::new(ResponseHeader::build(200, Some(0))?), Some(Box::new(handshake)));
        stream.set_proxy_digest(digest);
        Ok(())
    }
}

/// It goes no further.
fn closed() -> Result<()> {
    Err(Error::explain(ErrorType::ConnectionClosed, "closed before the TLS handshake"))
}

/// A connection on its way through the handshake. Pingora tells nobody of one that fails: it is counted here once the
/// connection is closed.
#[derive(Debug)]
struct Handshake {
    _admitted: Admitted,
    series: Option<Arc<ListenerSeries>>,
    /// What it comes to if it ends now.
    stands: NoRequest,
    done: AtomicBool,
}

impl Drop for Handshake {
    fn drop(&mut self) {
        if let Some(series) = self.series.as_ref().filter(|_| !*self.done.get_mut()) {
            series.without_request(self.stands);
        }
    }
}

/// A connection is through its handshake, if it has one.
pub(super) fn hands_shaken(stream: &dyn IO) {
    let digest = stream.get_proxy_digest();
    let handshake = digest.as_ref().and_then(|digest| digest.user_data.as_ref()?.downcast_ref::<Handshake>());
    if let Some(handshake) = handshake {
        handshake.done.store(true, Ordering::Relaxed);
    }
}
