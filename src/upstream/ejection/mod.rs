//! Passive ejection: a peer that fails requests in a row gets none for a while.
//!
//! It sees what health checks can't: a peer that answers them and fails everything else. Counting is an atomic a peer;
//! the lock is taken only where a peer has failed often enough to be ejected.

mod ledger;

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use self::ledger::Ledger;
use super::cluster::Cluster;
use super::standing::Out;
use crate::config::settings;

/// What an attempt says about its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It answered, and not for somebody behind it who didn't.
    Good,
    /// It failed.
    Bad,
    /// Nothing: somebody else was at fault.
    None,
}

/// The ejections of one upstream.
pub struct Ejections {
    failures: u32,
    ledger: Mutex<Ledger>,
    changed: Notify,
}

impl Ejections {
    /// None yet, of this many peers.
    #[must_use]
    pub fn new(rules: settings::Ejection, peers: usize) -> Self {
        Self {
            failures: rules.consecutive_failures,
            ledger: Mutex::new(Ledger::new(rules, peers)),
            changed: Notify::new(),
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the ejection of a peer ends.
    #[must_use]
    pub fn until(&self, peer: usize) -> Option<Instant> {
        self.ledger().until(peer)
    }

    /// Takes in how an attempt at a peer of `cluster` ended.
    pub fn record(&self, cluster: &Cluster, index: usize, sign: Sign) {
        let Some(peer) = cluster.peers().get(index) else { return };
        match sign {
            Sign::Good => peer.standing.succeeded(),
            Sign::Bad if peer.standing.failed() >= self.failures => self.eject(cluster, index),
            Sign::Bad | Sign::None => {}
        }
    }

    fn eject(&self, cluster: &Cluster, index: usize) {
        let Some(peer) = cluster.peers().get(index) else { return };
        // Also where it may not be ejected now: the next try is as many failures away.
        peer.standing.succeeded();
        let others = cluster.peers().iter().enumerate().filter(|(n, other)| *n != index && other.is_usable());
        let mut ledger = self.ledger();
        let Some(time) = ledger.eject(index, Instant::now(), others.count()) else { return };
        peer.standing.take_out(Out::Ejected);
        drop(ledger);
        self.changed.notify_one();
        let (failures, seconds) = (self.failures, time.as_secs_f64());
        warn!(upstream = cluster.name, peer = peer.address, failures, seconds, "peer is ejected: it failed in a row");
    }

    /// Puts peers back whose time is over, for ever.
    pub async fn attend(&self, cluster: &Cluster) {
        loop {
            let next = self.ledger().next_end();
            let over = async {
                match next {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => self.put_back(cluster),
                () = self.changed.notified() => {}
            }
        }
    }

    fn put_back(&self, cluster: &Cluster) {
        let mut ledger = self.ledger();
        for peer in ledger.end(Instant::now()).into_iter().filter_map(|index| cluster.peers().get(index)) {
            peer.standing.succeeded();
            peer.standing.put_back(Out::Ejected);
            info!(upstream = cluster.name, peer = peer.address, "peer is tried again after its ejection");
        }
    }
}

#[cfg(test)]
mod tests;
