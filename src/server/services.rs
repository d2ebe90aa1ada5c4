//! The services Pingora runs: the apps feed, the resolver, the health checks, the watch over certificates and the app
//! profiles API. The admin pages are in [`super::admin`], what answers on the listeners in [`super::listeners`].

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::ServiceReadyNotifier;
use pingora::services::background::BackgroundService;
use tokio::sync::{Notify, watch};
use tracing::error;

use super::handover::Gate;
use super::pid_file;
use super::stages::{Stages, reached};
use crate::apps::feed::Feed;
use crate::certificates::Watcher;
use crate::listener::tls::Acceptor;
use crate::profiles::serve::Stop;
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

/// The app profiles API, and what its store must have kept going.
pub struct ProfilesService {
    listener: Mutex<Option<TcpListener>>,
    tls: Option<Acceptor>,
    api: Arc<Api>,
    when: When,
}

impl ProfilesService {
    /// Serves `api` on a socket that listens already.
    #[must_use]
    pub const fn new(listener: TcpListener, tls: Option<Acceptor>, api: Arc<Api>, when: When) -> Self {
        Self { listener: Mutex::new(Some(listener)), tls, api, when }
    }
}

/// When the app profiles API is served.
pub struct When {
    /// Set while there may be calls to finish.
    pub serving: Arc<AtomicBool>,
    /// From when on.
    pub gate: Gate,
    /// Until when.
    pub stages: Stages,
    /// How long calls have to finish then, and a moment to say that they did not.
    pub finish: Duration,
}

#[async_trait]
impl BackgroundService for ProfilesService {
    async fn start(&self, _: ShutdownWatch) {
        reached(&mut self.when.gate.clone()).await;
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(listener) = listener else { return };
        self.when.serving.store(true, Ordering::Release);
        let store = Arc::clone(&self.api.store);
        let attending = tokio::spawn(async move { store.attend().await });
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                let router = profiles::router(Arc::clone(&self.api));
                let running = self.api.running.clone();
                let stages = self.when.stages.clone();
                let stop = Stop { closed: stages.closed.clone(), let_go: stages.let_go(), finish: self.when.finish };
                profiles::serve::run(listener, self.tls.clone(), router, running, stop).await;
            }
            Err(error) => error!(%error, "the app profiles API ended"),
        }
        attending.abort();
        self.when.serving.store(false, Ordering::Release);
    }
}

#[expect(clippy::exit, reason = "half a gateway must not go on")]
pub(super) fn end_process(what: &str, error: &dyn std::fmt::Display) -> ! {
    error!(%error, "{what} failed; the process ends");
    pid_file::remove();
    std::process::exit(1)
}
