//! Certificates and keys out of PEM files, for listeners and upstreams.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::error::StartError;

/// All certificates of a PEM file; at least one.
///
/// # Errors
/// A file that can't be read, isn't PEM, or holds no certificate.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let bytes = std::fs::read(path).map_err(|e| StartError::file(path, &e))?;
    certificates(path, &bytes)
}

/// The same of bytes that were read from `path`.
///
/// # Errors
/// They aren't PEM, or hold no certificate.
pub fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let certificates =
        CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>().map_err(|e| StartError::file(path, &e))?;
    if certificates.is_empty() { Err(StartError::file(path, &"holds no certificate")) } else { Ok(certificates) }
}

/// The private key in bytes that were read from `path`.
///
/// # Errors
/// There is none, or it is encrypted.
pub fn private_key(path: &Path, bytes: &[u8]) -> Result<PrivateKeyDer<'static>, StartError> {
    // Its own words could quote the file.
    PrivateKeyDer::from_pem_slice(bytes).map_err(|_| StartError::file(path, &"holds no unencrypted private key"))
}

/// A chain with the private key of its first certificate.
///
/// # Errors
/// The key belongs to another certificate, or is of a kind that can't be used; `path` is the key's.
pub fn certified(
    path: &Path,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, StartError> {
    let certified = CertifiedKey::from_der(chain, key, &ring::default_provider());
    certified.map(Arc::new).map_err(|e| StartError::file(path, &format!("does not fit its certificate: {e}")))
}

/// Authorities to verify certificates by.
///
/// # Errors
/// A certificate that can't be one.
pub fn authorities(path: &Path, certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, StartError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|e| StartError::file(path, &e))?;
    }
    Ok(roots)
}

/// When a certificate ceases to be good, in seconds since the epoch; `None`: it can't be read.
#[must_use]
pub fn not_after(certificate: &CertificateDer<'_>) -> Option<i64> {
    X509Certificate::from_der(certificate).ok().map(|(_, parsed)| parsed.validity().not_after.timestamp())
}
