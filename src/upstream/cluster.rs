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
    peers: Vec<Peer>,
    balance: RoundRobin,
}

/// The peers one request has tried, so that a retry goes elsewhere. Upstreams with more than 128 peers forget the
/// rest, which costs a retry at worst.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried(u128);

impl Tried {
    const fn contains(self, peer: usize) -> bool {
        peer < 128 && self.0 & (1 << peer) != 0
    }

    /// Notes a peer.
    pub const fn insert(&mut self, peer: usize) {
        if peer < 128 {
            self.0 |= 1 << peer;
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
    pub fn choose(&self, tried: Tried, tunnel: bool) -> Option<Choice> {
        let mut again = None;
        for index in self.balance.order() {
            let Some(peer) = self.peers.get(index).filter(|p| p.is_resolved()) else { continue };
            if tried.contains(index) {
                again = again.or(Some(index));
            } else {
                return peer.target(tunnel).map(|target| Choice { index, target });
            }
        }
        let index = again?;
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

    #[test]
    fn a_retry_goes_to_another_peer_and_back_only_when_all_were_tried() {
        let cluster = cluster(&["127.0.0.1:1", "127.0.0.1:2"]);
        for _ in 0..4 {
            let mut tried = Tried::default();
            let first = cluster.choose(tried, false).unwrap().index;
            tried.insert(first);
            let second = cluster.choose(tried, false).unwrap().index;
            assert_ne!(first, second);
            tried.insert(second);
            assert!(cluster.choose(tried, false).is_some());
        }
    }

    #[test]
    fn a_peer_without_an_address_is_passed_over() {
        let cluster = cluster(&["one.invalid:80", "127.0.0.1:2"]);
        assert_eq!(cluster.choose(Tried::default(), false).unwrap().index, 1);
        assert_eq!(cluster.choose(Tried::default(), false).unwrap().index, 1);
        assert!(cluster.peers()[0].resolved(vec!["127.0.0.1:9".parse().unwrap()]));
        let seen: Vec<_> = (0..2).map(|_| cluster.choose(Tried::default(), false).unwrap().index).collect();
        assert!(seen.contains(&0) && seen.contains(&1));
        assert!(!cluster.peers()[0].resolved(vec!["127.0.0.1:9".parse().unwrap()]));
        assert!(cluster.peers()[0].resolved(vec![]));
    }

    #[test]
    fn no_address_at_all_is_no_choice() {
        assert!(cluster(&["one.invalid:80"]).choose(Tried::default(), false).is_none());
    }
}
