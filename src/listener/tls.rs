//! TLS of a listener, on rustls.

use std::path::Path;
use std::sync::Arc;

use pingora::listeners::tls::TlsSettings;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

use crate::config::settings::{ClientAuth, ListenerTls};
use crate::error::StartError;
use crate::pem::read_certificates;

/// The settings Pingora listens with.
///
/// # Errors
/// A file that was good when the configuration was checked is not any more.
pub fn settings(tls: &ListenerTls) -> Result<TlsSettings, StartError> {
    let (cert, key) = (path_str(&tls.cert)?, path_str(&tls.key)?);
    let mut settings = TlsSettings::intermediate(cert, key).map_err(|e| StartError::file(&tls.cert, &e))?;
    if tls.http2 {
        settings.enable_h2();
    }
    if let Some(auth) = &tls.client_auth {
        settings.set_client_cert_verifier(client_verifier(auth)?);
    }
    Ok(settings)
}

/// The same for a listener of our own.
///
/// # Errors
/// A file that was good when the configuration was checked is not any more.
pub fn server_config(tls: &ListenerTls) -> Result<ServerConfig, StartError> {
    let builder = ServerConfig::builder();
    let builder = match &tls.client_auth {
        Some(auth) => builder.with_client_cert_verifier(client_verifier(auth)?),
        None => builder.with_no_client_auth(),
    };
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|e| StartError::file(&tls.key, &e))?;
    let config = builder.with_single_cert(read_certificates(&tls.cert)?, key);
    let mut config = config.map_err(|e| StartError::file(&tls.cert, &e))?;
    let protocols: &[&[u8]] = if tls.http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

fn client_verifier(auth: &ClientAuth) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, StartError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(&auth.ca)? {
        roots.add(certificate).map_err(|e| StartError::file(&auth.ca, &e))?;
    }
    let builder = WebPkiClientVerifier::builder(Arc::new(roots));
    let builder = if auth.required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|e| StartError::file(&auth.ca, &e))
}

fn path_str(path: &Path) -> Result<&str, StartError> {
    path.to_str().ok_or_else(|| StartError::file(path, &"the path must be UTF-8"))
}
