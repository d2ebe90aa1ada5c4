//! From settings to a running process: what is built and started, in which order.

use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::protocols::http::v2::server::default_h2_options;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::services::background::{GenBackgroundService, background_service};
use pingora::services::listening;
use pingora_proxy::{HttpProxy, http_proxy};
use tokio::sync::{Notify, mpsc, watch};
use tracing::{info, warn};

use super::preflight::{self, PidFile};
use super::readiness::{Flags, Readiness};
use super::reload::{Reloader, labels};
use super::renewal::{self, Identities, Renewal};
use super::services::{
    AdminService, CertificatesService, FeedService, GatewayService, HealthService, ProfilesService, ResolveService,
};
use super::shutdown::{Drain, LAST_REQUESTS, Plan, Signals};
use crate::admin::{self, About, AdminState};
use crate::apps::feed::Feed;
use crate::auth::self_check;
use crate::certificates::{Board, Watcher};
use crate::config::settings::{self, AppsSource, Settings};
use crate::config::upstreams::MOST_RETRIES;
use crate::error::StartError;
use crate::gateway::Gateway;
use crate::gateway::state::{Current, Handles, State};
use crate::listener::before_tls::BeforeTls;
use crate::listener::connections::Connections;
use crate::listener::endpoints::Endpoints;
use crate::listener::limits::ConnectionLimits;
use crate::listener::times::{SharedTimes, Times};
use crate::listener::tls;
use crate::profiles::rules::Rules;
use crate::profiles::store::{FileStore, MongoStore, Store};
use crate::profiles::{Access, Api, Running};
use crate::telemetry::{AccessLog, Metrics};
use crate::upstream::Cluster;

/// Idle connections to upstreams that are kept, on each worker thread.
const POOL: usize = 512;
/// Threads of the apps feed: one loads or applies while the other keeps the driver's connections alive.
const FEED_THREADS: usize = 2;

/// Reads off a plain connection go straight to where they are wanted: heads and bodies have buffers of their own, and
/// Pingora's 64 KiB more for each connection would be most of what an idle one holds.
const UNBUFFERED: usize = 0;
/// Off a TLS connection about a record is read at once.
const RECORD: usize = 16 * 1024;

static PID_FILE: Mutex<Option<PidFile>> = Mutex::new(None);

/// Takes the pid file away; the process is about to end.
pub(super) fn remove_pid_file() {
    drop(PID_FILE.lock().unwrap_or_else(PoisonError::into_inner).take());
}

/// What is built before anything runs.
struct Parts {
    feed: Feed,
    current: Current,
    clusters: watch::Sender<Vec<Arc<Cluster>>>,
    times: SharedTimes,
    about: Arc<ArcSwap<About>>,
    metrics: Arc<Metrics>,
    flags: Flags,
    identities: Arc<Identities>,
    certificates: Board,
    look: Arc<Notify>,
}

