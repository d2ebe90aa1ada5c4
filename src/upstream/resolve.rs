//! Names of peers, resolved again and again in the background: a request never waits for DNS.
//!
//! The system's resolver doesn't tell how long an answer holds, so names are asked again at a fixed pace. A name
//! that fails to resolve keeps its last addresses: a resolver that is down must not take the upstream with it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::cluster::Cluster;

/// The pace.
const EVERY: Duration = Duration::from_secs(5);
/// A name without any address yet is asked again sooner.
const UNRESOLVED_EVERY: Duration = Duration::from_secs(1);

/// A look-up of all names of an upstream that is about to be put in force takes no longer.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// Resolves every named peer of whatever clusters are in force, until `stop` turns true. Those of a cluster that is in
/// force no longer are let go.
pub async fn run(mut clusters: watch::Receiver<Vec<Arc<Cluster>>>, mut stop: watch::Receiver<bool>) {
    let mut followed: Vec<(Arc<Cluster>, JoinSet<()>)> = Vec::new();
    loop {
        let in_force = clusters.borrow_and_update().clone();
        followed.retain(|(known, _)| in_force.iter().any(|cluster| Arc::ptr_eq(known, cluster)));
        for cluster in in_force {
            if !followed.iter().any(|(known, _)| Arc::ptr_eq(known, &cluster)) {
                let names = follow_all(&cluster);
                followed.push((cluster, names));
            }
        }
        tokio::select! {
            changed = clusters.changed() => if changed.is_err() { return },
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

fn follow_all(cluster: &Arc<Cluster>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for index in 0..cluster.peers().len() {
        let cluster = Arc::clone(cluster);
        if cluster.peers().get(index).is_some_and(|p| !p.is_literal()) {
            tasks.spawn(async move { follow(&cluster, index).await });
        }
    }
    tasks
}

/// Looks the names of a cluster up that is about to take the place of `before`, so that it has addresses from its first
/// request on: those that are known already, else those that the resolver gives in time.
pub async fn prepare(cluster: &Cluster, before: &[Arc<Cluster>]) {
    let known = || before.iter().flat_map(|cluster| cluster.peers());
    let mut unknown = Vec::new();
    for peer in cluster.peers().iter().filter(|peer| !peer.is_literal()) {
        match known().find(|old| old.address == peer.address && old.is_resolved()) {
            Some(old) => drop(peer.resolved(old.addresses())),
            None => unknown.push(peer),
        }
    }
    let look_up = join_all(unknown.into_iter().map(|peer| async {
        if let Ok(addresses) = tokio::net::lookup_host(&peer.address).await {
            peer.resolved(addresses.collect());
        }
    }));
    let _ = tokio::time::timeout(FIRST_LOOK, look_up).await;
}

async fn follow(cluster: &Cluster, index: usize) {
    let Some(peer) = cluster.peers().get(index) else { return };
    let mut failing = false;
    loop {
        match tokio::net::lookup_host(&peer.address).await {
            Ok(addresses) => {
                failing = false;
                let addresses: Vec<_> = addresses.collect();
                let count = addresses.len();
                if count > 0 && peer.resolved(addresses) {
                    info!(upstream = cluster.name, peer = peer.address, addresses = count, "peer resolved");
                }
            }
            Err(error) if !failing => {
                failing = true;
                warn!(upstream = cluster.name, peer = peer.address, %error, "peer does not resolve; keeping its last addresses");
            }
            Err(_) => {}
        }
        tokio::time::sleep(if peer.is_resolved() { EVERY } else { UNRESOLVED_EVERY }).await;
    }
}
