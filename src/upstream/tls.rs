//! What an upstream's TLS is made of: authorities, and what the gateway shows of itself.

use std::path::PathBuf;
use std::sync::Arc;

use pingora::utils::tls::{CertKey, WrappedX509, parse_x509};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::certificates::{Contents, Digest, Expiry};
use crate::config::settings::{ClientIdentity, UpstreamTls};
use crate::error::StartError;
use crate::pem;

/// Authorities and the client certificate of one upstream, as they were read.
#[derive(Clone, Default)]
pub struct Material {
    pub(super) ca: Option<Arc<[WrappedX509]>>,
    pub(super) identity: Option<Arc<CertKey>>,
    /// Of the files.
    pub digest: Digest,
    /// When the client certificate expires, if there is one.
    pub expiry: Option<Expiry>,
}

/// The files that an upstream names.
#[must_use]
pub fn files(tls: &UpstreamTls) -> Vec<PathBuf> {
    let identity = tls.identity.iter().flat_map(|identity| [identity.cert.clone(), identity.key.clone()]);
    tls.ca.iter().cloned().chain(identity).collect()
}

impl Material {
    /// Reads the files.
    ///
    /// # Errors
    /// One that can't be read, or see [`Material::of`].
    pub fn read(tls: &UpstreamTls) -> Result<Self, StartError> {
        Self::of(tls, &Contents::read(&files(tls))?)
    }

    /// Makes something of what was read.
    ///
    /// # Errors
    /// A file that holds no certificates, a certificate that can't be an authority, or a key that belongs to another
    /// certificate.
    pub fn of(tls: &UpstreamTls, contents: &Contents) -> Result<Self, StartError> {
        let chain = |path: &PathBuf| pem::certificates(path, contents.of(path)?);
        let ca = match &tls.ca {
            None => None,
            Some(path) => {
                let certificates = chain(path)?;
                pem::authorities(path, certificates.clone())?;
                Some(certificates.into_iter().map(|der| WrappedX509::new(der.to_vec(), parse_x509)).collect())
            }
        };
        let (mut identity, mut expiry) = (None, None);
        if let Some(ClientIdentity { cert, key }) = &tls.identity {
            let chain = chain(cert)?;
            let private = pem::private_key(key, contents.of(key)?)?;
            pem::certified(key, chain.clone(), private.clone_key())?;
            expiry = chain.first().and_then(pem::not_after).map(Expiry);
            identity = Some(Arc::new(cert_key(&chain, &private)));
        }
        Ok(Self { ca, identity, digest: contents.digest, expiry })
    }
}

/// In the form that Pingora passes on; the kind of the key is told from its bytes.
fn cert_key(chain: &[CertificateDer<'_>], key: &PrivateKeyDer<'_>) -> CertKey {
    CertKey::new(chain.iter().map(|der| der.to_vec()).collect(), key.secret_der().to_vec())
}
