//! `server`: the process.

use std::net::IpAddr;
use std::thread;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::list::List;
use super::mistakes::Check;
use super::settings;
use super::values::{Span, Threads};
use super::yaml_path::YamlPath;

const MOST_THREADS: u64 = 1024;

/// The process.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Worker threads: `auto` (one for each processor this process may use) or a number up to 1024. Example: `4`.
    threads: Threads,
    /// How long the listeners keep serving after SIGTERM, while `/readyz` already says 503. Example: `30s`.
    drain: Span,
    /// File that the process id is written to; absent: none. Example: `/run/rtms-gateway.pid`.
    pid_file: Option<String>,
    /// Addresses and networks of proxies in front: their `X-Forwarded-*` are believed and appended to, everybody
    /// else's are replaced. On listeners with `proxy_protocol` they alone may connect. Example: `[10.0.0.0/8, "::1"]`.
    trusted_proxies: List<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self { threads: Threads::Auto, drain: Span::seconds(10), pid_file: None, trusted_proxies: List::default() }
    }
}

impl Server {
    /// Whether any proxy is named, rightly or not.
    pub(super) const fn names_proxies(&self) -> bool {
        !self.trusted_proxies.is_empty()
    }

    /// The normal form.
    #[must_use]
    pub fn settle(self, at: &YamlPath, check: &mut Check) -> settings::Server {
        let threads = match self.threads {
            Threads::Auto => thread::available_parallelism().map_or(1, usize::from),
            Threads::Count(count) => {
                if !(1..=MOST_THREADS).contains(&count) {
                    check.refuse(&at.key("threads"), "is out of range; write `auto` or a number from 1 to 1024");
                }
                usize::try_from(count).unwrap_or(1)
            }
        };
        let trusted_at = at.key("trusted_proxies");
        let mut trusted_proxies = Vec::new();
        for (n, text) in self.trusted_proxies.into_entries() {
            let at = trusted_at.index(n);
            match network(&text) {
                Some(network) => trusted_proxies.push(network),
                None => check.refuse(
                    &at,
                    format!("{} is no address or network; write it as in `10.0.0.0/8`", check.show(&at, &text)),
                ),
            }
        }
        let pid_file = self.pid_file.map(|path| check.output(&at.key("pid_file"), &path));
        settings::Server { threads, drain: self.drain.0, pid_file, trusted_proxies }
    }
}

fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_address_is_a_network_of_one() {
        assert_eq!(network("10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
        assert_eq!(network("::1").unwrap().to_string(), "::1/128");
        assert_eq!(network("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        for bad in ["10.0.0.0/33", "proxy.internal", "10.0.0", ""] {
            assert!(network(bad).is_none(), "{bad}");
        }
    }
}
