//! The counters of attempts to forward, found by index: upstream, peer, outcome.

use std::collections::BTreeSet;
use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntGaugeVec};

use super::families::UpstreamFamilies;

macro_rules! outcomes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal;)*) => {
        /// How an attempt to forward a request to a peer ended: one closed list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Outcome { $($(#[$doc])* $variant,)* }

        impl Outcome {
            /// All outcomes, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in the `outcome` label.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $word,)* } }
        }
    };
}

outcomes! {
    /// A whole answer came, whatever its status.
    Ok = "ok";
    /// The peer refused the connection, or could not be reached.
    ConnectFailed = "connect_failed";
    /// No connection within `timeouts.connect`.
    ConnectTimeout = "connect_timeout";
    /// The TLS handshake with the peer failed, its certificate included.
    TlsFailed = "tls_failed";
    /// The connection was closed or reset before the answer was whole.
    Reset = "reset";
    /// A read or write took longer than `timeouts.read` or `timeouts.write`.
    Timeout = "timeout";
    /// What came was not HTTP.
    InvalidAnswer = "invalid_answer";
    /// The client left before the answer was whole.
    ClientClosed = "client_closed";
    /// The gateway itself failed during the attempt.
    Internal = "internal";
}

/// The series of every upstream.
pub struct Upstreams {
    series: Box<[UpstreamSeries]>,
    /// Looked up by label, once a scrape: what isn't in force, or never will be, must leave no gauge behind.
    healthy: IntGaugeVec,
}

struct UpstreamSeries {
    name: Box<str>,
    peers: Box<[Box<str>]>,
    duration: Histogram,
    retries: IntCounter,
    retries_refused: IntCounter,
    /// New ones, then kept ones.
    connections: [IntCounter; 2],
    /// By peer, then by outcome.
    attempts: Box<[Box<[IntCounter]>]>,
}

impl Upstreams {
    /// All counters of these upstreams and their peers, at zero.
    pub fn new(families: &UpstreamFamilies, upstreams: &[(&str, Vec<&str>)]) -> Self {
        let series = upstreams.iter().map(|(name, peers)| UpstreamSeries::new(families, name, peers)).collect();
        Self { series, healthy: families.healthy.clone() }
    }

    /// These are in force now: the gauges of peers that only `before` knew go.
    pub fn take_over(&self, before: &Self) {
        let peers = |all: &Self| -> BTreeSet<(Box<str>, Box<str>)> {
            let pairs = all.series.iter().flat_map(|s| s.peers.iter().map(|peer| (s.name.clone(), peer.clone())));
            pairs.collect()
        };
        for (upstream, peer) in peers(before).difference(&peers(self)) {
            // It may never have been told.
            let _ = self.healthy.remove_label_values(&[upstream, peer]);
        }
    }

    /// Counts an attempt.
    pub fn attempted(&self, upstream: usize, peer: usize, outcome: Outcome, elapsed: Duration) {
        let Some(series) = self.series.get(upstream) else { return };
        series.duration.observe(elapsed.as_secs_f64());
        if let Some(counter) = series.attempts.get(peer).and_then(|p| p.get(usize::from(outcome as u8))) {
            counter.inc();
        }
    }

    /// Says whether a peer gets requests.
    pub fn set_healthy(&self, upstream: usize, peer: usize, healthy: bool) {
        let Some(series) = self.series.get(upstream) else { return };
        if let Some(peer) = series.peers.get(peer) {
            self.healthy.with_label_values(&[&series.name, peer]).set(healthy.into());
        }
    }

    /// Counts an attempt that is repeated.
    pub fn retried(&self, upstream: usize) {
        if let Some(series) = self.series.get(upstream) {
            series.retries.inc();
        }
    }

    /// Counts an attempt that the budget kept from being repeated.
    pub fn retry_refused(&self, upstream: usize) {
        if let Some(series) = self.series.get(upstream) {
            series.retries_refused.inc();
        }
    }
}

impl Upstreams {
    /// Counts a connection that a request is sent on.
    pub fn connected(&self, upstream: usize, reused: bool) {
        if let Some(counter) = self.series.get(upstream).and_then(|series| series.connections.get(usize::from(reused)))
        {
            counter.inc();
        }
    }
}

impl UpstreamSeries {
    fn new(families: &UpstreamFamilies, name: &str, peers: &[&str]) -> Self {
        let attempts = |peer: &&str| {
            let counter = |o: &Outcome| families.attempts.with_label_values(&[name, peer, o.as_str()]);
            Outcome::ALL.iter().map(counter).collect()
        };
        Self {
            name: name.into(),
            peers: peers.iter().map(|peer| Box::from(*peer)).collect(),
            duration: families.seconds.with_label_values(&[name]),
            retries: families.retries.with_label_values(&[name]),
            retries_refused: families.retries_refused.with_label_values(&[name]),
            connections: ["false", "true"].map(|reused| families.connections.with_label_values(&[name, reused])),
            attempts: peers.iter().map(attempts).collect(),
        }
    }
}
