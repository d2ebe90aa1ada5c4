//! Names of peers, resolved again and again in the background: a request never waits for DNS.
//!
//! The system's resolver doesn't tell how long an answer holds, so names are asked again at a fixed pace. A name
//! that fails to resolve keeps its last addresses: a resolver that is down must not take the upstream with it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::cluster::Cluster;
use super::in_force;
use super::standing::Out;

/// The pace.
const EVERY: Duration = Duration::from_secs(5);
/// A name without any address yet is asked again sooner.
const UNRESOLVED_EVERY: Duration = Duration::from_secs(1);

/// A look-up of all names of an upstream that is about to be put in force takes no longer.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// Resolves every named peer of whatever clusters are in force, until `stop` turns true. Those of a cluster that is in
/// force no longer are let go.
pub async fn run(clusters: watch::Receiver<Vec<Arc<Cluster>>>, stop: watch::Receiver<bool>) {
    in_force::attend(clusters, stop, follow_all).await;
}

fn follow_all(cluster: &Arc<Cluster>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for index in 0..cluster.peers().len() {
        let cluster = Arc::clone(cluster);
        if cluster.peers().get(index).is_some_and(|p| !p.is_literal()) {
            tasks.spawn(async move { follow(&cluster, index, look_up).await });
        }
    }
    tasks
}

/// Makes a cluster ready that is about to be put in force in the place of `before`: it knows which of its peers were
/// unhealthy, and has addresses from its first request on, those that are known already, else those that the resolver
/// gives in time.
pub async fn prepare(cluster: &Cluster, before: &[Arc<Cluster>]) {
    let known = || before.iter().filter(|old| old.name == cluster.name).flat_map(|old| old.peers());
    for peer in cluster.peers().iter().filter(|_| cluster.health_check.is_some()) {
        // Until a check says otherwise.
        if let Some(old) = known().find(|old| old.address == peer.address && old.standing.is_out(Out::Unhealthy)) {
            peer.found(old.fault());
            peer.standing.take_out(Out::Unhealthy);
        }
    }
    let known = || before.iter().flat_map(|old| old.peers());
    let mut unknown = Vec::new();
    for peer in cluster.peers().iter().filter(|peer| !peer.is_literal()) {
        match known().find(|old| old.address == peer.address && old.is_resolved()) {
            Some(old) => drop(peer.resolved(old.addresses())),
            None => unknown.push(peer),
        }
    }
    let looked_up = join_all(unknown.into_iter().map(|peer| async {
        if let Ok(addresses) = look_up(peer.address.clone()).await {
            peer.resolved(addresses);
        }
    }));
    let _ = tokio::time::timeout(FIRST_LOOK, looked_up).await;
}

/// Asks the system's resolver.
async fn look_up(address: String) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host(address).await?.collect())
}

/// Asks `look_up` for the addresses of one peer, for ever.
async fn follow<L>(cluster: &Cluster, index: usize, mut look_up: impl FnMut(String) -> L)
where
    L: Future<Output = io::Result<Vec<SocketAddr>>>,
{
    let Some(peer) = cluster.peers().get(index) else { return };
    let mut failing = false;
    loop {
        match look_up(peer.address.clone()).await {
            Ok(addresses) => {
                failing = false;
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

#[cfg(test)]
mod tests;
