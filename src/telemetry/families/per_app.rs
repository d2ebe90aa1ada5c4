//! Families of single apps: only with `telemetry.per_app`, and only for the busiest.

use prometheus::{IntCounterVec, Result};

use super::Registrar;

/// Families of single apps.
#[derive(Clone)]
pub struct PerAppFamilies {
    /// `rtms_app_requests_total{app}`
    pub requests: IntCounterVec,
    /// `rtms_app_rejections_total{app,reason}`
    pub rejections: IntCounterVec,
}

impl PerAppFamilies {
    pub(super) fn register(r: &mut Registrar) -> Result<Self> {
        let requests = "Requests of the busiest apps; other: of all others that are known.";
        let rejections = "Requests of the busiest apps that were judged and turned away; other: of all others.";
        Ok(Self {
            requests: r.counters("rtms_app_requests_total", requests, &["app"])?,
            rejections: r.counters("rtms_app_rejections_total", rejections, &["app", "reason"])?,
        })
    }

    /// Forgets all series.
    pub fn reset(&self) {
        self.requests.reset();
        self.rejections.reset();
    }
}
