//! `upstreams`: the servers that requests are forwarded to.

mod health;
mod resolver;
mod timeouts;

use std::collections::BTreeMap;

use rustls_pki_types::ServerName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::health::{Ejection, HealthCheck};
use self::timeouts::Timeouts;
use super::address;
use super::auth::words;
use super::list::List;
use super::mistakes::Check;
use super::pem::{self, Named};
use super::settings;
use super::yaml_path::YamlPath;

/// Retries that a configuration may ask for.
pub const MOST_RETRIES: u32 = 10;
const MOST_WEIGHT: u32 = 65_535;

/// One upstream: peers that answer alike.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Upstream {
    /// The servers; at least one.
    #[schemars(required)]
    peers: Option<List<Peer>>,
    /// Name servers that are asked for the addresses of the peers, `IP:port` or an IP address (port 53), over UDP, and over
    /// TCP where an answer is too long; each is given 1 s, twice. Names are asked for as they are written, without search
    /// domains or the hosts file, for IPv4 and IPv6 addresses. An answer holds for its time to live, from 1 s to 5 s here;
    /// without one, the last addresses stay. Absent: the system's resolver, every 5 s. Example: `["10.0.0.2:53", "10.0.0.3"]`.
    resolver: Option<List<String>>,
    /// How requests are spread over the peers.
    balance: Balance,
    /// What is spoken to the peers.
    protocol: Protocol,
    /// TLS towards the peers; absent: plain.
    tls: Option<UpstreamTls>,
    /// Time bounds of an exchange.
    timeouts: Timeouts,
    /// How often a failed attempt is repeated, on another peer where there is one; only where nothing reached the
    /// upstream, or the method is idempotent, and within a budget of a fifth of the requests. At most 10. Example: `2`.
    retries: u32,
    /// Requests of the gateway's own that find out which peers can be used: a GET over the upstream's protocol and TLS, and
    /// as Host the `sni` or the peer's address. An answer with a status from 200 to 399 is good. A peer counts as healthy
    /// until checks say otherwise. Absent: off.
    health_check: Option<HealthCheck>,
    /// Takes a peer out of use whose requests fail in a row: a connection that fails or takes too long, an answer that breaks
    /// off, isn't HTTP or takes too long, or one with status 502, 503 or 504. Any other answer is a success. Absent: off.
    ejection: Option<Ejection>,
}

/// One server of an upstream.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Peer {
    /// `host:port`; a host name is resolved again and again. Also the metric label. Example: `rtms-2.internal:8080`.
    #[schemars(required)]
    address: Option<String>,
    /// Share of the traffic in relation to the other peers, from 1 to 65535. Example: `2`.
    weight: u32,
}

words! {
    /// How requests are spread.
    Balance {
        /// In turn, by weight.
        RoundRobin,
        /// To the peer with the fewest requests under way in relation to its weight; equals take turns.
        LeastConnections,
        /// By the appId of the judged route, so that an app stays with its peer; consistently, so that of n peers one that
        /// comes or goes moves 1/n of the apps. Requests without an appId go in turn.
        Hash,
    }
}

words! {
    /// What is spoken to the peers.
    Protocol {
        /// HTTP/1.1.
        Http1,
        /// HTTP/2; by prior knowledge where there is no TLS.
        Http2,
    }
}

/// TLS towards an upstream.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTls {
    /// Server name, for SNI and for verification; absent: the peers' host, where all have the same. Example:
    /// `rtms.internal`.
    sni: Option<String>,
    /// PEM file with the authorities that may have signed the peers' certificates; absent: the system's. Example:
    /// `ca.pem`.
    ca: Option<String>,
    /// PEM file with the client certificate that the gateway shows to the peers, leaf first; absent: none. Example:
    /// `gateway.pem`.
    cert: Option<String>,
    /// PEM file with the private key of `cert`, unencrypted. Example: `gateway.key`.
    key: Option<String>,
    /// Verify the peers' certificates and their name. `false` lets anybody in between read and change everything.
    verify: bool,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            peers: None,
            resolver: None,
            balance: Balance::RoundRobin,
            protocol: Protocol::Http1,
            tls: None,
            timeouts: Timeouts::default(),
            retries: 1,
            health_check: None,
            ejection: None,
        }
    }
}

impl Default for Peer {
    fn default() -> Self {
        Self { address: None, weight: 1 }
    }
}

impl Default for UpstreamTls {
    fn default() -> Self {
        Self { sni: None, ca: None, cert: None, key: None, verify: true }
    }
}

/// Checks all upstreams. The result has one entry for each name, in the order of the names.
pub fn settle(
    upstreams: Option<BTreeMap<String, Upstream>>,
    at: &YamlPath,
    check: &mut Check,
) -> Vec<settings::Upstream> {
    let upstreams = upstreams.unwrap_or_default();
    if upstreams.is_empty() {
        check.missing(at, "name at least one, as in `rtms: { peers: [ { address: 10.0.0.11:8080 } ] }`");
    }
    upstreams.into_iter().map(|(name, upstream)| upstream.settle(name, at, check)).collect()
}

