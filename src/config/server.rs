//! `server`: the process.

use std::net::IpAddr;
use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;
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
const MOST_POOLED: u64 = 1 << 16;
/// What fits into `sockaddr_un` with its final zero (unix(7)).
const LONGEST_SOCKET_PATH: usize = 107;

/// The process.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Worker threads: `auto` (one for each processor this process may use) or a number up to 1024. Example: `4`.
    threads: Threads,
    /// Idle connections to upstreams that each worker thread keeps for later requests, of all upstreams together; up to
    /// 65536. How long one is kept is an upstream's `timeouts.keepalive`. Example: `2048`.
    upstream_pool: u64,
    /// How long the listeners keep serving after SIGTERM, while `/readyz` already says 503; after an
    /// upgrade, how long clients that keep their connections have to move to the new process. Example: `30s`.
    drain: Span,
    /// How long requests under way have to finish once the listeners are closed. Example: `30s`.
    finish_requests: Span,
    /// The same for streams, which are cut last: upgraded connections (WebSockets), `text/event-stream` and gRPC answers.
    /// The process lives on that long with no listeners, as far as it has streams. Example: `1h`.
    finish_streams: Span,
    /// Unix socket over which a new process (`run --upgrade`) gets the listening sockets of the running one; there only
    /// while a new one waits. Absent: no upgrades. Example: `/run/rtms-gateway.sock`.
    upgrade_socket: Option<String>,
    /// File that the process id is written to; absent: none. Example: `/run/rtms-gateway.pid`.
    pid_file: Option<String>,
    /// Addresses and networks of proxies in front: their `X-Forwarded-*` are believed and appended to, everybody
    /// else's are replaced. On listeners with `proxy_protocol` they alone may connect. Example: `[10.0.0.0/8, "::1"]`.
    trusted_proxies: List<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            threads: Threads::Auto,
            upstream_pool: 512,
            drain: Span::seconds(10),
            finish_requests: Span::seconds(10),
            finish_streams: Span::seconds(10),
            upgrade_socket: None,
            pid_file: None,
            trusted_proxies: List::default(),
        }
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
        if !(1..=MOST_POOLED).contains(&self.upstream_pool) {
            check.refuse(&at.key("upstream_pool"), "is out of range; write a number from 1 to 65536");
        }
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
        let upgrade_socket = self.upgrade_socket.map(|path| socket(&at.key("upgrade_socket"), &path, check));
        settings::Server {
            upstream_pool: usize::try_from(self.upstream_pool).unwrap_or(1),
            threads,
            drain: self.drain.0,
            finish_requests: self.finish_requests.0,
            finish_streams: self.finish_streams.0,
            upgrade_socket,
            pid_file,
            trusted_proxies,
        }
    }
}

/// A path that a Unix socket can have.
fn socket(at: &YamlPath, path: &str, check: &mut Check) -> PathBuf {
    let file = check.output(at, path);
    if file.as_os_str().len() > LONGEST_SOCKET_PATH {
        check.refuse(at, format!("is too long for a socket; use a path of at most {LONGEST_SOCKET_PATH} bytes"));
    } else if file.symlink_metadata().is_ok_and(|there| !there.file_type().is_socket()) {
        check.refuse(
            at,
            format!("{} is another kind of file; name one that a socket can be made at", check.show(at, path)),
        );
    }
    file
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
