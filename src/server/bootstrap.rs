//! From settings to a running process: what is built and started, in which order.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::protocols::http::v2::server::default_h2_options;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::services::background::{GenBackgroundService, background_service};
use pingora::services::listening;
use pingora_proxy::{HttpProxy, http_proxy};
use tokio::sync::watch;
use tracing::{info, warn};

use super::admin::AdminService;
use super::handover::{self, Gate};
use super::listeners::{Doors, GatewayService};
use super::notify::Notifier;
use super::parts::{Parts, build, plan};
use super::pid_file;
use super::preflight;
use super::readiness::Readiness;
use super::services::{CertificatesService, FeedService, HealthService, ProfilesService, ResolveService, When};
use super::shutdown::Caught;
use super::stages::stages;
use crate::admin::AdminState;
use crate::apps::feed::Feed;
use crate::auth::self_check;
use crate::config::settings::{self, AppsSource, Settings};
use crate::config::upstreams::MOST_RETRIES;
use crate::error::StartError;
use crate::gateway::Gateway;
use crate::listener::before_tls::BeforeTls;
use crate::listener::connections::Connections;
use crate::listener::endpoints::Endpoints;
use crate::listener::tls;
use crate::profiles::rules::Rules;
use crate::profiles::store::{FileStore, MongoStore, Store};
use crate::profiles::{Access, Api, Running};
use crate::telemetry::Runtimes;
use crate::upstream::Cluster;

/// Threads of the apps feed: one loads or applies while the other keeps the driver's connections alive.
const FEED_THREADS: usize = 2;

/// Reads off a plain connection go straight to where they are wanted: heads and bodies have buffers of their own, and
/// Pingora's 64 KiB more for each connection would be most of what an idle one holds.
const UNBUFFERED: usize = 0;
/// Off a TLS connection about a record is read at once.
const RECORD: usize = 16 * 1024;

/// What answers on the listeners.
type Listening = listening::Service<Connections<HttpProxy<Gateway>>>;

/// Runs the gateway until it is told to stop. `upgrade_socket`: takes the place of a running process, which hands over
/// there.
///
/// # Errors
/// What keeps it from starting.
pub fn run(settings: &Settings, config_file: &Path, upgrade_socket: Option<&Path>) -> Result<(), StartError> {
    check_cryptography()?;
    let mut signals = Caught::begin()?;
    let inherited = match upgrade_socket.map(|path| signals.inherit(path)).transpose()? {
        Some(None) => return Ok(()),
        inherited => inherited.flatten(),
    };
    let (ending, stages) = stages();
    let (parts, watcher, renewals) = build(settings, config_file, stages)?;
    let addresses = preflight::take(settings, inherited, &parts.sockets)?;
    let predecessor = addresses.predecessor;
    let fresh = predecessor.is_none();
    let (gate, opening) = handover::gate(predecessor, settings.server.pid_file.clone(), seen(&parts));
    let signals =
        signals.follow(plan(settings, config_file, &parts, (ending, renewals)), parts.stages.parting.clone())?;
    let mut server = Server::new_with_opt_and_conf(None, server_conf(settings));
    let conf = Arc::clone(&server.configuration);
    server.bootstrap();

    let (gateway, runtimes) = gateway_service(settings, &parts, &conf)?;
    let admin = admin_state(settings, &parts, &runtimes);
    let profiles = settings.profiles.as_ref().zip(addresses.profiles);
    let profiles = profiles.map(|(p, socket)| profiles_service(settings, (p, socket), &gate, &parts));
    let feed = server.add_service(feed_service(parts.feed));
    add_watchers(&mut server, &parts.clusters.subscribe(), CertificatesService::new(watcher, Arc::clone(&parts.look)));
    if let Some(socket) = addresses.admin {
        server.add_service(background_service("admin", AdminService::new(socket, admin, gate, parts.stages.clone())));
    }
    if let Some(profiles) = profiles {
        server.add_service(profiles);
    }
    // Nobody is let in before the first apps are in force.
    let listening = Arc::clone(&parts.flags.listening);
    let doors =
        Doors { listening, kept: parts.sockets, stages: parts.stages, opening, notifier: Arc::clone(&parts.notifier) };
    server.add_service(GatewayService::new(gateway, addresses.listeners, doors)).add_dependency(&feed);

    if fresh {
        begin_alone(settings.server.pid_file.as_deref(), &parts.notifier)?;
    }
    info!(config = %config_file.display(), apps = ?settings.apps.source, "starting");
    server.run(RunArgs { shutdown_signal: Box::new(signals) });
    pid_file::remove();
    Ok(())
}

