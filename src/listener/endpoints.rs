//! The listeners as connections meet them: which of them accepted one, what it demands first, and its counts.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use pingora::protocols::SocketDigest;

use super::times::{SharedTimes, Times};
use crate::config::settings::{Listener, Settings};
use crate::telemetry::{ListenerSeries, Metrics};

/// One listener.
pub struct Endpoint {
    address: SocketAddr,
    /// A plain connection may begin with the HTTP/2 preface.
    pub(super) h2c: bool,
    /// A connection begins with a PROXY header.
    pub(super) proxy_protocol: bool,
    pub(super) tls: bool,
    pub(super) series: ListenerSeries,
}

impl Endpoint {
    fn new(listener: &Listener, metrics: &Metrics) -> Self {
        Self {
            address: listener.address,
            h2c: listener.h2c,
            proxy_protocol: listener.proxy_protocol,
            tls: listener.tls.is_some(),
            series: metrics.listener(&listener.address.to_string()),
        }
    }

    fn accepts(&self, local: SocketAddr) -> bool {
        let Self { address, .. } = self;
        address.port() == local.port() && (address.ip() == local.ip() || address.ip().is_unspecified())
    }
}

/// All listeners, and how long and whom they trust.
pub struct Endpoints {
    all: Vec<Endpoint>,
    trusted: Vec<IpNet>,
    times: SharedTimes,
}

impl Endpoints {
    /// The configured ones.
    #[must_use]
    pub fn new(settings: &Settings, metrics: &Metrics, times: SharedTimes) -> Arc<Self> {
        let all = settings.listeners.iter().map(|listener| Endpoint::new(listener, metrics)).collect();
        Arc::new(Self { all, trusted: settings.server.trusted_proxies.clone(), times })
    }

    /// Which listener accepted a connection, by the address it arrived on.
    pub(super) fn of(&self, digest: Option<&SocketDigest>) -> Option<&Endpoint> {
        let local = *digest?.local_addr()?.as_inet()?;
        self.all.iter().find(|endpoint| endpoint.accepts(local))
    }

    /// Whether any listener demands a PROXY header.
    #[must_use]
    pub fn any_proxy_protocol(&self) -> bool {
        self.all.iter().any(|endpoint| endpoint.proxy_protocol)
    }

    /// Whether an address is one of `server.trusted_proxies`.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// How long is waited, by the configuration in force.
    pub(super) fn times(&self) -> Times {
        **self.times.load()
    }

    pub(super) fn shared_times(&self) -> SharedTimes {
        Arc::clone(&self.times)
    }
}
