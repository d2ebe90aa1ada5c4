//! Certificates out of PEM files, for listeners and upstreams.

use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::error::StartError;

/// All certificates of a PEM file; at least one.
///
/// # Errors
/// A file that can't be read, isn't PEM, or holds no certificate.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| StartError::file(path, &e))?;
    if certificates.is_empty() { Err(StartError::file(path, &"holds no certificate")) } else { Ok(certificates) }
}
