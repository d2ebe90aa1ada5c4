//! `listeners`: where clients connect.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address;
use super::auth::words;
use super::list::List;
use super::mistakes::Check;
use super::pem::{self, Named};
use super::settings;
use super::yaml_path::YamlPath;

/// One listening address. Every listener serves every route.
#[derive(Clone, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listener {
    /// IP address and port to bind. Example: `0.0.0.0:8080`, `[::]:8443`.
    #[schemars(required)]
    address: Option<String>,
    /// TLS on this address; absent: plain HTTP.
    tls: Option<ListenerTls>,
    /// HTTP/2 beside HTTP/1.1 without TLS, for clients that know beforehand ("prior knowledge"): a connection that begins
    /// with the preface of HTTP/2 is HTTP/2. Over TLS that is `tls.http2`. Example: `true`.
    h2c: bool,
    /// Every connection begins with a PROXY header (version 1 or 2), by which a load balancer of
    /// `server.trusted_proxies` names the client; any other connection is closed. Example: `true`.
    proxy_protocol: bool,
}

/// TLS on a listener.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerTls {
    /// PEM file with the certificate chain, leaf first. Example: `server.pem`.
    #[schemars(required)]
    cert: Option<String>,
    /// PEM file with the unencrypted private key of that certificate. Example: `server.key`.
    #[schemars(required)]
    key: Option<String>,
    /// Offer HTTP/2 beside HTTP/1.1 by ALPN.
    http2: bool,
    /// Client certificates (mutual TLS); absent: not asked for.
    client_auth: Option<ClientAuth>,
}

impl Default for ListenerTls {
    fn default() -> Self {
        Self { cert: None, key: None, http2: true, client_auth: None }
    }
}

/// Client certificates on a listener.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientAuth {
    /// PEM file with the authorities that sign client certificates. Example: `ca.pem`.
    #[schemars(required)]
    ca: Option<String>,
    /// Whether a client must show one.
    mode: ClientAuthMode,
}

impl Default for ClientAuth {
    fn default() -> Self {
        Self { ca: None, mode: ClientAuthMode::Require }
    }
}

words! {
    /// Whether a client certificate must be shown.
    ClientAuthMode {
        /// No connection without a good certificate.
        Require,
        /// A client may come without a certificate, but not with a bad one.
        Optional,
    }
}

/// What listeners have to get along with.
#[derive(Clone, Copy)]
pub struct Around {
    /// The admin address.
    pub admin: Option<SocketAddr>,
    /// Whether `server.trusted_proxies` names anybody.
    pub proxies: bool,
}

/// Checks all listeners, and that none of them stands in the way of another or of the admin address.
pub fn settle(
    listeners: Option<List<Listener>>,
    around: Around,
    at: &YamlPath,
    check: &mut Check,
) -> Vec<settings::Listener> {
    let listeners = listeners.unwrap_or_default();
    if listeners.is_empty() {
        check.missing(at, "list at least one, as in `- address: 0.0.0.0:8080`");
    }
    let mut settled: Vec<(usize, settings::Listener)> = Vec::new();
    for (n, listener) in listeners.into_entries() {
        let Some(listener) = listener.settle(around, &at.index(n), check) else { continue };
        let address_at = at.index(n).key("address");
        if let Some((earlier, _)) = settled.iter().find(|(_, e)| address::clash(e.address, listener.address)) {
            check.refuse(&address_at, format!("can't be bound beside listeners[{earlier}]; give it another port"));
        } else if around.admin.is_some_and(|admin| address::clash(admin, listener.address)) {
            check.refuse(&address_at, "can't be bound beside admin.address; give one of them another port");
        }
        settled.push((n, listener));
    }
    settled.into_iter().map(|(_, listener)| listener).collect()
}

impl Listener {
    fn settle(self, around: Around, at: &YamlPath, check: &mut Check) -> Option<settings::Listener> {
        let Self { h2c, proxy_protocol, .. } = self;
        if h2c && self.tls.is_some() {
            check.refuse(&at.key("h2c"), "is for listeners without TLS; take it out, `tls.http2` offers HTTP/2 here");
        }
        if proxy_protocol && !around.proxies {
            let remedy = "is believed from `server.trusted_proxies` alone, and there are none; list the balancers' addresses there";
            check.refuse(&at.key("proxy_protocol"), remedy);
        }
        let tls = self.tls.and_then(|tls| tls.settle(&at.key("tls"), check));
        let at = at.key("address");
        let Some(text) = self.address else {
            check.missing(&at, "say where to listen, as in `0.0.0.0:8080`");
            return None;
        };
        match address::listen(&text) {
            Ok(address) => Some(settings::Listener { address, tls, h2c, proxy_protocol }),
            Err(problem) => {
                check.refuse(&at, format!("{} {problem}", check.show(&at, &text)));
                None
            }
        }
    }
}

impl ListenerTls {
    /// The normal form.
    pub(super) fn settle(self, at: &YamlPath, check: &mut Check) -> Option<settings::ListenerTls> {
        let (cert_at, key_at) = (at.key("cert"), at.key("key"));
        if self.cert.is_none() {
            check.missing(&cert_at, "name the PEM file of the certificate chain");
        }
        if self.key.is_none() {
            check.missing(&key_at, "name the PEM file of the certificate's private key");
        }
        let client_auth = self.client_auth.and_then(|auth| auth.settle(&at.key("client_auth"), check));
        let (cert, key) = (self.cert?, self.key?);
        pem::check_pair(Named { at: &cert_at, name: &cert }, Named { at: &key_at, name: &key }, check);
        Some(settings::ListenerTls { cert: check.file(&cert), key: check.file(&key), http2: self.http2, client_auth })
    }
}

impl ClientAuth {
    fn settle(self, at: &YamlPath, check: &mut Check) -> Option<settings::ClientAuth> {
        let at = at.key("ca");
        let Some(ca) = self.ca else {
            check.missing(&at, "name the PEM file of the authorities that sign client certificates");
            return None;
        };
        pem::check_authorities(Named { at: &at, name: &ca }, check);
        Some(settings::ClientAuth { ca: check.file(&ca), required: self.mode == ClientAuthMode::Require })
    }
}
