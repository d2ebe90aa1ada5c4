//! TLS of a listener, on rustls.

use std::any::Any;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::listeners::TlsAccept;
use pingora::listeners::tls::TlsSettings;
use pingora::protocols::Stream;
use pingora::protocols::tls::TlsRef;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::identity::Identity;
use crate::error::StartError;

/// The settings Pingora listens with.
///
/// # Errors
/// Pingora doesn't take them.
pub fn settings(identity: Arc<Identity>) -> Result<TlsSettings, StartError> {
    let mut settings = if identity.asks_clients() {
        TlsSettings::with_callbacks(Box::new(Doorkeeper(Arc::clone(&identity))))
    } else {
        // Without files: the certificate comes from the resolver.
        TlsSettings::intermediate("", "")
    }
    .map_err(|e| StartError::Process(format!("TLS: {e}")))?;
    if identity.offers_http2() {
        settings.enable_h2();
    }
    if identity.asks_clients() {
        settings.set_client_cert_verifier(Arc::clone(&identity) as _);
    }
    settings.set_cert_resolver(identity);
    Ok(settings)
}

/// The same for a listener of our own.
#[derive(Clone)]
pub struct Acceptor {
    inner: TlsAcceptor,
    identity: Arc<Identity>,
}

impl Acceptor {
    /// Accepts connections as `identity`.
    #[must_use]
    pub fn new(identity: Arc<Identity>) -> Self {
        let builder = ServerConfig::builder();
        let builder = if identity.asks_clients() {
            builder.with_client_cert_verifier(Arc::clone(&identity) as _)
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_cert_resolver(Arc::clone(&identity) as _);
        let protocols: &[&[u8]] = if identity.offers_http2() { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Self { inner: TlsAcceptor::from(Arc::new(config)), identity }
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// What broke it off; also of a client that resumed a session, and whose certificate is good no longer.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let stream = self.inner.accept(stream).await?;
        if self.identity.admits(stream.get_ref().1.peer_certificates()) {
            Ok(stream)
        } else {
            Err(io::Error::other("the client's certificate is good no longer"))
        }
    }
}

/// Looks at the certificate of every client again once it is through the handshake. rustls keeps sessions, and Pingora
/// gives no say in which of them are resumed: a client could come back for as long as its session is kept, whatever became
/// of the authority that vouched for it.
struct Doorkeeper(Arc<Identity>);

/// What it leaves on a connection that must not go on.
struct Refused;

#[async_trait]
impl TlsAccept for Doorkeeper {
    async fn handshake_complete_callback(&self, tls: &TlsRef) -> Option<Arc<dyn Any + Send + Sync>> {
        if self.0.admits(tls.peer_cert_chain_der()) { None } else { Some(Arc::new(Refused)) }
    }
}

/// Whether a connection must be closed because its client's certificate is good no longer.
#[must_use]
pub fn is_refused(stream: &Stream) -> bool {
    stream.get_ssl_digest().is_some_and(|tls| tls.extension.get::<Refused>().is_some())
}
