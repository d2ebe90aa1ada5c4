//! Families of the apps and their source.

use prometheus::{Gauge, Histogram, IntCounter, IntCounterVec, IntGaugeVec, Result};

use super::Registrar;

/// From a change stream at its best to a source that had to be loaded again.
const PROPAGATION_SECONDS: &[f64] =
    &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// Families of the apps and their source.
#[derive(Clone)]
pub struct AppsFamilies {
    /// `rtms_apps{state}`
    pub states: IntGaugeVec,
    /// `rtms_apps_weak{kind}`
    pub weak: IntGaugeVec,
    /// `rtms_apps_changes_total{kind}`
    pub changes: IntCounterVec,
    /// `rtms_apps_reloads_total{cause}`
    pub reloads: IntCounterVec,
    /// `rtms_apps_resumes_total`
    pub resumes: IntCounter,
    /// `rtms_apps_staleness_seconds`
    pub staleness: Gauge,
    /// `rtms_apps_stale`
    pub stale: Gauge,
    /// `rtms_apps_position_age_seconds`
    pub position_age: Gauge,
    /// `rtms_apps_cache_age_seconds`
    pub cache_age: Gauge,
    /// `rtms_apps_alarm{kind}`
    pub alarm: IntGaugeVec,
    /// `rtms_apps_propagation_seconds`
    pub propagation: Histogram,
}

impl AppsFamilies {
    pub(super) fn register(r: &mut Registrar) -> Result<Self> {
        let weak = "Secrets that work but should not be used.";
        let changes = "Changes received from the apps source.";
        let reloads = "Full loads of the apps, by cause.";
        let resumes = "Times the stream of changes broke and was taken up where it stood.";
        let staleness = "Time since the apps were last known to match their source.";
        let stale = "1 while the staleness is over apps.max_staleness.";
        let position = "Time since the position in the stream of changes last moved; an idle store moves it too.";
        let cache = "Time since the apps cache was written; NaN without apps.cache.";
        let alarm = "1 while something is wrong with the apps source that time alone may not mend.";
        let propagation = "From a write in the source to its being in force here.";
        Ok(Self {
            states: r.gauges("rtms_apps", "App documents in force, by state.", &["state"])?,
            weak: r.gauges("rtms_apps_weak", weak, &["kind"])?,
            changes: r.counters("rtms_apps_changes_total", changes, &["kind"])?,
            reloads: r.counters("rtms_apps_reloads_total", reloads, &["cause"])?,
            resumes: r.counter("rtms_apps_resumes_total", resumes)?,
            staleness: r.gauge("rtms_apps_staleness_seconds", staleness)?,
            stale: r.gauge("rtms_apps_stale", stale)?,
            position_age: r.gauge("rtms_apps_position_age_seconds", position)?,
            cache_age: r.gauge("rtms_apps_cache_age_seconds", cache)?,
            alarm: r.gauges("rtms_apps_alarm", alarm, &["kind"])?,
            propagation: r.histogram("rtms_apps_propagation_seconds", propagation, PROPAGATION_SECONDS)?,
        })
    }
}
