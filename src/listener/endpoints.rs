//! The listeners as connections meet them: which of them accepted one, whom it lets in, and its counts.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use pingora::protocols::{GetSocketDigest, SocketDigest, UniqueID};
use tokio::io::AsyncRead;

use super::limits::{Admitted, ConnectionLimits};
use super::proxy_protocol::Closed;
use super::times::{SharedTimes, Times};
use super::trusted::Trusted;
use crate::config::settings::{Listener, Settings};
use crate::telemetry::{ListenerSeries, Metrics, Runtimes};

/// One listener.
pub struct Endpoint {
    address: SocketAddr,
    /// A plain connection may begin with the HTTP/2 preface.
    pub(super) h2c: bool,
    /// A connection begins with a PROXY header.
    pub(super) proxy_protocol: bool,
    pub(super) series: Arc<ListenerSeries>,
}

impl Endpoint {
    fn new(listener: &Listener, metrics: &Metrics) -> Self {
        Self {
            address: listener.address,
            h2c: listener.h2c,
            proxy_protocol: listener.proxy_protocol,
            series: Arc::new(metrics.listener(&listener.address.to_string())),
        }
    }
}

/// All listeners, and how long and whom they trust.
pub struct Endpoints {
    all: Vec<Endpoint>,
    trusted: Trusted,
    times: SharedTimes,
    limits: Arc<ConnectionLimits>,
    runtimes: Arc<Runtimes>,
}

impl Endpoints {
    /// The configured ones.
    #[must_use]
    pub fn new(settings: &Settings, metrics: &Metrics, times: SharedTimes, limits: Arc<ConnectionLimits>) -> Arc<Self> {
        let all = settings.listeners.iter().map(|listener| Endpoint::new(listener, metrics)).collect();
        let trusted = Trusted::new(settings.server.trusted_proxies.clone());
        Arc::new(Self { all, trusted, times, limits, runtimes: Arc::default() })
    }

    /// The runtimes that serve connections.
    #[must_use]
    pub const fn runtimes(&self) -> &Arc<Runtimes> {
        &self.runtimes
    }

    /// Which listener accepted a connection, by the address it arrived on.
    pub(super) fn of(&self, digest: Option<&SocketDigest>) -> Option<&Endpoint> {
        let local = *digest?.local_addr()?.as_inet()?;
        self.all.iter().find(|endpoint| accepts(endpoint.address, local))
    }

    /// Lets a connection in that was just accepted, once its client is known. It is counted until what is returned is
    /// dropped.
    ///
    /// # Errors
    /// It must be closed: it is one too many, or didn't say whose it is where its listener demands that.
    pub(super) async fn let_in<S>(&self, endpoint: Option<&Endpoint>, stream: &mut S) -> Result<Admitted, Closed>
    where
        S: AsyncRead + GetSocketDigest + UniqueID + Send + Unpin + ?Sized,
    {
        let refused = |refusal| {
            if let Some(endpoint) = endpoint {
                endpoint.series.refused(refusal);
            }
            Closed
        };
        let mut admitted = self.limits.enter().map_err(refused)?;
        match endpoint {
            Some(endpoint) if endpoint.proxy_protocol => self.name_client(endpoint, stream).await?,
            // Some listener demands a header, and who knows if it was this one.
            None if self.any_proxy_protocol() => return Err(Closed),
            _ => {}
        }
        let digest = stream.get_socket_digest();
        if let Some(client) = digest.as_ref().and_then(|digest| digest.peer_addr()?.as_inet()) {
            self.limits.claim(&mut admitted, client.ip()).map_err(refused)?;
        }
        Ok(admitted)
    }

    /// Whether any listener demands a PROXY header.
    #[must_use]
    fn any_proxy_protocol(&self) -> bool {
        self.all.iter().any(|endpoint| endpoint.proxy_protocol)
    }

    /// Whether an address is one of `server.trusted_proxies`.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.contains(address)
    }

    /// How long is waited, by the configuration in force.
    pub(super) fn times(&self) -> Times {
        **self.times.load()
    }

    pub(super) fn shared_times(&self) -> SharedTimes {
        Arc::clone(&self.times)
    }
}

/// Whether a listener on this address accepts what arrives on that one. `[::]` is IPv6 alone, so that `0.0.0.0` may stand
/// beside it on the same port.
fn accepts(listener: SocketAddr, local: SocketAddr) -> bool {
    listener.port() == local.port()
        && listener.is_ipv4() == local.is_ipv4()
        && (listener.ip() == local.ip() || listener.ip().is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_belongs_to_the_listener_of_its_family_address_and_port() {
        let accepts = |listener: &str, local: &str| accepts(listener.parse().unwrap(), local.parse().unwrap());
        assert!(accepts("0.0.0.0:80", "10.0.0.1:80") && accepts("[::]:80", "[::1]:80"));
        assert!(accepts("10.0.0.1:80", "10.0.0.1:80"));
        assert!(!accepts("[::]:80", "10.0.0.1:80") && !accepts("0.0.0.0:80", "[::1]:80"));
        assert!(!accepts("10.0.0.2:80", "10.0.0.1:80") && !accepts("0.0.0.0:81", "10.0.0.1:80"));
    }
}
