//! What the services share, built before any of them runs.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc, watch};

use super::drain::{Drain, Finish};
use super::handover::Giver;
use super::notify::Notifier;
use super::readiness::Flags;
use super::reload::{Reloader, labels, start_tracing};
use super::renewal::{self, Identities, Renewal};
use super::shutdown::Plan;
use super::sockets::Sockets;
use super::stages::{Ending, Stages};
use crate::admin::{About, Upgrade};
use crate::apps::feed::Feed;
use crate::certificates::{Board, Watcher};
use crate::config::settings::Settings;
use crate::error::StartError;
use crate::gateway::state::{Current, Handles, State};
use crate::listener::limits::ConnectionLimits;
use crate::listener::times::{SharedTimes, Times};
use crate::listener::trusted::Trusted;
use crate::telemetry::{AccessLog, Metrics};
use crate::upstream::Cluster;

/// What is built before anything runs.
pub(super) struct Parts {
    pub(super) feed: Feed,
    pub(super) current: Current,
    pub(super) clusters: watch::Sender<Vec<Arc<Cluster>>>,
    pub(super) times: SharedTimes,
    pub(super) about: Arc<ArcSwap<About>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) flags: Flags,
    pub(super) identities: Arc<Identities>,
    pub(super) certificates: Board,
    pub(super) look: Arc<Notify>,
    pub(super) sockets: Sockets,
    pub(super) stages: Stages,
    pub(super) upgrade: Arc<Upgrade>,
    pub(super) notifier: Arc<Notifier>,
}

/// Builds them; what watches over certificates, and what it tells of upstreams.
///
/// # Errors
/// A file that was good when the configuration was checked is not any more.
pub(super) fn build(
    settings: &Settings,
    config_file: &Path,
    stages: Stages,
) -> Result<(Parts, Watcher, mpsc::Receiver<Renewal>), StartError> {
    let (routes, upstreams) = labels(settings);
    let fresh = Metrics::new(&[], &[]).map_err(|e| StartError::Process(e.to_string()))?;
    let metrics = fresh.rebound(&routes, &upstreams, settings.telemetry.per_app);
    metrics.take_over(&fresh);
    metrics.started(settings.server.threads);
    let clusters: Vec<Arc<Cluster>> = (1u64..)
        .zip(&settings.upstreams)
        .map(|(group, upstream)| Cluster::new(upstream, group).map(Arc::new))
        .collect::<Result<_, _>>()?;
    let feed = Feed::new(&settings.apps, settings.auth.secret_encoding, Arc::clone(&metrics) as _);
    let flags = Flags::default();
    let current = state(settings, &feed, &metrics, &clusters, &flags)?;
    let times = Times::new(settings.limits.client_idle, settings.limits.head_read_timeout);
    let (clusters, in_force) = watch::channel(clusters);
    let (renewals, renewed) = mpsc::channel(renewal::WAITING);
    let identities = Arc::new(Identities::read(settings)?);
    let source = renewal::source(Arc::clone(&identities), in_force, renewals);
    let watcher = Watcher::new(source, Arc::clone(&metrics));
    let parts = Parts {
        feed,
        current,
        clusters,
        times: Arc::new(ArcSwap::from_pointee(times)),
        about: Arc::new(ArcSwap::from_pointee(About::new(settings, config_file))),
        metrics,
        flags,
        identities,
        certificates: watcher.board(),
        look: Arc::default(),
        sockets: Sockets::default(),
        stages,
        upgrade: Arc::default(),
        notifier: Arc::new(Notifier::from_environment()),
    };
    Ok((parts, watcher, renewed))
}

fn state(
    settings: &Settings,
    feed: &Feed,
    metrics: &Arc<Metrics>,
    clusters: &[Arc<Cluster>],
    flags: &Flags,
) -> Result<Current, StartError> {
    let access_log = AccessLog::open(&settings.telemetry.access_log, metrics.access_log_dropped())
        .map_err(|e| StartError::Process(format!("telemetry.access_log: {e}")))?;
    let tracing = settings.telemetry.tracing.as_ref();
    let tracing = tracing.map(|tracing| start_tracing(tracing, metrics)).transpose()?;
    let connections = ConnectionLimits::new(&settings.limits, Trusted::new(settings.server.trusted_proxies.clone()));
    let handles = Handles {
        apps: feed.published(),
        status: feed.status(),
        clusters: clusters.to_vec(),
        metrics: Arc::clone(metrics),
        access_log: Arc::new(access_log),
        tracing,
        leaving: Arc::clone(&flags.leaving),
        in_flight: Arc::default(),
        streams: Arc::default(),
        connections: Arc::new(connections),
    };
    Ok(Arc::new(ArcSwap::from_pointee(State::new(settings, handles)?)))
}

/// What signals lead to.
pub(super) fn plan(
    settings: &Settings,
    config_file: &Path,
    parts: &Parts,
    (ending, renewals): (Ending, mpsc::Receiver<Renewal>),
) -> Plan {
    let drain = Drain {
        lasts: settings.server.drain,
        finish: Finish { requests: settings.server.finish_requests, streams: settings.server.finish_streams },
        flags: parts.flags.clone(),
        current: Arc::clone(&parts.current),
        apps: parts.feed.status(),
        connections: Arc::clone(parts.current.load().connections()),
        ending,
        notifier: Arc::clone(&parts.notifier),
    };
    let giver = Giver {
        path: settings.server.upgrade_socket.clone(),
        sockets: parts.sockets.clone(),
        flags: parts.flags.clone(),
        upgrade: Arc::clone(&parts.upgrade),
        metrics: Arc::clone(&parts.metrics),
        pending: None,
    };
    let reloader = Reloader {
        file: config_file.to_owned(),
        settings: settings.clone(),
        current: Arc::clone(&parts.current),
        clusters: parts.clusters.clone(),
        times: Arc::clone(&parts.times),
        about: Arc::clone(&parts.about),
        next_group: settings.upstreams.len() as u64 + 1,
        retired: Vec::new(),
        renewals,
        look: Arc::clone(&parts.look),
        notifier: Arc::clone(&parts.notifier),
    };
    Plan { drain, reloader, giver }
}