/// Runs the gateway until it is told to stop.
///
/// # Errors
/// What keeps it from starting.
pub fn run(settings: &Settings, config_file: &Path) -> Result<(), StartError> {
    // One provider for Pingora and the driver; a second installation changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if !self_check::agree() {
        return Err(StartError::Process("the HMAC-SHA256 check failed on this machine; not starting".to_owned()));
    }
    let sockets = preflight::reserve(settings.listeners.iter().map(|l| l.address))?;
    let admin_socket = settings.admin.map(preflight::listen).transpose()?;
    let profiles_socket = settings.profiles.as_ref().map(|p| preflight::listen(p.address)).transpose()?;
    let (parts, watcher, renewals) = build(settings, config_file)?;
    let resolved = parts.clusters.subscribe();
    let signals = Signals::receive(plan(settings, config_file, &parts, renewals))?;
    let mut server = Server::new_with_opt_and_conf(None, server_conf(settings));
    let conf = Arc::clone(&server.configuration);
    server.bootstrap();

    let gateway = gateway_service(settings, &parts, &conf)?;
    let router = admin::router(admin_state(settings, &parts));
    let profiles = settings.profiles.as_ref().zip(profiles_socket);
    let profiles = profiles.map(|(p, socket)| profiles_service(settings, p, socket, &parts));
    let mut feed = background_service("apps feed", FeedService::new(parts.feed));
    feed.threads = Some(FEED_THREADS);
    let feed = server.add_service(feed);
    watch_upstreams(&mut server, &resolved);
    let mut certificates =
        background_service("certificates", CertificatesService::new(watcher, Arc::clone(&parts.look)));
    certificates.threads = Some(1);
    server.add_service(certificates);
    if let Some(socket) = admin_socket {
        server.add_service(background_service("admin", AdminService::new(socket, router)));
    }
    if let Some(profiles) = profiles {
        server.add_service(profiles);
    }
    // Nobody is let in before the first apps are in force.
    let gateway = GatewayService::new(gateway, sockets, Arc::clone(&parts.flags.listening));
    server.add_service(gateway).add_dependency(&feed);

    if let Some(path) = &settings.server.pid_file {
        *PID_FILE.lock().unwrap_or_else(PoisonError::into_inner) = Some(PidFile::write(path)?);
    }
    info!(config = %config_file.display(), apps = ?settings.apps.source, "starting");
    server.run(RunArgs { shutdown_signal: Box::new(signals) });
    remove_pid_file();
    Ok(())
}

fn build(settings: &Settings, config_file: &Path) -> Result<(Parts, Watcher, mpsc::Receiver<Renewal>), StartError> {
    let (routes, upstreams) = labels(settings);
    let metrics = Metrics::new(&routes, &upstreams).map_err(|e| StartError::Process(e.to_string()))?;
    let clusters: Vec<Arc<Cluster>> = (1u64..)
        .zip(&settings.upstreams)
        .map(|(group, upstream)| Cluster::new(upstream, group).map(Arc::new))
        .collect::<Result<_, _>>()?;
    let access_log = AccessLog::open(&settings.telemetry.access_log, metrics.access_log_dropped())
        .map_err(|e| StartError::Process(format!("telemetry.access_log: {e}")))?;
    let feed = Feed::new(&settings.apps, settings.auth.secret_encoding, Arc::clone(&metrics) as _);
    let flags = Flags::default();
    let connections = Arc::new(ConnectionLimits::new(&settings.limits, settings.server.trusted_proxies.clone()));
    let handles = Handles {
        apps: feed.published(),
        status: feed.status(),
        clusters: clusters.clone(),
        metrics: Arc::clone(&metrics),
        access_log: Arc::new(access_log),
        draining: Arc::clone(&flags.draining),
        in_flight: Arc::default(),
        connections: Arc::clone(&connections),
    };
    let current = Arc::new(ArcSwap::from_pointee(State::new(settings, handles)?));
    let times = Times::new(settings.limits.client_idle, settings.limits.head_read_timeout);
    let times = Arc::new(ArcSwap::from_pointee(times));
    let about = Arc::new(ArcSwap::from_pointee(About::new(settings, config_file)));
    let (clusters, in_force) = watch::channel(clusters);
    let (renewals, renewed) = mpsc::channel(renewal::WAITING);
    let identities = Arc::new(Identities::read(settings)?);
    let source = renewal::source(Arc::clone(&identities), in_force, renewals);
    let watcher = Watcher::new(source, Arc::clone(&metrics));
    let (certificates, look) = (watcher.board(), Arc::default());
    let parts = Parts { feed, current, clusters, times, about, metrics, flags, identities, certificates, look };
    Ok((parts, watcher, renewed))
}

fn plan(settings: &Settings, config_file: &Path, parts: &Parts, renewals: mpsc::Receiver<Renewal>) -> Plan {
    let drain = Drain {
        lasts: settings.server.drain,
        flags: parts.flags.clone(),
        current: Arc::clone(&parts.current),
        apps: parts.feed.status(),
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
    };
    Plan { drain, reloader }
}

