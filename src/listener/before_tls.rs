//! What happens on a TLS connection before its handshake: it is let in, or nothing is spent on it.
//!
//! What is counted stays with the connection as its stream's data, until that is closed. On plain listeners Pingora
//! doesn't ask: there [`Connections`](super::connections::Connections) does the same.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::http::ResponseHeader;
use pingora::listeners::PreTlsProcess;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{GetProxyDigest as _, GetSocketDigest as _};
use pingora::{Error, ErrorType, Result};

use super::endpoints::Endpoints;

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
        let Ok(admitted) = self.endpoints.let_in(endpoint, stream).await else {
            return Err(Error::explain(ErrorType::ConnectionClosed, "closed before the TLS handshake"));
        };
        // Nothing but a place to keep it in: there is no proxy and no answer of one.
        let digest = ProxyDigest::new(Box::new(ResponseHeader::build(200, Some(0))?), Some(Box::new(admitted)));
        stream.set_proxy_digest(digest);
        Ok(())
    }
}