/// Where a handover is shown.
fn seen(parts: &Parts) -> handover::Seen {
    handover::Seen { upgrade: Arc::clone(&parts.upgrade), metrics: Arc::clone(&parts.metrics) }
}

/// There is no process whose place this one takes: who it is needn't wait until it serves.
fn begin_alone(pid_file: Option<&Path>, notifier: &Notifier) -> Result<(), StartError> {
    notifier.loading();
    pid_file.map_or(Ok(()), pid_file::write)
}

fn check_cryptography() -> Result<(), StartError> {
    // One provider for Pingora and the driver; a second installation changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if self_check::agree() {
        return Ok(());
    }
    Err(StartError::Process("the HMAC-SHA256 check failed on this machine; not starting".to_owned()))
}

/// More than a process lives once Pingora was told to stop.
fn longest_end(server: &settings::Server) -> Duration {
    server.finish_requests.saturating_add(server.finish_streams).saturating_add(Duration::from_mins(1))
}

fn server_conf(settings: &Settings) -> ServerConf {
    ServerConf {
        threads: settings.server.threads,
        // Measured on this kind of work: stealing costs more than it evens out.
        work_stealing: false,
        // It sleeps that long whatever happens: `shutdown` ends the process before.
        grace_period_seconds: Some(longest_end(&settings.server).as_secs()),
        graceful_shutdown_timeout_seconds: Some(1),
        upstream_keepalive_pool_size: settings.server.upstream_pool,
        // Pingora counts attempts; the gateway decides which of them happen.
        max_retries: MOST_RETRIES as usize + 1,
        ..ServerConf::default()
    }
}

fn gateway_service(
    settings: &Settings,
    parts: &Parts,
    conf: &Arc<ServerConf>,
) -> Result<(Listening, Arc<Runtimes>), StartError> {
    let mut proxy = http_proxy(conf, Gateway::new(Arc::clone(&parts.current)));
    // The defaults of the plain constructor would lose Pingora's bounds.
    proxy.h2_options = Some(default_h2_options());
    let limits = Arc::clone(parts.current.load().connections());
    let endpoints = Endpoints::new(settings, &parts.metrics, Arc::clone(&parts.times), limits);
    let runtimes = Arc::clone(endpoints.runtimes());
    let connections = Connections::new(proxy, Arc::clone(&endpoints), parts.stages.parting.clone());
    let mut service = listening::Service::new("gateway".to_owned(), connections);
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
    Ok((service, runtimes))
}

fn feed_service(feed: Feed) -> GenBackgroundService<FeedService> {
    let mut service = background_service("apps feed", FeedService::new(feed));
    service.threads = Some(FEED_THREADS);
    service
}

fn add_watchers(server: &mut Server, in_force: &watch::Receiver<Vec<Arc<Cluster>>>, certificates: CertificatesService) {
    let mut certificates = background_service("certificates", certificates);
    certificates.threads = Some(1);
    server.add_service(certificates);
    server.add_service(background_service("resolver", ResolveService(in_force.clone())));
    server.add_service(background_service("health checks", HealthService(in_force.clone())));
}

fn profiles_service(
    settings: &Settings,
    (profiles, socket): (&settings::Profiles, TcpListener),
    gate: &Gate,
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
    let when = When {
        serving: Arc::clone(&parts.flags.profiles),
        gate: gate.clone(),
        stages: parts.stages.clone(),
        finish: settings.server.finish_requests,
    };
    let mut service = background_service("app profiles", ProfilesService::new(socket, tls, api, when));
    service.threads = Some(1);
    service
}

fn admin_state(settings: &Settings, parts: &Parts, runtimes: &Arc<Runtimes>) -> AdminState {
    let reject_after = settings.apps.reject_when_stale.then_some(settings.apps.max_staleness);
    let readiness = Readiness::new(parts.flags.clone(), parts.feed.status(), reject_after);
    let (current, clusters) = (Arc::clone(&parts.current), Arc::clone(&parts.current));
    let (metrics, runtimes) = (Arc::clone(&parts.metrics), Arc::clone(runtimes));
    AdminState {
        metrics: Arc::clone(&parts.metrics),
        feed: parts.feed.status(),
        tell: Arc::new(move || {
            current.load().tell();
            metrics.observe_runtimes(&runtimes);
        }),
        ready: Arc::new(move || readiness.check()),
        about: Arc::clone(&parts.about),
        certificates: Arc::clone(&parts.certificates),
        clusters: Arc::new(move || clusters.load().clusters().to_vec()),
        upgrade: Arc::clone(&parts.upgrade),
        draining: Arc::clone(&parts.flags.draining),
        recent: Arc::default(),
    }
}
