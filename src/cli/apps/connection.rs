//! Where the API is, and how its caller is known: flags, two environment variables, and files.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use http::Uri;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use zeroize::Zeroizing;

use super::client::{Bearer, Client, Patience};
use super::{Failure, duration};
use crate::cli::{environment, note};
use crate::pem::read_certificates;

/// Where the API is, when `--url` doesn't say.
const URL: &str = "RTMS_PROFILES_URL";
/// The token, when no file holds it.
const TOKEN: &str = "RTMS_PROFILES_TOKEN";

/// How the API is reached. The token is in the environment variable `RTMS_PROFILES_TOKEN` or in a file, never on the
/// command line, where everybody on the machine sees it.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Where the API is, such as `http://127.0.0.1:9902`; without it, as the environment variable `RTMS_PROFILES_URL`
    /// says.
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// A file that holds the token; without it, the environment variable `RTMS_PROFILES_TOKEN` does.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The authorities that the API's certificate may come from, PEM; without it, the public ones.
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The certificate to show, PEM, with those between it and its authority.
    #[arg(long, global = true, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long, global = true, value_name = "FILE")]
    key: Option<PathBuf>,
    /// How long an answer may take, beside what `--wait` asks for.
    #[arg(long, global = true, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    timeout: Duration,
}

/// An address as it may be used.
#[derive(Debug, PartialEq, Eq)]
struct Base {
    /// Without a `/` at its end.
    text: String,
    tls: bool,
    /// Whether what is sent stays on this machine.
    loopback: bool,
}

impl Connection {
    /// A client; nothing is dialled yet. `wait` is how long the API will be asked to wait.
    ///
    /// # Errors
    /// There is no address or no token, or they or a file can't be used.
    pub fn open(&self, wait: Duration) -> Result<Client, Failure> {
        let base = self.base().map_err(Failure::Usage)?;
        let token = self.token().map_err(Failure::Usage)?;
        let tls = self.tls(base.tls).map_err(Failure::Usage)?;
        if !base.tls && !base.loopback {
            note(&format!("warning: {} isn't encrypted: the token and the secrets can be read on the way", base.text));
        }
        if self.timeout.is_zero() {
            return Err(Failure::Usage("--timeout is no time at all; write more than `0s`".to_owned()));
        }
        let patience = Patience { answer: self.timeout.saturating_add(wait), connect: self.timeout };
        Ok(Client::new(base.text, token, tls, patience))
    }

    fn base(&self) -> Result<Base, String> {
        let (from, text) = match &self.url {
            Some(url) => ("--url", url.clone()),
            None => (URL, environment(URL).unwrap_or_default()),
        };
        if text.is_empty() {
            return Err(format!("where is the API? Set {URL}, or give --url, such as `http://127.0.0.1:9902`"));
        }
        base(&text).map_err(|problem| format!("{from} {problem}"))
    }

    fn token(&self) -> Result<Bearer, String> {
        let (from, text) = if let Some(file) = &self.token_file {
            let read = std::fs::read_to_string(file).map(Zeroizing::new);
            let text = read.map_err(|error| format!("--token-file {}: can't be read ({error})", file.display()))?;
            (file.display().to_string(), text)
        } else {
            (TOKEN.to_owned(), Zeroizing::new(environment(TOKEN).unwrap_or_default()))
        };
        match text.trim_ascii() {
            "" if self.token_file.is_none() => Err(format!("with which token? Set {TOKEN}, or give --token-file")),
            "" => Err(format!("{from} holds no token")),
            token => {
                Bearer::new(token).ok_or_else(|| format!("{from} holds what can't be a token; give it alone there"))
            }
        }
    }

    fn tls(&self, encrypted: bool) -> Result<TlsConfig, String> {
        let named = [("--ca", &self.ca), ("--cert", &self.cert), ("--key", &self.key)];
        if let Some((flag, _)) = named.iter().find(|(_, file)| file.is_some() && !encrypted) {
            return Err(format!("{flag} is for an `https` address"));
        }
        let identity = match (&self.cert, &self.key) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some(identity(cert, key)?),
            (Some(_), None) => return Err("--cert needs --key beside it".to_owned()),
            (None, Some(_)) => return Err("--key needs --cert beside it".to_owned()),
        };
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .client_cert(identity);
        let tls = if let Some(ca) = &self.ca { tls.root_certs(authorities(ca)?) } else { tls };
        Ok(tls.build())
    }
}

/// Reads an address. A problem never quotes it: there may be a password in it.
fn base(text: &str) -> Result<Base, &'static str> {
    const FORM: &str = "is no address; write `http://host:port` or `https://host:port`";
    let uri: Uri = text.parse().map_err(|_| FORM)?;
    let tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(FORM),
    };
    let authority = uri.authority().ok_or(FORM)?;
    if authority.as_str().contains('@') {
        return Err("holds a user; take it out: the token says who asks");
    }
    if text.contains(['?', '#']) {
        return Err("holds a `?` or `#`; write it without what begins there");
    }
    let host = authority.host();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let loopback = address.map_or(host.eq_ignore_ascii_case("localhost"), |ip| ip.to_canonical().is_loopback());
    Ok(Base { text: text.trim_end_matches('/').to_owned(), tls, loopback })
}

fn authorities(file: &Path) -> Result<RootCerts, String> {
    let mut roots = RootCertStore::empty();
    let mut certificates = Vec::new();
    for certificate in read_certificates(file).map_err(|error| format!("--ca {error}"))? {
        certificates.push(Certificate::from_der(&certificate).to_owned());
        let added = roots.add(certificate);
        added.map_err(|_| format!("--ca {}: holds a certificate that can't be an authority", file.display()))?;
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

/// A certificate and its key, seen to belong together.
fn identity(cert: &Path, key: &Path) -> Result<ClientCert, String> {
    let chain = read_certificates(cert).map_err(|error| format!("--cert {error}"))?;
    let shown = key.display();
    let bytes = std::fs::read(key).map(Zeroizing::new);
    let bytes = bytes.map_err(|error| format!("--key {shown}: can't be read ({error})"))?;
    let no_key = || format!("--key {shown}: holds no private key; give an unencrypted PEM file");
    let private = PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| no_key())?;
    let certificates: Vec<_> = chain.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    CertifiedKey::from_der(chain, private, &ring::default_provider())
        .map_err(|_| format!("--key {shown}: does not belong to the certificate {}", cert.display()))?;
    let private = PrivateKey::from_pem(&bytes).map_err(|_| no_key())?;
    Ok(ClientCert::new_with_certs(&certificates, private))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_encrypted_or_local_or_neither() {
        let of = |text: &str| base(text).map(|base| (base.text, base.tls, base.loopback));
        assert_eq!(of("http://127.0.0.1:9902/"), Ok(("http://127.0.0.1:9902".to_owned(), false, true)));
        assert_eq!(of("https://api.test/behind/"), Ok(("https://api.test/behind".to_owned(), true, false)));
        for local in ["http://localhost:1", "http://LOCALHOST", "http://[::1]:1", "http://127.8.8.8"] {
            assert!(of(local).is_ok_and(|(_, _, loopback)| loopback), "{local}");
        }
        for far in ["http://10.0.0.1", "http://localhost.test", "http://[::2]:1"] {
            assert!(of(far).is_ok_and(|(_, _, loopback)| !loopback), "{far}");
        }
        let bad = [
            "",
            "127.0.0.1:9902",
            "ftp://a",
            "http://",
            "http://u:p@a",
            "http://a?b",
            "http://a#b",
            "/a",
            "http://a b",
        ];
        for bad in bad {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
