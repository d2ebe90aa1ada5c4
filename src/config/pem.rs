//! Certificates and keys: read, parsed and matched when a configuration is checked, so that nothing surprises at the
//! first handshake.

use std::time::SystemTime;

use rustls::crypto::ring;
use rustls::server::ParsedCertificate;
use rustls::{Error, InconsistentKeys, RootCertStore, sign::CertifiedKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::mistakes::Check;
use super::yaml_path::YamlPath;
use crate::certificates::Expiry;

/// A file that a key of the configuration names.
#[derive(Clone, Copy)]
pub struct Named<'n> {
    /// The key.
    pub at: &'n YamlPath,
    /// The file, as it is written there.
    pub name: &'n str,
}

/// Checks that a certificate chain and a private key can be used together.
pub fn check_pair(cert: Named<'_>, key: Named<'_>, check: &mut Check) {
    let chain = certificates(cert, check);
    let private = private_key(key, check);
    let (Some(chain), Some(private)) = (chain, private) else { return };
    let expiry = chain.first().and_then(crate::pem::not_after).map(Expiry);
    match CertifiedKey::from_der(chain, private, &ring::default_provider()) {
        Ok(_) => {
            if let Some(warning) = expiry.and_then(|expiry| expiry.warning(SystemTime::now())) {
                check.advise(cert.at, &warning);
            }
        }
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            let cert = check.show(cert.at, cert.name);
            check.refuse(key.at, format!("does not belong to the certificate {cert}; give the key it was issued for"));
        }
        Err(_) => {
            let shown = check.show(key.at, key.name);
            check.refuse(key.at, format!("{shown} holds a key that can't be used; give an RSA, ECDSA or Ed25519 key"));
        }
    }
}

/// Checks that a file holds authorities to verify certificates by.
pub fn check_authorities(ca: Named<'_>, check: &mut Check) {
    let Some(certificates) = certificates(ca, check) else { return };
    let mut roots = RootCertStore::empty();
    for (n, certificate) in certificates.into_iter().enumerate() {
        if roots.add(certificate).is_err() {
            let shown = check.show(ca.at, ca.name);
            check.refuse(ca.at, format!("certificate {} in {shown} can't be an authority; take it out", n + 1));
        }
    }
}

/// The text of a file that holds authorities to verify certificates by.
pub fn authorities_text(ca: Named<'_>, check: &mut Check) -> Option<Vec<u8>> {
    let before = check.count();
    check_authorities(ca, check);
    if check.count() == before { read(ca, check) } else { None }
}

/// The certificates of a file: at least one, every one an X.509 certificate.
fn certificates(file: Named<'_>, check: &mut Check) -> Option<Vec<CertificateDer<'static>>> {
    let bytes = read(file, check)?;
    let shown = check.show(file.at, file.name);
    let Ok(list) = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() else {
        check.refuse(file.at, format!("{shown} is no well-formed PEM file; give one of `BEGIN CERTIFICATE` blocks"));
        return None;
    };
    if list.is_empty() {
        check.refuse(file.at, format!("{shown} holds no certificate; give a PEM file of `BEGIN CERTIFICATE` blocks"));
        return None;
    }
    for (n, certificate) in list.iter().enumerate() {
        if ParsedCertificate::try_from(certificate).is_err() {
            check.refuse(file.at, format!("certificate {} in {shown} is no X.509 certificate; issue it anew", n + 1));
            return None;
        }
    }
    Some(list)
}

fn private_key(file: Named<'_>, check: &mut Check) -> Option<PrivateKeyDer<'static>> {
    let bytes = zeroize::Zeroizing::new(read(file, check)?);
    let key = PrivateKeyDer::from_pem_slice(&bytes);
    if key.is_err() {
        let shown = check.show(file.at, file.name);
        check.refuse(
            file.at,
            format!("{shown} holds no private key; give an unencrypted PEM file with a `BEGIN PRIVATE KEY` block"),
        );
    }
    key.ok()
}

fn read(file: Named<'_>, check: &mut Check) -> Option<Vec<u8>> {
    match std::fs::read(check.file(file.name)) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            check.refuse(file.at, check.unreadable(file.at, file.name, &error));
            None
        }
    }
}
