//! Client connections, by listener: those that are open, and those that were refused.

use prometheus::{IntCounter, IntGauge};

use super::families::ConnectionFamilies;

/// Why a connection was closed before anything on it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Over `limits.connections`.
    Connections,
    /// Over `limits.connections_per_address`.
    ConnectionsPerAddress,
    /// It began with no sound PROXY header, or not in time.
    ProxyHeader,
    /// It came to a listener with `proxy_protocol` from an address that isn't among `server.trusted_proxies`.
    UntrustedProxy,
}

impl Refusal {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Connections, Self::ConnectionsPerAddress, Self::ProxyHeader, Self::UntrustedProxy];

    /// The label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::ProxyHeader => "proxy_header",
            Self::UntrustedProxy => "untrusted_proxy",
        }
    }
}

/// The series of one listener.
pub struct ListenerSeries {
    open: IntGauge,
    /// In the order of [`Refusal::ALL`].
    refused: Box<[IntCounter]>,
}

impl ListenerSeries {
    /// The series of the listener on this address; all exist from then on, at zero.
    pub(super) fn new(families: &ConnectionFamilies, listener: &str) -> Self {
        let refused = |refusal: &Refusal| families.refused.with_label_values(&[listener, refusal.as_str()]);
        Self { open: families.open.with_label_values(&[listener]), refused: Refusal::ALL.iter().map(refused).collect() }
    }

    /// Counts a connection as open for as long as what is returned lives.
    #[must_use]
    pub fn open(&self) -> Open<'_> {
        self.open.inc();
        Open(&self.open)
    }

    /// A connection was refused.
    pub fn refused(&self, refusal: Refusal) {
        if let Some(counter) = self.refused.get(refusal as usize) {
            counter.inc();
        }
    }
}

/// An open connection; off the count once dropped, however the connection ends.
#[derive(Debug)]
pub struct Open<'m>(&'m IntGauge);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_numbered_in_the_order_of_their_list() {
        for (at, refusal) in Refusal::ALL.iter().enumerate() {
            assert_eq!(*refusal as usize, at, "{refusal:?}");
        }
    }
}
