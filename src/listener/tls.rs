//! TLS of a listener, on rustls.

use std::path::Path;
use std::sync::Arc;

use pingora::listeners::tls::TlsSettings;
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::config::settings::{ClientAuth, ListenerTls};
use crate::error::StartError;

/// The settings Pingora listens with.
///
/// # Errors
/// A file that was good when the configuration was checked is not any more.
pub fn settings(tls: &ListenerTls) -> Result<TlsSettings, StartError> {
    let (cert, key) = (path_str(&tls.cert)?, path_str(&tls.key)?);
    let mut settings = TlsSettings::intermediate(cert, key).map_err(|e| bad(&tls.cert, &e))?;
    if tls.http2 {
        settings.enable_h2();
    }
    if let Some(auth) = &tls.client_auth {
        settings.set_client_cert_verifier(client_verifier(auth)?);
    }
    Ok(settings)
}

fn client_verifier(auth: &ClientAuth) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, StartError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(&auth.ca)? {
        roots.add(certificate).map_err(|e| bad(&auth.ca, &e))?;
    }
    let builder = WebPkiClientVerifier::builder(Arc::new(roots));
    let builder = if auth.required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|e| bad(&auth.ca, &e))
}

/// All certificates of a PEM file; at least one.
///
/// # Errors
/// A file that can't be read, isn't PEM, or holds no certificate.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| bad(path, &e))?;
    if certificates.is_empty() { Err(bad(path, &"holds no certificate")) } else { Ok(certificates) }
}

fn path_str(path: &Path) -> Result<&str, StartError> {
    path.to_str().ok_or_else(|| bad(path, &"the path must be UTF-8"))
}

fn bad(path: &Path, problem: &dyn std::fmt::Display) -> StartError {
    StartError::File { path: path.to_owned(), problem: problem.to_string() }
}
