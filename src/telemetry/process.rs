//! What is counted of the process as a whole: reloads of its configuration, and the runtimes that serve requests.
//!
//! Pingora runs a runtime on each of its threads and names none of them, so each makes itself known with its first
//! connection; one that never had any has done nothing that counts.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::{Handle, RuntimeMetrics};

use super::metrics::Metrics;
use super::reload_result::ReloadResult;
use super::upgrade_result::UpgradeResult;

thread_local! {
    /// The runtime of this thread is known.
    static KNOWN: Cell<bool> = const { Cell::new(false) };
}

/// The runtimes that serve requests.
#[derive(Default)]
pub struct Runtimes(Mutex<Vec<(Handle, RuntimeMetrics)>>);

impl Runtimes {
    /// The caller's runtime serves requests. Costs a look at a flag from the second time on.
    pub fn this_one_serves(&self) {
        if !KNOWN.replace(true)
            && let Ok(handle) = Handle::try_current()
        {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !all.iter().any(|(known, _)| known.id() == handle.id()) {
                let metrics = handle.metrics();
                all.push((handle, metrics));
            }
        }
    }

    /// Tasks, and the time spent at work.
    fn sums(&self) -> (usize, Duration) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let busy = |m: &RuntimeMetrics| (0..m.num_workers()).map(|w| m.worker_total_busy_duration(w)).sum::<Duration>();
        all.iter().fold((0, Duration::ZERO), |(tasks, time), (_, m)| (tasks + m.num_alive_tasks(), time + busy(m)))
    }
}

impl Metrics {
    /// This many threads serve requests, by a configuration that was just read; told once, at start.
    pub fn started(&self, workers: usize) {
        let families = &self.families.process;
        families.workers.set(workers as f64);
        families.last_reload_successful.set(1.0);
        families.last_reload_timestamp.set(now());
    }

    /// A reload of the configuration was asked for.
    pub fn config_reloaded(&self, result: ReloadResult) {
        let families = &self.families.process;
        families.config_reloads.with_label_values(&[result.as_str()]).inc();
        let successful = result == ReloadResult::Ok;
        families.last_reload_successful.set(f64::from(u8::from(successful)));
        if successful {
            families.last_reload_timestamp.set(now());
        }
    }

    /// An upgrade is over, for this process.
    pub fn upgraded(&self, result: UpgradeResult) {
        self.families.process.upgrades.with_label_values(&[result.as_str()]).inc();
    }

    /// Takes over what the runtimes count by themselves. Called just before [`Metrics::render`].
    pub fn observe_runtimes(&self, runtimes: &Runtimes) {
        let families = &self.families.process;
        let (tasks, busy) = runtimes.sums();
        families.tasks.set(tasks as f64);
        // Two scrapes at a time may find one interval each: what counts is never counted twice for long.
        families.busy.inc_by((busy.as_secs_f64() - families.busy.get()).max(0.0));
    }
}

/// Seconds since the epoch.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_that_failed_leaves_the_time_of_the_one_before() {
        let metrics = Metrics::new(&[], &[]).unwrap();
        metrics.started(2);
        let families = &metrics.families.process;
        let at = families.last_reload_timestamp.get();
        assert_eq!((families.last_reload_successful.get(), families.workers.get()), (1.0, 2.0));
        assert!(at > 1.7e9);
        for failed in [ReloadResult::Invalid, ReloadResult::RestartNeeded] {
            metrics.config_reloaded(failed);
            assert_eq!((families.last_reload_successful.get(), families.last_reload_timestamp.get()), (0.0, at));
        }
        metrics.config_reloaded(ReloadResult::Ok);
        assert!((families.last_reload_successful.get() - 1.0).abs() < f64::EPSILON);
        assert!(families.last_reload_timestamp.get() >= at);
    }

    #[test]
    fn a_runtime_is_known_once_and_its_work_only_grows() {
        let (metrics, runtimes) = (Metrics::new(&[], &[]).unwrap(), Runtimes::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let busy = || metrics.families.process.busy.get();
        let mut before = 0.0;
        for _ in 0..2 {
            runtime.block_on(async {
                runtimes.this_one_serves();
                let _waits = tokio::spawn(std::future::pending::<()>());
                tokio::task::yield_now().await;
                metrics.observe_runtimes(&runtimes);
            });
            assert!(busy() >= before);
            before = busy();
        }
        assert_eq!(runtimes.0.lock().unwrap().len(), 1);
        assert!((metrics.families.process.tasks.get() - 2.0).abs() < f64::EPSILON);
    }
}
