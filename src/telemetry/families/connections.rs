//! Families of client connections.

use prometheus::{IntCounterVec, IntGaugeVec, Result};

use super::Registrar;

/// Families of client connections.
#[derive(Clone)]
pub struct ConnectionFamilies {
    /// `rtms_connections{listener}`
    pub open: IntGaugeVec,
    /// `rtms_connections_refused_total{listener,reason}`
    pub refused: IntCounterVec,
    /// `rtms_connections_without_request_total{listener,cause}`
    pub without_request: IntCounterVec,
}

impl ConnectionFamilies {
    pub(super) fn register(r: &mut Registrar) -> Result<Self> {
        let refused = "Client connections closed before anything on them was answered.";
        let without = "Client connections that ended before a request of theirs was whole, by what they ended with.";
        Ok(Self {
            open: r.gauges("rtms_connections", "Open client connections.", &["listener"])?,
            refused: r.counters("rtms_connections_refused_total", refused, &["listener", "reason"])?,
            without_request: r.counters("rtms_connections_without_request_total", without, &["listener", "cause"])?,
        })
    }
}
