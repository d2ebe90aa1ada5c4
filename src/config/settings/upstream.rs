//! Where requests are forwarded to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One upstream: peers that answer alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The name routes use, and the metric label.
    pub name: String,
    /// The peers; at least one.
    pub peers: Vec<Peer>,
    /// The name servers that are asked for the peers' addresses; none: the system is.
    pub resolver: Vec<SocketAddr>,
    /// How requests are spread over them.
    pub balance: Balance,
    /// Speak HTTP/2 to the peers.
    pub http2: bool,
    /// TLS towards the peers; `None`: plain.
    pub tls: Option<UpstreamTls>,
    /// Time bounds of an exchange.
    pub timeouts: Timeouts,
    /// How often a failed attempt is repeated where that is safe.
    pub retries: usize,
    /// How peers are checked; `None`: they aren't.
    pub health_check: Option<HealthCheck>,
    /// When peers are ejected; `None`: never.
    pub ejection: Option<Ejection>,
}

/// How requests are spread over peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// In turn, by weight.
    RoundRobin,
    /// To the peer with the fewest requests under way, by weight.
    LeastConnections,
    /// By app, so that an app stays with its peer.
    Hash,
}

/// One peer of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// `host:port` as written, and the metric label; a host name is re-resolved.
    pub address: String,
    /// Share of the traffic, 1 and up.
    pub weight: u32,
}

/// TLS towards an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Server name for SNI and verification.
    pub sni: String,
    /// PEM file of the authorities; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// What the gateway shows of itself; `None`: nothing.
    pub identity: Option<ClientIdentity>,
    /// Verify the peer's certificate and name.
    pub verify: bool,
}

/// A client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// PEM file of the chain, leaf first.
    pub cert: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
}

/// How the health of peers is found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked for, query included.
    pub path: String,
    /// From one check of a peer to the next.
    pub interval: Duration,
    /// Until the answer is there.
    pub timeout: Duration,
    /// Good checks in a row that put a peer back in use.
    pub healthy_after: u32,
    /// Bad checks in a row that take it out of use.
    pub unhealthy_after: u32,
}

/// When a peer that fails requests gets no more of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// Failures in a row that eject a peer.
    pub consecutive_failures: u32,
    /// How long, the first time.
    pub time: Duration,
    /// How many peers of a hundred may be ejected at once, 1 to 100.
    pub max_ejected: u32,
}

/// Time bounds of an exchange with an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// Between two reads of an answer.
    pub read: Duration,
    /// For each write of a request.
    pub write: Duration,
    /// How long an idle connection is kept.
    pub keepalive: Duration,
    /// Idle time of an upgraded connection.
    pub tunnel: Duration,
}
