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

/// What a connection ended with that had no whole request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRequest {
    /// The client closed it and had asked nothing on it.
    Closed,
    /// The client asked nothing on it within `limits.client_idle`.
    Idle,
    /// Its TLS handshake failed, or wasn't done in time.
    TlsFailed,
    /// A head that Pingora refuses by itself, with a bare 400 or 405.
    HeadMalformed,
    /// A head that wasn't whole within `limits.head_read_timeout`.
    HeadTimeout,
    /// The client closed it within a head.
    HeadIncomplete,
}

impl NoRequest {
    /// All of them.
    pub const ALL: &[Self] =
        &[Self::Closed, Self::Idle, Self::TlsFailed, Self::HeadMalformed, Self::HeadTimeout, Self::HeadIncomplete];

    /// The label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Idle => "idle",
            Self::TlsFailed => "tls_failed",
            Self::HeadMalformed => "head_malformed",
            Self::HeadTimeout => "head_timeout",
            Self::HeadIncomplete => "head_incomplete",
        }
    }
}

/// The series of one listener.
#[derive(Debug)]
pub struct ListenerSeries {
    open: IntGauge,
    /// In the order of [`Refusal::ALL`].
    refused: Box<[IntCounter]>,
    /// In the order of [`NoRequest::ALL`].
    without_request: Box<[IntCounter]>,
}

impl ListenerSeries {
    /// The series of the listener on this address; all exist from then on, at zero.
    pub(super) fn new(families: &ConnectionFamilies, listener: &str) -> Self {
        let refused = |refusal: &Refusal| families.refused.with_label_values(&[listener, refusal.as_str()]);
        let without = |cause: &NoRequest| families.without_request.with_label_values(&[listener, cause.as_str()]);
        Self {
            open: families.open.with_label_values(&[listener]),
            refused: Refusal::ALL.iter().map(refused).collect(),
            without_request: NoRequest::ALL.iter().map(without).collect(),
        }
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

    /// A connection ended without a request.
    pub fn without_request(&self, cause: NoRequest) {
        if let Some(counter) = self.without_request.get(cause as usize) {
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
    fn refusals_and_causes_are_numbered_in_the_order_of_their_list() {
        for (at, refusal) in Refusal::ALL.iter().enumerate() {
            assert_eq!(*refusal as usize, at, "{refusal:?}");
        }
        for (at, cause) in NoRequest::ALL.iter().enumerate() {
            assert_eq!(*cause as usize, at, "{cause:?}");
        }
    }
}
