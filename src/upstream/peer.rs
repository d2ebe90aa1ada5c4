//! One peer of an upstream: its name, and the addresses the name stands for right now.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use pingora::protocols::ALPN;
use pingora::upstreams::peer::HttpPeer;

use super::load::Load;
use super::standing::Standing;
use super::tls::Material;
use crate::config::settings;

/// What connections to all peers of an upstream have in common.
#[derive(Clone)]
pub struct Dial {
    timeouts: settings::Timeouts,
    http2: bool,
    tls: Option<Tls>,
    /// Keeps the connection pools of upstreams apart that reach one address with other settings: Pingora's own
    /// key leaves out authorities and ALPN.
    group: u64,
}

#[derive(Clone)]
struct Tls {
    sni: String,
    verify: bool,
    material: Material,
}

/// Streams on one HTTP/2 connection to a peer.
const H2_STREAMS: usize = 100;

impl Dial {
    /// `material` is what the upstream's TLS is made of, where it has any. Were it missing, its peers would be verified by
    /// the system's authorities, never spoken to in the clear.
    #[must_use]
    pub fn new(upstream: &settings::Upstream, group: u64, material: Option<Material>) -> Self {
        let material = material.unwrap_or_default();
        let tls = upstream.tls.as_ref().map(|tls| Tls { sni: tls.sni.clone(), verify: tls.verify, material });
        Self { timeouts: upstream.timeouts, http2: upstream.http2, tls, group }
    }

    /// What its TLS is made of.
    #[must_use]
    pub fn material(&self) -> Option<&Material> {
        self.tls.as_ref().map(|tls| &tls.material)
    }

    fn target(&self, address: SocketAddr) -> HttpPeer {
        let sni = self.tls.as_ref().map(|tls| tls.sni.clone()).unwrap_or_default();
        let mut peer = HttpPeer::new(address, self.tls.is_some(), sni);
        peer.group_key = self.group;
        let options = &mut peer.options;
        options.connection_timeout = Some(self.timeouts.connect);
        options.total_connection_timeout = Some(self.timeouts.connect);
        options.read_timeout = Some(self.timeouts.read);
        options.write_timeout = Some(self.timeouts.write);
        options.idle_timeout = Some(self.timeouts.keepalive);
        options.alpn = if self.http2 { ALPN::H2 } else { ALPN::H1 };
        if self.http2 {
            options.max_h2_streams = H2_STREAMS;
        }
        if let Some(tls) = &self.tls {
            options.verify_cert = tls.verify;
            options.verify_hostname = tls.verify;
            options.ca.clone_from(&tls.material.ca);
            peer.client_cert_key.clone_from(&tls.material.identity);
        }
        peer
    }
}

/// A peer. Reading it takes no lock; the resolver swaps its addresses.
pub struct Peer {
    /// `host:port` as configured: what the resolver resolves, and the metric label.
    pub address: String,
    /// The attempts under way there.
    pub load: Load,
    /// Whether it is in use.
    pub standing: Standing,
    /// What its last bad check found.
    fault: ArcSwapOption<String>,
    targets: ArcSwap<Vec<HttpPeer>>,
    next: AtomicUsize,
    dial: Arc<Dial>,
}

impl Peer {
    /// A peer without an address yet, unless its name is one.
    #[must_use]
    pub fn new(address: &str, dial: Arc<Dial>) -> Self {
        let literal = address.parse::<SocketAddr>().ok();
        let targets = literal.into_iter().map(|a| dial.target(a)).collect();
        Self {
            address: address.to_owned(),
            load: Load::default(),
            standing: Standing::default(),
            fault: ArcSwapOption::empty(),
            targets: ArcSwap::from_pointee(targets),
            next: AtomicUsize::new(0),
            dial,
        }
    }

    /// Whether the name is an address, so that there is nothing to resolve.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.address.parse::<SocketAddr>().is_ok()
    }

    /// How the peer is called in requests of the gateway's own.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.dial.tls.as_ref().map(|tls| &*tls.sni).filter(|sni| !sni.is_empty()).unwrap_or(&self.address)
    }

    /// Whether HTTP/2 is spoken to it.
    #[must_use]
    pub fn speaks_http2(&self) -> bool {
        self.dial.http2
    }

    /// Whether it is spoken to over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.dial.tls.is_some()
    }

    /// The fault that made it unhealthy.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.fault.load().as_deref().cloned()
    }

    /// Notes a fault that is found while it is unhealthy, or makes it so.
    pub fn found(&self, fault: Option<String>) {
        self.fault.store(fault.map(Arc::new));
    }

    /// Whether a request may go there: it is in use, and has an address.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.standing.is_in() && self.is_resolved()
    }

    /// Puts freshly resolved addresses in force; true if they differ from those before.
    pub fn resolved(&self, mut addresses: Vec<SocketAddr>) -> bool {
        addresses.sort_unstable();
        addresses.dedup();
        if self.addresses() == addresses {
            return false;
        }
        self.targets.store(Arc::new(addresses.into_iter().map(|a| self.dial.target(a)).collect()));
        true
    }

    /// The addresses that the name stands for right now.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.targets.load().iter().filter_map(|t| t._address.as_inet().copied()).collect()
    }

    /// Whether there is an address to connect to.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        !self.targets.load().is_empty()
    }

    /// Where the next connection goes; several addresses of one name take turns.
    #[must_use]
    pub fn target(&self, tunnel: bool) -> Option<Box<HttpPeer>> {
        let targets = self.targets.load();
        let turn = if targets.len() > 1 { self.next.fetch_add(1, Ordering::Relaxed) % targets.len() } else { 0 };
        let mut target = Box::new(targets.get(turn)?.clone());
        if tunnel {
            // Pingora takes the timeouts once, before it knows whether the upgrade is accepted.
            target.options.read_timeout = Some(self.dial.timeouts.tunnel);
            target.options.write_timeout = Some(self.dial.timeouts.tunnel);
        }
        Some(target)
    }
}
