//! `upstreams.*.resolver`: the name servers that are asked for the addresses of peers.

use std::net::{IpAddr, SocketAddr};

use crate::config::list::List;
use crate::config::mistakes::Check;
use crate::config::yaml_path::YamlPath;

/// Where name servers are, unless somebody says otherwise.
const PORT: u16 = 53;

/// The servers, each once.
pub(super) fn settle(servers: List<String>, at: &YamlPath, check: &mut Check) -> Vec<SocketAddr> {
    if servers.is_empty() {
        check.refuse(
            at,
            "lists nobody to ask; name at least one as in `10.0.0.2:53`, or take it out: the system is asked",
        );
    }
    let mut settled: Vec<(usize, SocketAddr)> = Vec::new();
    for (n, text) in servers.into_entries() {
        let at = at.index(n);
        let Some(server) = server(&text) else {
            let shown = check.show(&at, &text);
            check
                .refuse(&at, format!("{shown} is no IP address, with or without a port; write it as in `10.0.0.2:53`"));
            continue;
        };
        if let Some((earlier, _)) = settled.iter().find(|(_, known)| *known == server) {
            check.refuse(&at, format!("is the same as resolver[{earlier}]; list it once"));
        }
        settled.push((n, server));
    }
    settled.into_iter().map(|(_, server)| server).collect()
}

fn server(text: &str) -> Option<SocketAddr> {
    let server = text.parse().or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT))).ok()?;
    (server.port() != 0 && !server.ip().is_unspecified()).then_some(server)
}