fn server_conf(settings: &Settings) -> ServerConf {
    ServerConf {
        threads: settings.server.threads,
        // Measured on this kind of work: stealing costs more than it evens out.
        work_stealing: false,
        grace_period_seconds: Some(LAST_REQUESTS.as_secs()),
        graceful_shutdown_timeout_seconds: Some(1),
        upstream_keepalive_pool_size: POOL,
        // Pingora counts attempts; the gateway decides which of them happen.
        max_retries: MOST_RETRIES as usize + 1,
        ..ServerConf::default()
    }
}

fn gateway_service(
    settings: &Settings,
    parts: &Parts,
    conf: &Arc<ServerConf>,
) -> Result<listening::Service<Connections<HttpProxy<Gateway>>>, StartError> {
    let mut proxy = http_proxy(conf, Gateway::new(Arc::clone(&parts.current)));
    // The defaults of the plain constructor would lose Pingora's bounds.
    proxy.h2_options = Some(default_h2_options());
    let limits = Arc::clone(parts.current.load().connections());
    let endpoints = Endpoints::new(settings, &parts.metrics, Arc::clone(&parts.times), limits);
    let mut service = listening::Service::new("gateway".to_owned(), Connections::new(proxy, Arc::clone(&endpoints)));
    service.endpoints().set_pre_tls_callback(Arc::new(BeforeTls::new(endpoints)));
    for (listener, identity) in settings.listeners.iter().zip(&parts.identities.listeners) {
        let endpoint = ListenerConfig::tcp(listener.address.to_string());
        service.add_listener(match identity.clone() {
            None => endpoint.l4_buffer(L4BufferSettings::default().read(UNBUFFERED)),
            Some(identity) => {
                endpoint.tls(tls::settings(identity)?).l4_buffer(L4BufferSettings::default().read(RECORD))
            }
        });
    }
    Ok(service)
}

fn watch_upstreams(server: &mut Server, in_force: &watch::Receiver<Vec<Arc<Cluster>>>) {
    server.add_service(background_service("resolver", ResolveService(in_force.clone())));
    server.add_service(background_service("health checks", HealthService(in_force.clone())));
}

fn profiles_service(
    settings: &Settings,
    profiles: &settings::Profiles,
    socket: TcpListener,
    parts: &Parts,
) -> GenBackgroundService<ProfilesService> {
    let tls = parts.identities.profiles.clone().map(tls::Acceptor::new);
    if tls.is_none() && !profiles.address.ip().is_loopback() {
        warn!(address = %profiles.address, "profiles.tls is absent: secrets travel in the clear to this address");
    }
    let store: Arc<dyn Store> = match &settings.apps.source {
        AppsSource::MongoDb { uri, database, collection } => {
            Arc::new(MongoStore::new(uri, database.clone(), collection.clone()))
        }
        AppsSource::File { path } => Arc::new(FileStore::new(parts.feed.published(), path.clone())),
    };
    let api = Arc::new(Api {
        access: Access::new(profiles.tokens.clone()),
        store,
        rules: Rules { encoding: settings.auth.secret_encoding, min_secret_bytes: profiles.min_secret_bytes },
        published: parts.feed.published(),
        feed: parts.feed.status(),
        metrics: Arc::clone(&parts.metrics),
        running: Running::default(),
    });
    let mut service =
        background_service("app profiles", ProfilesService::new(socket, tls, api, Arc::clone(&parts.flags.profiles)));
    service.threads = Some(1);
    service
}

fn admin_state(settings: &Settings, parts: &Parts) -> AdminState {
    let reject_after = settings.apps.reject_when_stale.then_some(settings.apps.max_staleness);
    let readiness = Readiness::new(parts.flags.clone(), parts.feed.status(), reject_after);
    let (current, clusters) = (Arc::clone(&parts.current), Arc::clone(&parts.current));
    AdminState {
        metrics: Arc::clone(&parts.metrics),
        feed: parts.feed.status(),
        tell_peers: Arc::new(move || current.load().tell_peers()),
        ready: Arc::new(move || readiness.check()),
        about: Arc::clone(&parts.about),
        certificates: Arc::clone(&parts.certificates),
        clusters: Arc::new(move || clusters.load().clusters().to_vec()),
    }
}
