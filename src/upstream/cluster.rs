//! An upstream: its peers, and which of them takes the next attempt.

use std::sync::Arc;

use pingora::upstreams::peer::HttpPeer;
use tokio::time::Instant;

use super::balance::{Ask, Balance};
use super::budget::Budget;
use super::ejection::{Ejections, Sign};
use super::load::Carried;
use super::names::Names;
use super::peer::{Dial, Peer};
use super::tls::Material;
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
    /// What is left for that.
    pub budget: Budget,
    /// How its peers are checked; `None`: they aren't.
    pub health_check: Option<settings::HealthCheck>,
    /// Who is asked for the addresses of its peers.
    pub names: Names,
    ejections: Option<Ejections>,
    peers: Vec<Peer>,
    balance: Balance,
    tls: Option<settings::UpstreamTls>,
    dial: Arc<Dial>,
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
    /// Counts the attempt; to be kept until it ends.
    pub carried: Carried,
}

impl Cluster {
    /// Builds an upstream; `group` tells it from all others.
    ///
    /// # Errors
    /// See [`Material::read`].
    pub fn new(upstream: &settings::Upstream, group: u64) -> Result<Self, StartError> {
        let material = upstream.tls.as_ref().map(Material::read).transpose()?;
        Ok(Self::with(upstream, group, material))
    }

    /// The same, of TLS material that was read already; `None` where the upstream has no TLS.
    #[must_use]
    pub fn with(upstream: &settings::Upstream, group: u64, material: Option<Material>) -> Self {
        let dial = Arc::new(Dial::new(upstream, group, material));
        Self {
            name: upstream.name.clone(),
            retries: upstream.retries,
            group,
            budget: Budget::default(),
            health_check: upstream.health_check.clone(),
            names: Names::new(&upstream.resolver),
            ejections: upstream.ejection.map(|rules| Ejections::new(rules, upstream.peers.len())),
            peers: upstream.peers.iter().map(|p| Peer::new(&p.address, Arc::clone(&dial))).collect(),
            balance: Balance::new(upstream),
            tls: upstream.tls.clone(),
            dial,
        }
    }

    /// Where its TLS material is read from; `None`: it has no TLS.
    #[must_use]
    pub const fn tls(&self) -> Option<&settings::UpstreamTls> {
        self.tls.as_ref()
    }

    /// What its TLS is made of.
    #[must_use]
    pub fn material(&self) -> Option<&Material> {
        self.dial.material()
    }

    /// All peers.
    #[must_use]
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// The peer for the next attempt of a request for `app`: one that hasn't been tried, or, where all have, any.
    /// `None`: no peer is in use, or none has an address.
    #[must_use]
    pub fn choose(&self, tried: &mut Tried, app: Option<&str>, tunnel: bool) -> Option<Choice> {
        let turn = *tried.turn.get_or_insert_with(|| {
            self.budget.save();
            self.balance.turn()
        });
        let ask = Ask { turn, app };
        let usable = |index: usize| self.peers.get(index).is_some_and(Peer::is_usable);
        let load = |index: usize| self.peers.get(index).map_or(0, |peer| peer.load.get());
        let fresh = self.balance.pick(ask, |index| !tried.contains(index) && usable(index), load);
        let index = fresh.or_else(|| self.balance.pick(ask, usable, load))?;
        tried.insert(index);
        let peer = self.peers.get(index)?;
        peer.target(tunnel).map(|target| Choice { index, target, carried: peer.load.carry() })
    }

    /// Takes in what an attempt said about its peer.
    pub fn attempt_ended(&self, peer: usize, sign: Sign) {
        if let Some(ejections) = &self.ejections {
            ejections.record(self, peer, sign);
        }
    }

    /// When the ejection of a peer ends; `None`: it isn't ejected.
    #[must_use]
    pub fn ejected_until(&self, peer: usize) -> Option<Instant> {
        self.ejections.as_ref()?.until(peer)
    }

