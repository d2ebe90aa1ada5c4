//! Families of attempts to forward.

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec, Result};

use super::Registrar;

/// Families of attempts to forward.
#[derive(Clone)]
pub struct UpstreamFamilies {
    /// `rtms_upstream_requests_total{upstream,peer,outcome}`
    pub attempts: IntCounterVec,
    /// `rtms_upstream_duration_seconds{upstream}`
    pub seconds: HistogramVec,
    /// `rtms_upstream_retries_total{upstream}`
    pub retries: IntCounterVec,
    /// `rtms_upstream_retries_refused_total{upstream}`
    pub retries_refused: IntCounterVec,
    /// `rtms_upstream_connections_total{upstream,reused}`
    pub connections: IntCounterVec,
    /// `rtms_upstream_peer_healthy{upstream,peer}`
    pub healthy: IntGaugeVec,
}

impl UpstreamFamilies {
    pub(super) fn register(r: &mut Registrar) -> Result<Self> {
        let attempts = "Attempts to forward a request, by how they ended; ok: an answer came, whatever its status.";
        let seconds = "From the choice of a peer to the end of the attempt.";
        let refused = "Attempts that were not repeated because the budget for it was spent.";
        let connections = "Connections that requests were sent on, by whether they were kept from a request before.";
        let healthy = "1: the peer gets requests; 0: it is out of use, or its name does not resolve.";
        Ok(Self {
            attempts: r.counters("rtms_upstream_requests_total", attempts, &["upstream", "peer", "outcome"])?,
            seconds: r.exchange_seconds("rtms_upstream_duration_seconds", seconds, "upstream")?,
            retries: r.counters("rtms_upstream_retries_total", "Attempts that were repeated.", &["upstream"])?,
            retries_refused: r.counters("rtms_upstream_retries_refused_total", refused, &["upstream"])?,
            connections: r.counters("rtms_upstream_connections_total", connections, &["upstream", "reused"])?,
            healthy: r.gauges("rtms_upstream_peer_healthy", healthy, &["upstream", "peer"])?,
        })
    }
}
