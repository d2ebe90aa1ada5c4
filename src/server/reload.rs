//! A reload of the configuration: whole, or not at all.
//!
//! The file is read as at a start. What can't be changed while the process runs, or doesn't check out, changes nothing:
//! it is logged, counted, and the configuration in force stays. Otherwise one pointer is swapped: requests that come
//! from then on see the new configuration, those under way finish by the old one. Upstreams whose settings are the same
//! are kept with all that is known of their peers, and so are budgets and the access log. Files that an upstream's TLS is
//! read from count as settings here: when they change, the upstream is replaced, by this or by a [`Renewal`].

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc, watch};
use tracing::{error, info, warn};

use super::notify::Notifier;
use super::renewal::Renewal;
use crate::admin::{About, LastReload};
use crate::config::settings::{self, Settings, Upstream};
use crate::config::{self, Mistakes};
use crate::error::StartError;
use crate::gateway::state::{Current, Fresh, State};
use crate::listener::times::{SharedTimes, Times};
use crate::telemetry::{AccessLog, Metrics, ReloadResult, Tracing};
use crate::upstream::tls::Material;
use crate::upstream::{Cluster, resolve};

/// Reloads the configuration when it is told to.
pub struct Reloader {
    /// The file that the process was started with.
    pub file: PathBuf,
    /// The settings in force.
    pub settings: Settings,
    /// Where requests find what is in force.
    pub current: Current,
    /// Told which upstreams are.
    pub clusters: watch::Sender<Vec<Arc<Cluster>>>,
    /// Deadlines of connections that are accepted from now on.
    pub times: SharedTimes,
    /// What `/status` shows.
    pub about: Arc<ArcSwap<About>>,
    /// The next upstream's group; see [`Cluster::new`].
    pub next_group: u64,
    /// Logs that requests under way may still write to. The last one to let go of a log waits for its last lines, and
    /// that must not be a request.
    pub retired: Vec<Arc<AccessLog>>,
    /// TLS files of upstreams that were found changed.
    pub renewals: mpsc::Receiver<Renewal>,
    /// Told that certificates should be looked at now.
    pub look: Arc<Notify>,
    /// Tells the service manager.
    pub notifier: Arc<Notifier>,
}

/// Why a configuration isn't put in force.
enum Refusal {
    Mistakes(Mistakes),
    RestartNeeded(Vec<&'static str>),
    Failed(StartError),
}

impl Reloader {
    /// Reads the file again and puts it in force, or says why not.
    pub async fn reload(&mut self) {
        let metrics = Arc::clone(self.current.load().metrics());
        let notifier = Arc::clone(&self.notifier);
        let told = notifier.reloading();
        let result = match self.attempt().await {
            Ok(changed) => {
                info!(config = %self.file.display(), ?changed, "the configuration was reloaded");
                self.told(LastReload::new(ReloadResult::Ok, None, &[]));
                ReloadResult::Ok
            }
            Err(refusal) => self.refused(&refusal),
        };
        metrics.config_reloaded(result);
        self.look.notify_one();
        if let Some(told) = told {
            told.over(self.about.load().last_problem());
        }
    }

    /// Opens the access log's file anew.
    pub fn reopen_logs(&self) {
        self.current.load().reopen_logs();
    }

    fn refused(&self, refusal: &Refusal) -> ReloadResult {
        let mut said = Vec::new();
        let (result, why) = match refusal {
            Refusal::Mistakes(mistakes) => {
                said.extend(mistakes.iter().map(ToString::to_string));
                for mistake in &said {
                    error!("not reloaded: {mistake}");
                }
                let why = match said.len() {
                    1 => "1 mistake; `check` prints it".to_owned(),
                    n => format!("{n} mistakes; `check` prints them"),
                };
                (ReloadResult::Invalid, why)
            }
            Refusal::RestartNeeded(sections) => {
                let sections = sections.join(", ");
                error!(sections, "not reloaded: restart_needed, as only a restart can change these");
                (ReloadResult::RestartNeeded, format!("restart_needed: {sections}"))
            }
            Refusal::Failed(problem) => {
                error!(%problem, "not reloaded");
                (ReloadResult::Invalid, problem.to_string())
            }
        };
        self.told(LastReload::new(result, Some(why), &said));
        result
    }

    fn told(&self, last: LastReload) {
        let about = self.about.load().after(&self.settings, &self.file, last);
        self.about.store(Arc::new(about));
    }

    /// The sections that differ from before, once they are in force.
    async fn attempt(&mut self) -> Result<Vec<&'static str>, Refusal> {
        let env = |name: &str| std::env::var(name).ok();
        let loaded = config::load(&self.file, &env).map_err(Refusal::Mistakes)?;
        let fixed = self.settings.fixed_that_differ(&loaded.settings);
        if !fixed.is_empty() {
            return Err(Refusal::RestartNeeded(fixed));
        }
        for warning in &loaded.warnings {
            warn!("{warning}");
        }
        let settings = loaded.settings;
        let next = self.successor(&settings).await.map_err(Refusal::Failed)?;
        let changed = self.settings.reloadable_that_differ(&settings);
        self.put_in_force(settings, next);
        Ok(changed)
    }

