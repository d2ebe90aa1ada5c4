//! An upstream: its peers, and which of them takes the next attempt.

use std::sync::Arc;

use pingora::upstreams::peer::HttpPeer;

use super::balance::RoundRobin;
use super::peer::{Dial, Peer};
use crate::config::settings;
use crate::error::StartError;

/// The peers of one upstream.
pub struct Cluster {
    /// The name in the configuration, and the metric label.
    pub name: String,
    /// How often a failed attempt is repeated, where that is safe.
    pub retries: usize,
    /// What keeps its connections apart from those of other upstreams.
    pub group: u64,
    peers: Vec<Peer>,
    balance: RoundRobin,
}

/// A request's turn and the peers it has tried, so that a retry goes elsewhere. Upstreams with more than 128 peers
/// forget the rest, which costs a retry at worst.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    turn: Option<usize>,
    peers: u128,
}

impl Tried {
    const fn contains(self, peer: usize) -> bool {
        peer < 128 && self.peers & (1 << peer) != 0
    }

    const fn insert(&mut self, peer: usize) {
        if peer < 128 {
            self.peers |= 1 << peer;
        }
    }
}

/// The peer for one attempt.
pub struct Choice {
    /// Index among the upstream's peers.
    pub index: usize,
    /// Where to connect.
    pub target: Box<HttpPeer>,
}

impl Cluster {
    /// Builds an upstream; `group` tells it from all others.
    ///
    /// # Errors
    /// See [`Dial::new`].
    pub fn new(upstream: &settings::Upstream, group: u64) -> Result<Self, StartError> {
        let dial = Arc::new(Dial::new(upstream, group)?);
        Ok(Self {
            name: upstream.name.clone(),
            retries: upstream.retries,
            group,
            peers: upstream.peers.iter().map(|p| Peer::new(&p.address, Arc::clone(&dial))).collect(),
            balance: RoundRobin::new(&upstream.peers.iter().map(|p| p.weight).collect::<Vec<_>>()),
        })
    }

    /// All peers.
    #[must_use]
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// The peer for the next attempt: one that hasn't been tried, or, where all have, whose turn it is. `None`:
    /// no peer has an address.
    #[must_use]
    pub fn choose(&self, tried: &mut Tried, tunnel: bool) -> Option<Choice> {
        let turn = *tried.turn.get_or_insert_with(|| self.balance.turn());
        let mut again = None;
        let resolved = |index: usize| self.peers.get(index).is_some_and(Peer::is_resolved);
        let fresh = self.balance.order(turn).filter(|index| resolved(*index)).find(|index| {
            let known = tried.contains(*index);
            again = again.or(known.then_some(*index));
            !known
        });
        let index = fresh.or(again)?;
        tried.insert(index);
        self.peers.get(index)?.target(tunnel).map(|target| Choice { index, target })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::{Peer as PeerSettings, Timeouts, Upstream};
    use std::time::Duration;

    fn cluster(addresses: &[&str]) -> Cluster {
        let second = Duration::from_secs(1);
        let timeouts = Timeouts { connect: second, read: second, write: second, keepalive: second, tunnel: second };
        let peers = addresses.iter().map(|a| PeerSettings { address: (*a).to_owned(), weight: 1 }).collect();
        let upstream = Upstream { name: "u".into(), peers, http2: false, tls: None, timeouts, retries: 1 };
        Cluster::new(&upstream, 7).unwrap()
    }

    fn first(cluster: &Cluster) -> usize {
        cluster.choose(&mut Tried::default(), false).unwrap().index
    }

    #[test]
    fn a_retry_goes_to_another_peer_and_back_only_when_all_were_tried() {
        let cluster = cluster(&["127.0.0.1:1", "127.0.0.1:2"]);
        for _ in 0..4 {
            let mut tried = Tried::default();
            let first = cluster.choose(&mut tried, false).unwrap().index;
            let second = cluster.choose(&mut tried, false).unwrap().index;
            assert_ne!(first, second);
            assert!(cluster.choose(&mut tried, false).is_some());
        }
    }

    #[test]
    fn a_retry_uses_up_nobodys_turn() {
        let cluster = cluster(&["127.0.0.1:1", "127.0.0.1:2"]);
        let firsts: Vec<_> = (0..6)
            .map(|_| {
                let mut tried = Tried::default();
                let first = cluster.choose(&mut tried, false).unwrap().index;
                cluster.choose(&mut tried, false).unwrap();
                first
            })
            .collect();
        assert_eq!(firsts, [0, 1, 0, 1, 0, 1]);
    }

    #[test]
    fn a_peer_without_an_address_is_passed_over() {
        let cluster = cluster(&["one.invalid:80", "127.0.0.1:2"]);
        assert_eq!((first(&cluster), first(&cluster)), (1, 1));
        assert!(cluster.peers()[0].resolved(vec!["127.0.0.1:9".parse().unwrap()]));
        let seen = [first(&cluster), first(&cluster)];
        assert!(seen.contains(&0) && seen.contains(&1));
        assert!(!cluster.peers()[0].resolved(vec!["127.0.0.1:9".parse().unwrap()]));
        assert!(cluster.peers()[0].resolved(vec![]));
    }

    #[test]
    fn no_address_at_all_is_no_choice() {
        assert!(cluster(&["one.invalid:80"]).choose(&mut Tried::default(), false).is_none());
    }
}
