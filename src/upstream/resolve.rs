//! Names of peers, resolved again and again in the background: a request never waits for DNS.
//!
//! A name is asked for again when its answer holds no longer, within bounds; the system's resolver doesn't tell, so at a
//! fixed pace there. A name that fails to resolve keeps its last addresses: a resolver that is down must not take the
//! upstream with it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::cluster::Cluster;
use super::in_force;
use super::names::Answer;
use super::peer::Peer;
use super::standing::Out;

/// The pace, and as long as any answer holds.
const EVERY: Duration = Duration::from_secs(5);
/// No name is asked for more often; one without any address yet is that often.
const LEAST: Duration = Duration::from_secs(1);

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
            tasks.spawn(async move {
                let look_up = async |address: String| cluster.names.look_up(&address).await;
                follow(&cluster, index, look_up).await;
            });
        }
    }
    tasks
}

/// Makes a cluster ready that is about to be put in force in the place of `before`: it knows which of its peers were
/// unhealthy, and has addresses from its first request on, those that are known already, else those that the resolver
/// gives in time.
pub async fn prepare(cluster: &Cluster, before: &[Arc<Cluster>]) {
    keep_standing(cluster, before);
    let mut unknown = Vec::new();
    for peer in cluster.peers().iter().filter(|peer| !peer.is_literal()) {
        let asked_alike = before.iter().filter(|old| old.names.are_those_of(&cluster.names));
        match known(peer, asked_alike) {
            Some(old) => drop(peer.resolved(old.addresses())),
            None => unknown.push(peer),
        }
    }
    let looked_up = join_all(unknown.iter().map(|peer| async {
        if let Ok(answer) = cluster.names.look_up(&peer.address).await {
            peer.resolved(answer.addresses);
        }
    }));
    let _ = tokio::time::timeout(FIRST_LOOK, looked_up).await;
    // Better what others said than nothing.
    for peer in unknown.into_iter().filter(|peer| !peer.is_resolved()) {
        if let Some(old) = known(peer, before.iter()) {
            peer.resolved(old.addresses());
        }
    }
}

/// Peers that were unhealthy are, until a check says otherwise.
fn keep_standing(cluster: &Cluster, before: &[Arc<Cluster>]) {
    let known = || before.iter().filter(|old| old.name == cluster.name).flat_map(|old| old.peers());
    for peer in cluster.peers().iter().filter(|_| cluster.health_check.is_some()) {
        if let Some(old) = known().find(|old| old.address == peer.address && old.standing.is_out(Out::Unhealthy)) {
            peer.found(old.fault());
            peer.standing.take_out(Out::Unhealthy);
        }
    }
}

/// A peer of the same name that has addresses.
fn known<'a>(peer: &Peer, mut clusters: impl Iterator<Item = &'a Arc<Cluster>>) -> Option<&'a Peer> {
    let fits = |old: &&Peer| old.address == peer.address && old.is_resolved();
    clusters.find_map(|old| old.peers().iter().find(fits))
}

/// Asks `look_up` for the addresses of one peer, for ever.
async fn follow<L>(cluster: &Cluster, index: usize, mut look_up: impl FnMut(String) -> L)
where
    L: Future<Output = io::Result<Answer>>,
{
    let Some(peer) = cluster.peers().get(index) else { return };
    let (mut failing, mut pace) = (false, EVERY);
    loop {
        match look_up(peer.address.clone()).await {
            Ok(Answer { addresses, holds }) => {
                failing = false;
                pace = holds.unwrap_or(EVERY).clamp(LEAST, EVERY);
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
        tokio::time::sleep(if peer.is_resolved() { pace } else { LEAST }).await;
    }
}

#[cfg(test)]
mod tests;
