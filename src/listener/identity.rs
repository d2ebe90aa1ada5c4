//! What a listener shows of itself and whom it admits, as it is in force right now.
//!
//! rustls asks for both at each handshake, so that new files are in force from the next one on; connections that stand
//! keep what they began with. A session that is resumed skips the verification of the client's certificate: what it
//! was verified by then may be in force no longer, so that [`Identity::admits`] is asked again after each handshake.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::certificates::{Contents, Digest, Expiry, Holder};
use crate::config::settings::{ClientAuth, ListenerTls};
use crate::error::StartError;
use crate::pem;

/// The certificate of a listener, and the authorities of its clients.
pub struct Identity {
    tls: ListenerTls,
    in_force: ArcSwap<InForce>,
}

struct InForce {
    key: Arc<CertifiedKey>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    digest: Digest,
    expiry: Option<Expiry>,
}

impl Identity {
    /// Reads the files.
    ///
    /// # Errors
    /// A file that was good when the configuration was checked is not any more.
    pub fn read(tls: &ListenerTls) -> Result<Arc<Self>, StartError> {
        let in_force = InForce::new(tls, &Contents::read(&files(tls))?)?;
        Ok(Arc::new(Self { tls: tls.clone(), in_force: ArcSwap::from_pointee(in_force) }))
    }

    /// The files that it is made of.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        files(&self.tls)
    }

    /// Whether HTTP/2 is offered beside HTTP/1.1.
    #[must_use]
    pub const fn offers_http2(&self) -> bool {
        self.tls.http2
    }

    /// Whether clients are asked for certificates.
    #[must_use]
    pub const fn asks_clients(&self) -> bool {
        self.tls.client_auth.is_some()
    }

    /// Whether a client with this chain, leaf first, is let in by the authorities in force.
    #[must_use]
    pub fn admits(&self, chain: Option<&[CertificateDer<'_>]>) -> bool {
        let Some(auth) = &self.tls.client_auth else { return true };
        match chain.and_then(<[_]>::split_first) {
            None => !auth.required,
            Some((leaf, rest)) => {
                self.verifier().is_ok_and(|clients| clients.verify_client_cert(leaf, rest, UnixTime::now()).is_ok())
            }
        }
    }

    fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, Error> {
        let in_force = self.in_force.load();
        // Never: it is asked only where there are authorities. If it were, nobody could be verified.
        in_force.clients.clone().ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))
    }
}

impl InForce {
    fn new(tls: &ListenerTls, contents: &Contents) -> Result<Self, StartError> {
        let chain = pem::certificates(&tls.cert, contents.of(&tls.cert)?)?;
        let expiry = chain.first().and_then(pem::not_after).map(Expiry);
        let key = pem::private_key(&tls.key, contents.of(&tls.key)?)?;
        Ok(Self {
            key: pem::certified(&tls.key, chain, key)?,
            clients: tls.client_auth.as_ref().map(|auth| verifier(auth, contents)).transpose()?,
            digest: contents.digest,
            expiry,
        })
    }
}

fn files(tls: &ListenerTls) -> Vec<PathBuf> {
    let ca = tls.client_auth.as_ref().map(|auth| auth.ca.clone());
    [tls.cert.clone(), tls.key.clone()].into_iter().chain(ca).collect()
}

fn verifier(auth: &ClientAuth, contents: &Contents) -> Result<Arc<dyn ClientCertVerifier>, StartError> {
    let roots = pem::authorities(&auth.ca, pem::certificates(&auth.ca, contents.of(&auth.ca)?)?)?;
    let builder = WebPkiClientVerifier::builder(Arc::new(roots));
    let builder = if auth.required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|e| StartError::file(&auth.ca, &e))
}

impl Holder for Identity {
    fn digest(&self) -> Digest {
        self.in_force.load().digest
    }

    fn expiry(&self) -> Option<Expiry> {
        self.in_force.load().expiry
    }

    fn replace(&self, contents: &Contents) -> Result<(), StartError> {
        self.in_force.store(Arc::new(InForce::new(&self.tls, contents)?));
        Ok(())
    }
}

impl fmt::Debug for Identity {
    /// The files: never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("tls", &self.tls).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.in_force.load().key))
    }
}

impl ClientCertVerifier for Identity {
    fn offer_client_auth(&self) -> bool {
        self.asks_clients()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.tls.client_auth.as_ref().is_some_and(|auth| auth.required)
    }

    /// None: they are lent for as long as the listener lives, and the authorities change. Without them a client shows
    /// what certificate it has (RFC 8446 section 4.2.4).
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verifier()?.verify_client_cert(leaf, rest, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier()?.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier()?.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier().map(|clients| clients.supported_verify_schemes()).unwrap_or_default()
    }
}