    /// Puts ejected peers back in time, for ever.
    pub async fn attend(&self) {
        if let Some(ejections) = &self.ejections {
            ejections.attend(self).await;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::settings::{self, Peer as PeerSettings, Timeouts, Upstream};
    use crate::upstream::standing::Out;
    use std::time::Duration;

    pub(in super::super) fn settings(addresses: &[&str]) -> Upstream {
        let second = Duration::from_secs(1);
        let timeouts = Timeouts { connect: second, read: second, write: second, keepalive: second, tunnel: second };
        let peers = addresses.iter().map(|a| PeerSettings { address: (*a).to_owned(), weight: 1 }).collect();
        Upstream {
            name: "u".into(),
            peers,
            resolver: Vec::new(),
            balance: settings::Balance::RoundRobin,
            http2: false,
            tls: None,
            timeouts,
            retries: 1,
            health_check: None,
            ejection: None,
        }
    }

    fn cluster(addresses: &[&str]) -> Cluster {
        balanced(settings::Balance::RoundRobin, addresses)
    }

    fn balanced(balance: settings::Balance, addresses: &[&str]) -> Cluster {
        Cluster::new(&Upstream { balance, ..settings(addresses) }, 7).unwrap()
    }

    fn first(cluster: &Cluster) -> usize {
        cluster.choose(&mut Tried::default(), None, false).unwrap().index
    }

    #[test]
    fn a_retry_goes_to_another_peer_and_back_only_when_all_were_tried() {
        let cluster = cluster(&["127.0.0.1:1", "127.0.0.1:2"]);
        for _ in 0..4 {
            let mut tried = Tried::default();
            let first = cluster.choose(&mut tried, None, false).unwrap().index;
            let second = cluster.choose(&mut tried, None, false).unwrap().index;
            assert_ne!(first, second);
            assert!(cluster.choose(&mut tried, None, false).is_some());
        }
    }

    #[test]
    fn a_retry_uses_up_nobodys_turn() {
        let cluster = cluster(&["127.0.0.1:1", "127.0.0.1:2"]);
        let firsts: Vec<_> = (0..6)
            .map(|_| {
                let mut tried = Tried::default();
                let first = cluster.choose(&mut tried, None, false).unwrap().index;
                cluster.choose(&mut tried, None, false).unwrap();
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
    fn a_peer_that_is_out_of_use_is_passed_over_and_all_out_is_no_choice() {
        let cluster = cluster(&["127.0.0.1:1", "127.0.0.1:2"]);
        cluster.peers()[0].standing.take_out(Out::Unhealthy);
        assert_eq!((first(&cluster), first(&cluster)), (1, 1));
        cluster.peers()[1].standing.take_out(Out::Unhealthy);
        assert!(cluster.choose(&mut Tried::default(), None, false).is_none());
        cluster.peers()[0].standing.put_back(Out::Unhealthy);
        assert_eq!((first(&cluster), first(&cluster)), (0, 0));
    }

    #[test]
    fn no_address_at_all_is_no_choice() {
        assert!(cluster(&["one.invalid:80"]).choose(&mut Tried::default(), None, false).is_none());
    }

    #[test]
    fn an_app_stays_with_its_peer_and_a_retry_leaves_it() {
        let cluster = balanced(settings::Balance::Hash, &["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]);
        let of = |app| cluster.choose(&mut Tried::default(), app, false).unwrap().index;
        for app in ["TR1", "TR2", "TR3", "TR4"] {
            let home = of(Some(app));
            assert!((0..10).all(|_| of(Some(app)) == home));
            let mut tried = Tried::default();
            let mut order = [0; 3].map(|_| cluster.choose(&mut tried, Some(app), false).unwrap().index);
            assert_eq!(order[0], home);
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2]);
        }
        let without: std::collections::BTreeSet<usize> = (0..3).map(|_| of(None)).collect();
        assert_eq!(without.len(), 3, "without an app: in turn");
    }

    #[test]
    fn the_peer_that_carries_less_takes_the_next_request() {
        let cluster = balanced(settings::Balance::LeastConnections, &["127.0.0.1:1", "127.0.0.1:2"]);
        let choose = || cluster.choose(&mut Tried::default(), None, false).unwrap();
        let held = choose();
        let other = 1 - held.index;
        assert!((0..10).all(|_| choose().index == other));
        drop(held);
        assert_eq!(choose().index + choose().index, 1, "equals take turns");
    }
}
