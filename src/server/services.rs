//! The services Pingora runs: the apps feed, the resolver, the health checks, the watch over certificates, the admin pages, the app profiles API, and the gateway itself.

use std::net::TcpListener;
use std::os::fd::IntoRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::background::BackgroundService;
use pingora::services::{Service, ServiceReadyNotifier};
use tokio::sync::{Notify, watch};
use tracing::error;

use super::preflight::Reserved;
use crate::apps::feed::Feed;
use crate::certificates::Watcher;
use crate::listener::tls::Acceptor;
use crate::profiles::{self, Api};
use crate::upstream::{Cluster, health, resolve};

/// Keeps the apps current; ready once the first full load is in force.
pub struct FeedService(Mutex<Option<Feed>>);

impl FeedService {
    /// Runs `feed`, once.
    #[must_use]
    pub const fn new(feed: Feed) -> Self {
        Self(Mutex::new(Some(feed)))
    }
}

#[async_trait]
impl BackgroundService for FeedService {
    async fn start_with_ready_notifier(&self, shutdown: ShutdownWatch, ready: ServiceReadyNotifier) {
        let feed = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(feed) = feed {
            // Its own task: a panic in it must be seen, not swallowed with the service.
            let task = tokio::spawn(feed.run(shutdown, move || ready.notify_ready()));
            if let Err(error) = task.await {
                end_process("the apps feed", &error);
            }
        }
    }
}

/// Resolves the names of peers, of whatever upstreams are in force.
pub struct ResolveService(pub watch::Receiver<Vec<Arc<Cluster>>>);

#[async_trait]
impl BackgroundService for ResolveService {
    async fn start(&self, shutdown: ShutdownWatch) {
        resolve::run(self.0.clone(), shutdown).await;
    }
}

/// Finds out which peers can be used.
pub struct HealthService(pub watch::Receiver<Vec<Arc<Cluster>>>);

#[async_trait]
impl BackgroundService for HealthService {
    async fn start(&self, shutdown: ShutdownWatch) {
        health::run(self.0.clone(), shutdown).await;
    }
}

/// Watches certificates.
pub struct CertificatesService {
    watcher: Mutex<Option<Watcher>>,
    asked: Arc<Notify>,
}

impl CertificatesService {
    /// Runs `watcher`, once; it looks at once when it is `asked`.
    #[must_use]
    pub const fn new(watcher: Watcher, asked: Arc<Notify>) -> Self {
        Self { watcher: Mutex::new(Some(watcher)), asked }
    }
}

#[async_trait]
impl BackgroundService for CertificatesService {
    async fn start(&self, shutdown: ShutdownWatch) {
        let watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(watcher) = watcher {
            watcher.run(Arc::clone(&self.asked), shutdown).await;
        }
    }
}

/// The admin pages; they answer until the process ends, through the drain.
pub struct AdminService {
    listener: Mutex<Option<TcpListener>>,
    router: axum::Router,
}

impl AdminService {
    /// Serves `router` on a socket that listens already.
    #[must_use]
    pub const fn new(listener: TcpListener, router: axum::Router) -> Self {
        Self { listener: Mutex::new(Some(listener)), router }
    }
}

#[async_trait]
impl BackgroundService for AdminService {
    async fn start(&self, _: ShutdownWatch) {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(listener) = listener else { return };
        let served = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => axum::serve(listener, self.router.clone()).await,
            Err(error) => Err(error),
        };
        if let Err(error) = served {
            error!(%error, "the admin pages ended");
        }
    }
}

/// The app profiles API, and what its store must have kept going.
pub struct ProfilesService {
    listener: Mutex<Option<TcpListener>>,
    tls: Option<Acceptor>,
    api: Arc<Api>,
    serving: Arc<AtomicBool>,
}

impl ProfilesService {
    /// Serves `api` on a socket that listens already; `serving` is set while there may be calls to finish.
    #[must_use]
    pub const fn new(listener: TcpListener, tls: Option<Acceptor>, api: Arc<Api>, serving: Arc<AtomicBool>) -> Self {
        Self { listener: Mutex::new(Some(listener)), tls, api, serving }
    }
}

#[async_trait]
impl BackgroundService for ProfilesService {
    async fn start(&self, stop: ShutdownWatch) {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(listener) = listener else { return };
        self.serving.store(true, Ordering::Release);
        let store = Arc::clone(&self.api.store);
        let attending = tokio::spawn(async move { store.attend().await });
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                let router = profiles::router(Arc::clone(&self.api));
                let running = self.api.running.clone();
                profiles::serve::run(listener, self.tls.clone(), router, running, stop).await;
            }
            Err(error) => error!(%error, "the app profiles API ended"),
        }
        attending.abort();
        self.serving.store(false, Ordering::Release);
    }
}

/// The listeners and what answers on them.
///
/// The sockets are opened here and handed to Pingora as if an older process had: so it is known when clients are
/// let in, and an address that can't be listened on is an error rather than half a minute of attempts.
pub struct GatewayService<S> {
    name: String,
    addresses: Option<Vec<String>>,
    start: Option<(S, Vec<Reserved>)>,
    listening: Arc<AtomicBool>,
}

impl<S: Service + 'static> GatewayService<S> {
    /// Serves `service` on `sockets`; `listening` is set once they listen.
    #[must_use]
    pub fn new(service: S, sockets: Vec<Reserved>, listening: Arc<AtomicBool>) -> Self {
        let (name, addresses) = (service.name().to_owned(), service.listen_addresses());
        Self { name, addresses, start: Some((service, sockets)), listening }
    }
}

#[async_trait]
impl<S: Service + 'static> Service for GatewayService<S> {
    async fn start_service(&mut self, fds: Option<ListenFds>, shutdown: ShutdownWatch, per_fd: usize) {
        let Some((mut service, sockets)) = self.start.take() else { return };
        for socket in sockets {
            let address = socket.address.to_string();
            match (socket.listen(), &fds) {
                (Ok(listener), Some(fds)) => fds.lock().add(address, listener.into_raw_fd()),
                (Ok(_), None) => {}
                (Err(error), _) => end_process("the listeners", &error),
            }
        }
        self.listening.store(true, Ordering::Release);
        // Its own task: Pingora would go on without its listeners if this panicked.
        let task = tokio::spawn(async move { service.start_service(fds, shutdown, per_fd).await });
        if let Err(error) = task.await {
            end_process("the listeners", &error);
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        self.addresses.clone()
    }
}

#[expect(clippy::exit, reason = "half a gateway must not go on")]
fn end_process(what: &str, error: &dyn std::fmt::Display) -> ! {
    error!(%error, "{what} failed; the process ends");
    super::bootstrap::remove_pid_file();
    std::process::exit(1)
}
