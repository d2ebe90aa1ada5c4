//! TLS of a listener, on rustls.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::listeners::TlsAccept;
use pingora::listeners::tls::TlsSettings;
use pingora::protocols::Stream;
use pingora::protocols::tls::TlsRef;
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;

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
///
/// It resumes no session, so that every client is verified by the authorities in force.
#[must_use]
pub fn server_config(identity: Arc<Identity>) -> ServerConfig {
    let builder = ServerConfig::builder();
    let builder = if identity.asks_clients() {
        builder.with_client_cert_verifier(Arc::clone(&identity) as _)
    } else {
        builder.with_no_client_auth()
    };
    let http2 = identity.offers_http2();
    let mut config = builder.with_cert_resolver(identity);
    let protocols: &[&[u8]] = if http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}

/// Looks at the certificate of every client again once it is through the handshake. Pingora keeps sessions, and gives
/// no say in which of them are resumed: a client could come back for as long as its session is kept, whatever became
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
