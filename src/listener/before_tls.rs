//! What happens on a TLS connection before its handshake, step by step.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::listeners::PreTlsProcess;
use pingora::protocols::GetSocketDigest as _;
use pingora::protocols::l4::stream::Stream;
use pingora::{Error, ErrorType, Result};

use super::endpoints::Endpoints;

/// The steps, in their order: the first one that fails ends the connection.
pub struct BeforeTls {
    endpoints: Arc<Endpoints>,
}

impl BeforeTls {
    /// For the TLS listeners among `endpoints`.
    #[must_use]
    pub const fn new(endpoints: Arc<Endpoints>) -> Self {
        Self { endpoints }
    }

    /// First of all: whose connection it is.
    async fn proxy_protocol(&self, stream: &mut Stream) -> Result<()> {
        let digest = stream.get_socket_digest();
        let endpoint = self.endpoints.of(digest.as_deref()).ok_or_else(closed)?;
        if endpoint.proxy_protocol {
            self.endpoints.name_client(endpoint, stream).await.map_err(|_| closed())?;
        }
        Ok(())
    }
}

#[async_trait]
impl PreTlsProcess for BeforeTls {
    async fn process(&self, stream: &mut Stream) -> Result<()> {
        self.proxy_protocol(stream).await
    }
}

#[expect(clippy::unnecessary_box_returns, reason = "Pingora passes its errors boxed")]
fn closed() -> Box<Error> {
    Error::explain(ErrorType::ConnectionClosed, "closed before the TLS handshake")
}
