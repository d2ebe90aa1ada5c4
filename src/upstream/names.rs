//! Who is asked what a peer's name stands for: the system, or name servers of the upstream's own.
//!
//! The system's resolver keeps to itself how long an answer holds, a name server tells. Nothing is cached here, the hosts
//! file and search domains are the system's alone, and a name is asked for as it is written, in both address families:
//! where one of the two can't be had, the other will do.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

/// How long a name server may take, for each of the two times that it is asked.
const PATIENCE: Duration = Duration::from_secs(1);
const REPEATS: usize = 1;

/// What a name stands for.
#[derive(Debug)]
pub struct Answer {
    /// Its addresses, with the peer's port.
    pub addresses: Vec<SocketAddr>,
    /// How long that holds, its time to live; `None`: nobody said.
    pub holds: Option<Duration>,
}

/// Who is asked.
pub struct Names {
    servers: Vec<SocketAddr>,
    /// `None`: the system.
    resolver: Option<Result<TokioResolver, NetError>>,
}

impl Names {
    /// Asks these name servers, over UDP, and over TCP what UDP has no room for; if there are none, the system.
    #[must_use]
    pub fn new(servers: &[SocketAddr]) -> Self {
        let resolver = (!servers.is_empty()).then(|| resolver(servers));
        Self { servers: servers.to_vec(), resolver }
    }

    /// Whether the same are asked.
    #[must_use]
    pub fn are_those_of(&self, other: &Self) -> bool {
        self.servers == other.servers
    }

    /// What the host of an address (`host:port`) stands for.
    ///
    /// # Errors
    /// It stands for nothing, or nobody could say in time.
    pub async fn look_up(&self, address: &str) -> io::Result<Answer> {
        match &self.resolver {
            None => Ok(Answer { addresses: tokio::net::lookup_host(address).await?.collect(), holds: None }),
            Some(Ok(resolver)) => ask(resolver, address).await,
            Some(Err(error)) => Err(io::Error::other(error.clone())),
        }
    }
}

fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let servers = servers.iter().map(|server| {
        let ways = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut way| {
            way.port = server.port();
            way
        });
        NameServerConfig::new(server.ip(), true, ways.into())
    });
    let config = ResolverConfig::from_name_servers(servers.collect());
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    set(builder.options_mut());
    builder.build()
}

const fn set(options: &mut ResolverOpts) {
    options.timeout = PATIENCE;
    options.attempts = REPEATS;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = 0;
    // Of a chain of names, the one that holds the shortest counts.
    options.preserve_intermediates = true;
}

async fn ask(resolver: &TokioResolver, address: &str) -> io::Result<Answer> {
    let (host, port) = address.rsplit_once(':').ok_or(io::ErrorKind::InvalidInput)?;
    let port = port.parse().map_err(|_| io::ErrorKind::InvalidInput)?;
    // The dot keeps it from being taken for the beginning of a longer name.
    let name = format!("{}.", host.trim_end_matches('.'));
    let found = resolver.lookup_ip(name).await.map_err(io::Error::other)?;
    let addresses: Vec<SocketAddr> = found.iter().map(|ip: IpAddr| SocketAddr::new(ip, port)).collect();
    let least = found.as_lookup().answers().iter().map(|record| record.ttl).min();
    Ok(Answer { addresses, holds: least.map(|seconds| Duration::from_secs(seconds.into())) })
}
