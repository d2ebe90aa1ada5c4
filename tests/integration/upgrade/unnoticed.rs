//! An upgrade under load: everything that a client, a probe or a scraper could notice.

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::{BOUND, pid_file, upgradable};
use crate::support::client::{self, get};
use crate::support::gateway::Gateway;
use crate::support::gateway::profiles::READER;
use crate::support::load::{Load, PACE, Plan, Way};
use crate::support::tls::Authority;
use crate::support::upstream::Upstream;

/// Asks for a page again and again; every answer must be 200.
struct Probe {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Probe {
    fn start(address: SocketAddr, request: client::Request) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                let answer = client::once(address, &request).await;
                assert_eq!(answer.status, 200, "{}", answer.text());
                count.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        Self { stop, asked, task }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("200, always");
        assert!(self.asked.load(Ordering::Relaxed) > 20);
    }
}

/// How many descriptors of a process are listening sockets, or Unix ones: those that an upgrade moves or makes.
fn descriptors(gateway: &Gateway) -> usize {
    let process = format!("/proc/{}", gateway.pid());
    let table = |name: &str| fs::read_to_string(format!("{process}/net/{name}")).unwrap();
    // The state of a TCP socket is its fourth word, and its inode the tenth; a Unix socket's inode is its seventh.
    let word = |line: &str, n: usize| line.split_whitespace().nth(n).unwrap_or_default().to_owned();
    let (tcp, unix) = (table("tcp"), table("unix"));
    let listening = tcp.lines().filter(|line| word(line, 3) == "0A").map(|line| word(line, 9));
    let inodes: HashSet<String> = listening.chain(unix.lines().map(|line| word(line, 6))).collect();
    let all = fs::read_dir(format!("{process}/fd")).unwrap();
    let links = all.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let inode = |link: &Path| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    links.filter(|link| inode(link).is_some_and(|inode| inodes.contains(&inode))).count()
}

/// Everything that may notice an upgrade.
struct Watchers {
    loads: Vec<Load>,
    probes: Vec<Probe>,
}

impl Watchers {
    async fn start(gateway: &Gateway, authority: &Arc<Authority>) -> Self {
        let mut loads = Vec::new();
        for (address, way) in [
            (gateway.address(), Way::Kept),
            (gateway.address(), Way::Fresh),
            (gateway.second_address(), Way::FreshTls(Arc::clone(authority))),
            (gateway.second_address(), Way::Http2(Arc::clone(authority))),
        ] {
            loads.push(Plan::steady(gateway).by(address, way).paced(3, PACE).start().await);
        }
        let probes = vec![
            Probe::start(gateway.admin(), get("/readyz")),
            Probe::start(gateway.profiles(), get("/api/v1/apps").token(READER)),
        ];
        Self { loads, probes }
    }

    async fn go_on(&self) {
        for load in &self.loads {
            load.goes_on(50).await;
        }
    }

    /// None of them has noticed anything.
    async fn end(self) {
        for load in self.loads {
            load.end().await.none_failed();
        }
        for probe in self.probes {
            probe.end().await;
        }
    }
}

/// Upgrades a gateway; which process comes first makes no difference.
async fn upgrade(old: &Gateway, new_first: bool) -> Gateway {
    let new = if new_first {
        let new = old.successor();
        new.says("waiting for the running process").await;
        old.signal(Signal::SIGQUIT);
        new
    } else {
        old.signal(Signal::SIGQUIT);
        old.says("SIGQUIT: handing over").await;
        old.successor()
    };
    new.says("took over").await;
    assert_eq!(pid_file(&new), new.pid().to_string());
    new
}

#[tokio::test]
async fn nobody_notices_upgrades_one_after_the_other() {
    let upstream = Upstream::start().await;
    let authority = Arc::new(Authority::new("upgrades"));
    let server = authority.identity("127.0.0.1");
    let first = upgradable(&upstream)
        .file("server.pem", server.cert)
        .file("server.key", server.key)
        .listener(json!({ "tls": { "cert": "server.pem", "key": "server.key", "http2": true } }))
        .profiles()
        .start()
        .await;
    let idle = descriptors(&first);
    assert_eq!(pid_file(&first), first.pid().to_string());
    let watchers = Watchers::start(&first, &authority).await;
    let mut running = vec![first];
    for new_first in [true, false, true] {
        let old = running.last_mut().unwrap();
        let new = upgrade(old, new_first).await;
        watchers.go_on().await;
        assert_eq!(old.ends(BOUND).await.code(), Some(0), "{}", old.printed());
        assert_eq!(pid_file(&new), new.pid().to_string(), "the old one leaves the new one's alone");
        assert_eq!(new.status().await["upgrade"]["took_over_from"], old.pid());
        assert!(!new.dir().join("upgrade.sock").exists());
        running.push(new);
    }
    watchers.end().await;
    let last = running.last_mut().unwrap();
    assert_eq!(descriptors(last), idle, "no socket more than the first one had");
    last.signal(Signal::SIGTERM);
    assert_eq!(last.ends(BOUND).await.code(), Some(0));
    assert!(!last.dir().join("gateway.pid").exists());
    assert!(TcpStream::connect(last.address()).await.is_err());
}
