//! TLS for tests: certificates made on the spot, and a client that speaks over them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;

use super::client::Client;
use super::poll;

/// An authority that signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, both in PEM.
pub struct Identity {
    /// The certificate.
    pub cert: String,
    /// The key.
    pub key: String,
}

impl Authority {
    /// A new one.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Its certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for a name or address.
    pub fn identity(&self, name: &str) -> Identity {
        self.sign(&CertificateParams::new(vec![name.to_owned()]).expect("a sound name"))
    }

    /// A certificate whose subject is this common name alone.
    pub fn subject(&self, common_name: &str) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        self.sign(&params)
    }

    /// A certificate for a name or address that expires then.
    pub fn expiring(&self, name: &str, at: SystemTime) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a sound name");
        params.not_after = at.into();
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity { cert: cert.pem(), key: key.serialize_pem() }
    }
}

/// A handshake: whom to trust, what to offer.
pub struct Handshake<'a> {
    authority: &'a Authority,
    identity: Option<&'a Identity>,
    protocols: Vec<Vec<u8>>,
    before: Vec<u8>,
}

impl<'a> Handshake<'a> {
    /// Trusts an authority, offers no certificate and HTTP/1.1.
    pub fn trusting(authority: &'a Authority) -> Self {
        Self { authority, identity: None, protocols: vec![b"http/1.1".to_vec()], before: Vec::new() }
    }

    /// Offers a client certificate.
    pub fn identity(mut self, identity: &'a Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Offers these protocols by ALPN.
    pub fn protocols(mut self, protocols: &[&str]) -> Self {
        self.protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        self
    }

    /// Sends these bytes first, in one piece with the beginning of the handshake.
    pub fn after(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.before = bytes.into();
        self
    }

    /// Connects; the client, and the protocol that was agreed on.
    ///
    /// # Errors
    /// What broke the handshake off. A server that refuses a client certificate under TLS 1.3 does so after the
    /// client's last word, so this reads on until the server's first answer to it.
    pub async fn connect(self, address: SocketAddr) -> Result<(Client, String), String> {
        let config = Arc::new(self.config());
        Self::speak(config, self.before, address).await
    }

    /// Connects as a client that was made before, and keeps its sessions.
    ///
    /// # Errors
    /// See [`Handshake::connect`].
    pub async fn connect_as(config: Arc<ClientConfig>, address: SocketAddr) -> Result<(Client, String), String> {
        Self::speak(config, Vec::new(), address).await
    }

    async fn speak(
        config: Arc<ClientConfig>,
        mut first: Vec<u8>,
        address: SocketAddr,
    ) -> Result<(Client, String), String> {
        let name = ServerName::from(address.ip());
        let mut tls = ClientConnection::new(config, name).map_err(|e| e.to_string())?;
        let mut tcp = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
        tls.write_tls(&mut first).map_err(|e| e.to_string())?;
        tcp.write_all(&first).await.map_err(|e| e.to_string())?;
        poll::bounded("a handshake", handshake(&mut tcp, &mut tls)).await?;
        let protocol = String::from_utf8_lossy(tls.alpn_protocol().unwrap_or_default()).into_owned();
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        tokio::spawn(pump(tcp, tls, theirs));
        Ok((Client::over(ours, address), protocol))
    }

    /// The client that this makes.
    pub fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(self.authority.pem())).expect("an authority's certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("versions of the provider's").with_root_certificates(roots);
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(Identity { cert, key }) => {
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
                builder.with_client_auth_cert(vec![certificate(cert)], key).expect("a certificate with its key")
            }
        };
        config.alpn_protocols.clone_from(&self.protocols);
        config
    }
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

async fn handshake(tcp: &mut TcpStream, tls: &mut ClientConnection) -> Result<(), String> {
    while tls.is_handshaking() {
        flush(tcp, tls).await.map_err(|e| e.to_string())?;
        if tls.is_handshaking() && !feed(tcp, tls).await? {
            return Err("the server closed during the handshake".into());
        }
    }
    flush(tcp, tls).await.map_err(|e| e.to_string())?;
    // TLS 1.3: session tickets, or the alert that refuses our certificate.
    if feed(tcp, tls).await? { Ok(()) } else { Err("the server closed after the handshake".into()) }
}

async fn flush(tcp: &mut TcpStream, tls: &mut ClientConnection) -> std::io::Result<()> {
    while tls.wants_write() {
        let mut out = Vec::new();
        tls.write_tls(&mut out)?;
        tcp.write_all(&out).await?;
    }
    Ok(())
}

/// Reads once; false at the end of the stream.
async fn feed(tcp: &mut TcpStream, tls: &mut ClientConnection) -> Result<bool, String> {
    let mut bytes = vec![0; 16 * 1024];
    let read = tcp.read(&mut bytes).await.map_err(|e| e.to_string())?;
    let mut rest = bytes.get(..read).unwrap_or_default();
    while !rest.is_empty() {
        tls.read_tls(&mut rest).map_err(|e| e.to_string())?;
        tls.process_new_packets().map_err(|e| e.to_string())?;
    }
    Ok(read > 0)
}

/// Moves bytes between the plain end and the connection until either ends.
async fn pump(mut tcp: TcpStream, mut tls: ClientConnection, mut plain: DuplexStream) -> Result<(), String> {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let mut clear = Vec::new();
        // WouldBlock: nothing more for now.
        let _ = std::io::Read::read_to_end(&mut tls.reader(), &mut clear);
        plain.write_all(&clear).await.map_err(|e| e.to_string())?;
        flush(&mut tcp, &mut tls).await.map_err(|e| e.to_string())?;
        tokio::select! {
            fed = feed(&mut tcp, &mut tls) => {
                if !fed? {
                    return Ok(());
                }
            }
            read = plain.read(&mut bytes) => {
                let read = read.map_err(|e| e.to_string())?;
                if read == 0 {
                    tls.send_close_notify();
                    return flush(&mut tcp, &mut tls).await.map_err(|e| e.to_string());
                }
                let sent = bytes.get(..read).unwrap_or_default();
                std::io::Write::write_all(&mut tls.writer(), sent).map_err(|e| e.to_string())?;
            }
        }
    }
}