impl Upstream {
    fn settle(self, name: String, at: &YamlPath, check: &mut Check) -> settings::Upstream {
        let at = at.key(&name);
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) {
            check.refuse(&at, "can't name an upstream; use 1 to 64 letters, digits, `.`, `_` and `-`");
        }
        if self.retries > MOST_RETRIES {
            check.refuse(&at.key("retries"), "is over 10; write a small number, each retry loads a sick upstream more");
        }
        let peers = settle_peers(self.peers, &at.key("peers"), check);
        let resolver =
            self.resolver.map_or_else(Vec::new, |servers| resolver::settle(servers, &at.key("resolver"), check));
        let tls = self.tls.map(|tls| tls.settle(&peers, &at.key("tls"), check));
        settings::Upstream {
            name,
            peers,
            resolver,
            balance: match self.balance {
                Balance::RoundRobin => settings::Balance::RoundRobin,
                Balance::LeastConnections => settings::Balance::LeastConnections,
                Balance::Hash => settings::Balance::Hash,
            },
            http2: self.protocol == Protocol::Http2,
            tls,
            timeouts: self.timeouts.settle(&at.key("timeouts"), check),
            retries: usize::try_from(self.retries).unwrap_or_default(),
            health_check: self.health_check.map(|h| h.settle(&at.key("health_check"), check)),
            ejection: self.ejection.map(|e| e.settle(&at.key("ejection"), check)),
        }
    }
}

fn settle_peers(peers: Option<List<Peer>>, at: &YamlPath, check: &mut Check) -> Vec<settings::Peer> {
    let peers = peers.unwrap_or_default();
    if peers.is_empty() {
        check.missing(at, "list at least one, as in `- address: 10.0.0.11:8080`");
    }
    let mut settled: Vec<(usize, settings::Peer)> = Vec::new();
    for (n, Peer { address, weight }) in peers.into_entries() {
        let at = at.index(n);
        if !(1..=MOST_WEIGHT).contains(&weight) {
            check.refuse(&at.key("weight"), "is out of range; write 1 to 65535, or take the peer out");
        }
        let at = at.key("address");
        let Some(address) = address else {
            check.missing(&at, "say where the peer is, as in `10.0.0.11:8080`");
            continue;
        };
        if let Err(problem) = address::peer_host(&address) {
            check.refuse(&at, format!("{} {problem}", check.show(&at, &address)));
        } else if let Some((earlier, _)) = settled.iter().find(|(_, p)| p.address.eq_ignore_ascii_case(&address)) {
            check.refuse(&at, format!("is the same as peers[{earlier}]; list it once, with a weight"));
        }
        settled.push((n, settings::Peer { address, weight }));
    }
    settled.into_iter().map(|(_, peer)| peer).collect()
}

impl UpstreamTls {
    fn settle(self, peers: &[settings::Peer], at: &YamlPath, check: &mut Check) -> settings::UpstreamTls {
        let sni_at = at.key("sni");
        let common = || {
            let mut hosts = peers.iter().map(|p| address::peer_host(&p.address).ok());
            let first = hosts.next()??;
            hosts.all(|h| h == Some(first)).then(|| first.to_owned())
        };
        let sni = match self.sni {
            Some(sni) => {
                if ServerName::try_from(sni.as_str()).is_err() {
                    let shown = check.show(&sni_at, &sni);
                    check.refuse(&sni_at, format!("{shown} is no server name; write it as in `rtms.internal`"));
                }
                sni
            }
            // Without a name nothing could be verified.
            None => common().unwrap_or_else(|| {
                if self.verify {
                    check.missing(&sni_at, "the peers have different hosts: write the name in their certificates");
                }
                String::new()
            }),
        };
        let ca_at = at.key("ca");
        if let Some(ca) = &self.ca {
            pem::check_authorities(Named { at: &ca_at, name: ca }, check);
        }
        let identity = client_identity(self.cert, self.key, at, check);
        settings::UpstreamTls { sni, ca: self.ca.map(|ca| check.file(&ca)), identity, verify: self.verify }
    }
}

/// The client certificate, if there is one: neither half is of use without the other.
fn client_identity(
    cert: Option<String>,
    key: Option<String>,
    at: &YamlPath,
    check: &mut Check,
) -> Option<settings::ClientIdentity> {
    let (cert_at, key_at) = (at.key("cert"), at.key("key"));
    match (cert, key) {
        (Some(cert), Some(key)) => {
            pem::check_pair(Named { at: &cert_at, name: &cert }, Named { at: &key_at, name: &key }, check);
            return Some(settings::ClientIdentity { cert: check.file(&cert), key: check.file(&key) });
        }
        (Some(_), None) => check.missing(&key_at, "name the private key of the certificate"),
        (None, Some(_)) => check.missing(&cert_at, "name the certificate that the key belongs to"),
        (None, None) => {}
    }
    None
}
