//! Certificates that change while the process runs: what is watched, and upstreams with new TLS files.
//!
//! A listener takes its new certificate by itself. An upstream is replaced by one with the same settings and a
//! connection group of its own: no connection that was made with the old files carries a new request. The settings are
//! those in force, whatever the configuration file says by now.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tracing::error;

use super::reload::Reloader;
use crate::certificates::{Contents, Digest, Expiry, Held, Holder, Source};
use crate::config::settings::{ListenerTls, Settings};
use crate::error::StartError;
use crate::gateway::state::Fresh;
use crate::listener::identity::Identity;
use crate::upstream::tls::{Material, files};
use crate::upstream::{Cluster, resolve};

/// Renewals that wait to be put in force; one that finds no room is found again at the next look.
pub const WAITING: usize = 64;

/// An upstream's TLS files changed, and are good.
pub struct Renewal {
    /// The upstream.
    before: Arc<Cluster>,
    /// What was read.
    material: Material,
}

/// What listens with TLS.
pub struct Identities {
    /// Of each listener; `None`: it is plain.
    pub listeners: Vec<Option<Arc<Identity>>>,
    /// Of the app profiles API.
    pub profiles: Option<Arc<Identity>>,
}

impl Identities {
    /// Reads the files of all of them.
    ///
    /// # Errors
    /// A file that was good when the configuration was checked is not any more.
    pub fn read(settings: &Settings) -> Result<Self, StartError> {
        let read = |tls: Option<&ListenerTls>| tls.map(Identity::read).transpose();
        let listeners = settings.listeners.iter().map(|listener| read(listener.tls.as_ref()));
        let profiles = settings.profiles.as_ref().and_then(|profiles| profiles.tls.as_ref());
        Ok(Self { listeners: listeners.collect::<Result<_, _>>()?, profiles: read(profiles)? })
    }

    fn held(&self) -> impl Iterator<Item = Held> {
        let held = |name: String, identity: &Arc<Identity>| Held {
            name,
            files: identity.files(),
            holder: Arc::clone(identity) as _,
        };
        let listeners = self.listeners.iter().enumerate();
        let listeners = listeners.filter_map(move |(n, i)| i.as_ref().map(|i| held(format!("listeners[{n}]"), i)));
        listeners.chain(self.profiles.iter().map(move |identity| held("profiles".to_owned(), identity)))
    }
}

/// Everything there is to watch: what listens, for as long as the process runs, and the upstreams in force. What is new
/// of these goes to `renewals`.
#[must_use]
pub fn source(
    identities: Arc<Identities>,
    clusters: watch::Receiver<Vec<Arc<Cluster>>>,
    renewals: mpsc::Sender<Renewal>,
) -> Source {
    Box::new(move || {
        let upstreams = clusters.borrow().clone();
        let upstreams = upstreams.into_iter().filter_map(|cluster| upstream(cluster, &renewals));
        identities.held().chain(upstreams).collect()
    })
}

fn upstream(cluster: Arc<Cluster>, renewals: &mpsc::Sender<Renewal>) -> Option<Held> {
    let files: Vec<PathBuf> = files(cluster.tls()?);
    let name = format!("upstreams.{}", cluster.name);
    let holder = Arc::new(Upstream { cluster, renewals: renewals.clone() });
    (!files.is_empty()).then_some(Held { name, files, holder })
}

/// An upstream as what its files are in force in.
struct Upstream {
    cluster: Arc<Cluster>,
    renewals: mpsc::Sender<Renewal>,
}

impl Holder for Upstream {
    fn digest(&self) -> Digest {
        self.cluster.material().map(|material| material.digest).unwrap_or_default()
    }

    fn expiry(&self) -> Option<Expiry> {
        self.cluster.material()?.expiry
    }

    fn replace(&self, contents: &Contents) -> Result<(), StartError> {
        if let Some(tls) = self.cluster.tls() {
            let material = Material::of(tls, contents)?;
            let _ = self.renewals.try_send(Renewal { before: Arc::clone(&self.cluster), material });
        }
        Ok(())
    }
}

impl Reloader {
    /// Puts an upstream in force that differs from the one before in its TLS files alone. Nothing is done if that one
    /// isn't in force any more: what took its place has read them.
    pub async fn renew(&mut self, renewal: Renewal) {
        let before = self.current.load_full();
        let Some(at) = before.clusters().iter().position(|cluster| Arc::ptr_eq(cluster, &renewal.before)) else {
            return;
        };
        let Some(upstream) = self.settings.upstreams.get(at).cloned() else { return };
        let cluster = Cluster::with(&upstream, self.new_group(), Some(renewal.material));
        resolve::prepare(&cluster, before.clusters()).await;
        let mut clusters = before.clusters().to_vec();
        if let Some(place) = clusters.get_mut(at) {
            *place = Arc::new(cluster);
        }
        let (metrics, access_log) = (Arc::clone(before.metrics()), Arc::clone(before.access_log()));
        let tracing = before.tracing().cloned();
        match before.successor(&self.settings, Fresh { clusters, metrics, access_log, tracing }) {
            Ok(next) => self.put_in_force(self.settings.clone(), next),
            Err(error) => error!(upstream = upstream.name, %error, "its new TLS files could not be put in force"),
        }
    }
}
