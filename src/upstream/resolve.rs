//! Names of peers, resolved again and again in the background: a request never waits for DNS.
//!
//! The system's resolver doesn't tell how long an answer holds, so names are asked again at a fixed pace. A name
//! that fails to resolve keeps its last addresses: a resolver that is down must not take the upstream with it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::cluster::Cluster;

/// The pace.
const EVERY: Duration = Duration::from_secs(5);
/// A name without any address yet is asked again sooner.
const UNRESOLVED_EVERY: Duration = Duration::from_secs(1);

/// Resolves every named peer until `stop` turns true.
pub async fn run(clusters: Vec<Arc<Cluster>>, mut stop: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    for cluster in clusters {
        for index in 0..cluster.peers().len() {
            let cluster = Arc::clone(&cluster);
            if cluster.peers().get(index).is_some_and(|p| !p.is_literal()) {
                tasks.spawn(async move { follow(&cluster, index).await });
            }
        }
    }
    let _ = stop.wait_for(|stop| *stop).await;
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
