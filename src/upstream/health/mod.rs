//! Active health checks: every peer of an upstream that wants them is asked at its pace, beside the requests.
//!
//! A peer that fails often enough in a row takes no more requests, so that after that it costs none; one that answers
//! again comes back by itself.

mod check;
mod tally;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use pingora::connectors::http::Connector;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tracing::{info, warn};

use self::check::Exchange;
use self::tally::Tally;
use super::cluster::Cluster;
use super::in_force;
use super::peer::Peer;
use super::standing::Out;
use crate::config::settings::HealthCheck;

/// Checks the peers of all upstreams in force that want it, and puts ejected ones back, until `stop` turns true.
pub async fn run(clusters: watch::Receiver<Vec<Arc<Cluster>>>, stop: watch::Receiver<bool>) {
    // Made where it is needed: it reads the system's authorities.
    let connector: LazyLock<Arc<Connector>> = LazyLock::new(|| Arc::new(Connector::new(None)));
    in_force::attend(clusters, stop, |cluster| start(cluster, &connector)).await;
}

/// The tasks of one upstream; they end when dropped.
fn start(cluster: &Arc<Cluster>, connector: &LazyLock<Arc<Connector>>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let attended = Arc::clone(cluster);
    tasks.spawn(async move { attended.attend().await });
    let Some(rules) = cluster.health_check.clone() else { return tasks };
    for index in 0..cluster.peers().len() {
        let watch = Watch { cluster: Arc::clone(cluster), index, connector: Arc::clone(connector) };
        tasks.spawn(watch.run(rules.clone()));
    }
    tasks
}

/// The watch over one peer.
struct Watch {
    cluster: Arc<Cluster>,
    index: usize,
    connector: Arc<Connector>,
}

impl Watch {
    async fn run(self, rules: HealthCheck) {
        let Self { cluster, index, connector } = self;
        let Some(peer) = cluster.peers().get(index) else { return };
        let exchange = match Exchange::new(peer, &rules.path) {
            Ok(exchange) => Arc::new(exchange),
            Err(error) => {
                return warn!(upstream = cluster.name, peer = peer.address, %error, "this peer can't be checked");
            }
        };
        let check = || {
            let (target, exchange, connector) = (peer.target(false), Arc::clone(&exchange), Arc::clone(&connector));
            async move {
                match target {
                    Some(target) => exchange.run(&connector, *target).await,
                    None => Err("its name does not resolve".to_owned()),
                }
            }
        };
        // Many gateways that start together must not ask together.
        let first = rules.interval.mul_f64(fastrand::f64());
        let tally = Tally::new(!peer.standing.is_out(Out::Unhealthy), rules.healthy_after, rules.unhealthy_after);
        follow(&rules, (first, tally), check, |turn| apply(&cluster.name, peer, &turn)).await;
    }
}

/// A peer's health turned.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Healthy,
    /// With the fault of the last check.
    Unhealthy(String),
}

fn apply(upstream: &str, peer: &Peer, turn: &Turn) {
    match turn {
        Turn::Healthy => {
            peer.standing.put_back(Out::Unhealthy);
            info!(upstream, peer = peer.address, "peer is healthy again");
        }
        Turn::Unhealthy(fault) => {
            peer.found(Some(fault.clone()));
            peer.standing.take_out(Out::Unhealthy);
            warn!(upstream, peer = peer.address, fault, "peer is unhealthy: it gets no requests");
        }
    }
}

/// Checks at the pace of the rules, and tells each turn once.
async fn follow<C: Future<Output = Result<(), String>>>(
    rules: &HealthCheck,
    (first, mut tally): (Duration, Tally),
    mut check: impl FnMut() -> C,
    mut turned: impl FnMut(Turn),
) {
    let mut pace = interval_at(Instant::now() + first, rules.interval);
    // A check that took longer than the interval isn't made up for.
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        let result = timeout(rules.timeout, check()).await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        match (tally.record(result.is_ok()), result) {
            (true, Ok(())) => turned(Turn::Healthy),
            (true, Err(fault)) => turned(Turn::Unhealthy(fault)),
            (false, _) => {}
        }
    }
}

#[cfg(test)]
mod tests;
