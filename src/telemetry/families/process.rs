//! Families of the process: its version, its threads at work, its configuration and its log.

use prometheus::{Counter, Gauge, IntCounter, IntCounterVec, IntGaugeVec, Opts, Result};

use super::Registrar;
use crate::telemetry::metrics::{REVISION, VERSION};
use crate::telemetry::reload_result::ReloadResult;
use crate::telemetry::upgrade_result::UpgradeResult;

/// Families of the process.
#[derive(Clone)]
pub struct ProcessFamilies {
    /// `rtms_access_log_dropped_total`
    pub access_log_dropped: IntCounter,
    /// `rtms_config_reloads_total{result}`
    pub config_reloads: IntCounterVec,
    /// `rtms_upgrades_total{result}`
    pub upgrades: IntCounterVec,
    /// `rtms_config_last_reload_successful`
    pub last_reload_successful: Gauge,
    /// `rtms_config_last_reload_timestamp_seconds`
    pub last_reload_timestamp: Gauge,
    /// `rtms_runtime_workers`
    pub workers: Gauge,
    /// `rtms_runtime_tasks`
    pub tasks: Gauge,
    /// `rtms_runtime_busy_seconds_total`
    pub busy: Counter,
}

impl ProcessFamilies {
    pub(super) fn register(r: &mut Registrar) -> Result<Self> {
        build_info(r)?;
        system(r)?;
        let dropped = "Access log lines given up because their output did not keep up or failed.";
        let reloads = "Reloads of the configuration that were asked for, by what came of them.";
        let upgrades = "Upgrades that this process had a part in, by what came of them.";
        let successful =
            "1 if the last reload put a configuration in force, or there was none since the start; else 0.";
        let timestamp = "When the configuration in force was read, at start or by a reload.";
        let workers = "Threads that serve requests.";
        let tasks = "Tasks on them: connections, and what they wait for.";
        let busy = "Time that they spent at work, all together.";
        let families = Self {
            access_log_dropped: r.counter("rtms_access_log_dropped_total", dropped)?,
            config_reloads: r.counters("rtms_config_reloads_total", reloads, &["result"])?,
            upgrades: r.counters("rtms_upgrades_total", upgrades, &["result"])?,
            last_reload_successful: r.gauge("rtms_config_last_reload_successful", successful)?,
            last_reload_timestamp: r.gauge("rtms_config_last_reload_timestamp_seconds", timestamp)?,
            workers: r.gauge("rtms_runtime_workers", workers)?,
            tasks: r.gauge("rtms_runtime_tasks", tasks)?,
            busy: r.enter(Counter::new("rtms_runtime_busy_seconds_total", busy)?)?,
        };
        for result in ReloadResult::ALL {
            families.config_reloads.with_label_values(&[result.as_str()]);
        }
        for result in UpgradeResult::ALL {
            families.upgrades.with_label_values(&[result.as_str()]);
        }
        Ok(families)
    }
}

/// `rtms_build_info{version,revision}`: always 1.
fn build_info(r: &mut Registrar) -> Result<()> {
    let options = Opts::new("rtms_build_info", "The running version; always 1.");
    let info = IntGaugeVec::new(options, &["version", "revision"])?;
    r.enter(info)?.with_label_values(&[VERSION, REVISION]).set(1);
    Ok(())
}

/// `process_*`: CPU, memory, file descriptors, threads, start time. Linux only.
fn system(r: &Registrar) -> Result<()> {
    #[cfg(target_os = "linux")]
    r.registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    Ok(())
}
