//! Families of attempts to forward.

use prometheus::{HistogramVec, IntCounterVec, Result};

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
}

impl UpstreamFamilies {
    pub(super) fn register(r: &mut Registrar) -> Result<Self> {
        let attempts = "Attempts to forward a request, by how they ended; ok: an answer came, whatever its status.";
        let seconds = "From the choice of a peer to the end of the attempt.";
        Ok(Self {
            attempts: r.counters("rtms_upstream_requests_total", attempts, &["upstream", "peer", "outcome"])?,
            seconds: r.exchange_seconds("rtms_upstream_duration_seconds", seconds, "upstream")?,
            retries: r.counters("rtms_upstream_retries_total", "Attempts that were repeated.", &["upstream"])?,
        })
    }
}