    async fn successor(&mut self, settings: &Settings) -> Result<State, StartError> {
        let before = self.current.load_full();
        let clusters = self.clusters(settings, before.clusters()).await?;
        let (routes, upstreams) = labels(settings);
        let metrics = before.metrics().rebound(&routes, &upstreams, settings.telemetry.per_app);
        let access_log = self.access_log(settings, &before, &metrics)?;
        let tracing = self.tracing(settings, &before, &metrics)?;
        before.successor(settings, Fresh { clusters, metrics, access_log, tracing })
    }

    /// Upstreams with the settings they had are the ones they were.
    async fn clusters(
        &mut self,
        settings: &Settings,
        before: &[Arc<Cluster>],
    ) -> Result<Vec<Arc<Cluster>>, StartError> {
        let mut clusters = Vec::with_capacity(settings.upstreams.len());
        for upstream in &settings.upstreams {
            let material = upstream.tls.as_ref().map(Material::read).transpose()?;
            let same = self.settings.upstreams.iter().position(|old| old == upstream).and_then(|at| before.get(at));
            if let Some(same) = same.filter(|old| is_of(old, material.as_ref())) {
                clusters.push(Arc::clone(same));
                continue;
            }
            let group = self.group(upstream, material.as_ref(), before);
            let cluster = Cluster::with(upstream, group, material);
            resolve::prepare(&cluster, before).await;
            clusters.push(Arc::new(cluster));
        }
        Ok(clusters)
    }

    /// The group of the upstream that this one takes the place of, where connections to its peers are as good as before;
    /// else a new one.
    fn group(&mut self, upstream: &Upstream, material: Option<&Material>, before: &[Arc<Cluster>]) -> u64 {
        let dialled = |u: &Upstream| (u.name.clone(), u.http2, u.tls.clone(), u.timeouts);
        let same = self.settings.upstreams.iter().position(|old| dialled(old) == dialled(upstream));
        if let Some(cluster) = same.and_then(|at| before.get(at)).filter(|old| is_of(old, material)) {
            return cluster.group;
        }
        self.new_group()
    }

    pub(super) const fn new_group(&mut self) -> u64 {
        self.next_group += 1;
        self.next_group - 1
    }

    fn access_log(
        &mut self,
        settings: &Settings,
        before: &State,
        metrics: &Metrics,
    ) -> Result<Arc<AccessLog>, StartError> {
        self.retired.retain(|log| Arc::strong_count(log) > 1);
        let log = &settings.telemetry.access_log;
        if *log == self.settings.telemetry.access_log {
            return Ok(Arc::clone(before.access_log()));
        }
        let log = AccessLog::open(log, metrics.access_log_dropped())
            .map_err(|e| StartError::Process(format!("telemetry.access_log: {e}")))?;
        self.retired.push(Arc::clone(before.access_log()));
        Ok(Arc::new(log))
    }

    /// The one before, once no request has it any more, sends what it holds by itself.
    fn tracing(
        &self,
        settings: &Settings,
        before: &State,
        metrics: &Metrics,
    ) -> Result<Option<Arc<Tracing>>, StartError> {
        let tracing = &settings.telemetry.tracing;
        if *tracing == self.settings.telemetry.tracing {
            return Ok(before.tracing().cloned());
        }
        tracing.as_ref().map(|tracing| start_tracing(tracing, metrics)).transpose()
    }

    pub(super) fn put_in_force(&mut self, settings: Settings, next: State) {
        let limits = &settings.limits;
        if (limits.client_idle, limits.head_read_timeout)
            != (self.settings.limits.client_idle, self.settings.limits.head_read_timeout)
        {
            self.times.store(Arc::new(Times::new(limits.client_idle, limits.head_read_timeout)));
        }
        next.connections().set(limits);
        next.metrics().take_over(self.current.load().metrics());
        let clusters = next.clusters().to_vec();
        self.current.store(Arc::new(next));
        self.clusters.send_replace(clusters);
        self.settings = settings;
    }
}

/// Starts to send traces.
///
/// # Errors
/// What keeps it from that.
pub fn start_tracing(tracing: &settings::Tracing, metrics: &Metrics) -> Result<Arc<Tracing>, StartError> {
    let started = Tracing::start(tracing, metrics.spans());
    started.map(Arc::new).map_err(|problem| StartError::Process(format!("telemetry.tracing: {problem}")))
}

/// Whether a cluster's TLS is made of this.
fn is_of(cluster: &Cluster, material: Option<&Material>) -> bool {
    cluster.material().map(|m| m.digest) == material.map(|m| m.digest)
}

/// The labels of a configuration's metrics: its routes, and its upstreams with their peers.
#[must_use]
pub fn labels(settings: &Settings) -> (Vec<&str>, Vec<(&str, Vec<&str>)>) {
    let routes = settings.routes.iter().map(|r| r.name.as_str()).collect();
    let upstreams = settings.upstreams.iter();
    let upstreams = upstreams.map(|u| (u.name.as_str(), u.peers.iter().map(|p| p.address.as_str()).collect()));
    (routes, upstreams.collect())
}
