//! The parts of `/status` that change by themselves: which peers get requests and why others don't, and the
//! certificates in force.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;
use tokio::time::Instant;

use super::status::{ErrorPage, date};
use crate::certificates::{Expiry, Shown};
use crate::telemetry::Metrics;
use crate::upstream::Cluster;
use crate::upstream::peer::Peer;
use crate::upstream::standing::Out;

#[derive(Serialize)]
pub(super) struct UpstreamPage {
    name: String,
    peers: Vec<PeerPage>,
}

#[derive(Serialize)]
struct PeerPage {
    address: String,
    /// `healthy`, or the first of what keeps requests away: `unresolved`, `unhealthy`, `ejected`.
    state: &'static str,
    /// What its name stands for.
    resolved: Vec<String>,
    /// The fault that the last health check found, while it is unhealthy.
    fault: Option<String>,
    /// When its ejection ends, while it is ejected.
    ejected_until: Option<String>,
    /// Attempts under way, upgraded connections included.
    requests: usize,
    /// Attempts since the start of the process, by how they ended; `ok`: an answer came, whatever its status.
    attempts: BTreeMap<&'static str, u64>,
}

impl UpstreamPage {
    pub(super) fn new(cluster: &Cluster, metrics: &Metrics) -> Self {
        let peers = cluster.peers().iter().enumerate();
        let ejected = |n, peer: &Peer| peer.standing.is_out(Out::Ejected).then(|| cluster.ejected_until(n)).flatten();
        let peers = peers
            .map(|(n, peer)| {
                let attempts = metrics.attempts(&cluster.name, &peer.address);
                PeerPage::new(peer, ejected(n, peer), attempts)
            })
            .collect();
        Self { name: cluster.name.clone(), peers }
    }
}

impl PeerPage {
    fn new(peer: &Peer, ejected_until: Option<Instant>, attempts: BTreeMap<&'static str, u64>) -> Self {
        let state = match &peer.standing {
            _ if !peer.is_resolved() => "unresolved",
            standing if standing.is_out(Out::Unhealthy) => "unhealthy",
            standing if standing.is_out(Out::Ejected) => "ejected",
            _ => "healthy",
        };
        let until = |end: Instant| date(SystemTime::now() + end.saturating_duration_since(Instant::now()));
        Self {
            address: peer.address.clone(),
            state,
            resolved: peer.addresses().iter().map(ToString::to_string).collect(),
            fault: peer.standing.is_out(Out::Unhealthy).then(|| peer.fault()).flatten(),
            ejected_until: ejected_until.and_then(until),
            requests: peer.load.get(),
            attempts,
        }
    }
}

#[derive(Serialize)]
pub(super) struct CertificatePage {
    /// Where the configuration names it.
    certificate: String,
    /// When it expires; `null`: there are authorities alone.
    not_after: Option<String>,
    /// When it was last replaced; `null`: not since the start.
    replaced: Option<String>,
    /// Why what is on disk isn't in force.
    problem: Option<ErrorPage>,
}

impl CertificatePage {
    pub(super) fn new(shown: &Shown) -> Self {
        Self {
            certificate: shown.name.clone(),
            not_after: shown.expiry.and_then(Expiry::date),
            replaced: shown.replaced.and_then(date),
            problem: shown.problem.as_ref().map(|p| ErrorPage { at: date(p.at), text: p.text.clone() }),
        }
    }
}
