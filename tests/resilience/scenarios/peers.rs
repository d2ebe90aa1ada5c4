//! Peers that are killed, hang, flap, and come back. They are processes, and die as processes do.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::sleep;

use super::Outcome;
use crate::support::client;
use crate::support::gateway::{Builder, Gateway, to_peers};
use crate::support::load::Load;
use crate::support::process::Process;
use crate::support::{poll, ports};

/// An upstream server in a process of its own.
pub struct Peer {
    address: SocketAddr,
    process: Process,
}

impl Peer {
    pub(super) async fn start(address: SocketAddr) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rtms-sample-upstream"));
        command.args(["--listen", &address.to_string()]);
        let dir = TempDir::new().expect("a temporary directory");
        let process = Process::start("peer", &mut command, dir);
        poll::until_true("the peer answers", async || client::answers(address, "/health").await).await;
        Self { address, process }
    }

    /// Kills it and starts it again after a while.
    async fn flap(self, after: Duration) -> Self {
        let Self { address, process } = self;
        drop(process);
        sleep(after).await;
        Self::start(address).await
    }
}

async fn peers(count: usize) -> Vec<Peer> {
    let mut peers = Vec::new();
    for _ in 0..count {
        peers.push(Peer::start(ports::free()).await);
    }
    peers
}

fn bare(peers: &[Peer]) -> Builder {
    let addresses: Vec<_> = peers.iter().map(|peer| peer.address).collect();
    to_peers(&addresses).customer().set("/telemetry/access_log", json!({ "sample": 0.0 }))
}

/// With checks that notice a peer's death or return within a tenth of a second or two.
fn guarded(peers: &[Peer]) -> Builder {
    let checks = json!({ "path": "/health", "interval": "50ms", "timeout": "100ms", "unhealthy_after": 2 });
    let ejection = json!({ "consecutive_failures": 3, "for": "300ms" });
    bare(peers).set("/upstreams/rtms/health_check", checks).set("/upstreams/rtms/ejection", ejection)
}

async fn in_use(gateway: &Gateway, count: usize) {
    poll::until_true("so many peers are in use", async || {
        gateway.metrics().await.count("rtms_upstream_peer_healthy", &[]) == count as u64
    })
    .await;
}

/// One of two is killed, and comes back.
pub async fn killed(guard: bool) -> Outcome {
    let mut all = peers(2).await;
    let gateway = if guard { guarded(&all) } else { bare(&all) }.start().await;
    let load = Load::start(&gateway).await;
    load.goes_on(500).await;
    let event = Instant::now();
    let Peer { address, process } = all.remove(0);
    drop(process);
    load.goes_on(1000).await;
    all.push(Peer::start(address).await);
    load.goes_on(500).await;
    in_use(&gateway, 2).await;
    Outcome::of(load, event).await
}

/// One of two stands still, and goes on.
pub async fn hanging() -> Outcome {
    let all = peers(2).await;
    let gateway = guarded(&all).set("/upstreams/rtms/timeouts/read", json!("300ms")).start().await;
    let load = Load::start(&gateway).await;
    load.goes_on(500).await;
    let event = Instant::now();
    all[0].process.signal(Signal::SIGSTOP);
    in_use(&gateway, 1).await;
    load.goes_on(1000).await;
    all[0].process.signal(Signal::SIGCONT);
    in_use(&gateway, 2).await;
    load.goes_on(500).await;
    Outcome::of(load, event).await
}

/// One of two dies and comes back, again and again.
pub async fn flapping() -> Outcome {
    let mut all = peers(2).await;
    let gateway = guarded(&all).start().await;
    let load = Load::start(&gateway).await;
    let event = Instant::now();
    for _ in 0..6 {
        let back = all.remove(1).flap(Duration::from_millis(150)).await;
        all.push(back);
        sleep(Duration::from_millis(150)).await;
    }
    Outcome::of(load, event).await
}

/// Two of four die at once.
pub async fn half_dead() -> Outcome {
    let mut all = peers(4).await;
    // The second attempt may meet the other one.
    let gateway = guarded(&all).set("/upstreams/rtms/retries", json!(2)).start().await;
    let load = Load::start(&gateway).await;
    load.goes_on(500).await;
    let event = Instant::now();
    drop(all.drain(..2));
    in_use(&gateway, 2).await;
    load.goes_on(1000).await;
    Outcome::of(load, event).await
}

/// Both die, and come back: what was answered meanwhile, and when the last of them was in use again.
pub async fn all_dead() -> (Outcome, Instant) {
    let all = peers(2).await;
    let addresses: Vec<_> = all.iter().map(|peer| peer.address).collect();
    let gateway = guarded(&all).start().await;
    let load = Load::start(&gateway).await;
    drop(all);
    in_use(&gateway, 0).await;
    load.goes_on(200).await;
    let event = Instant::now();
    let _all = [Peer::start(addresses[0]).await, Peer::start(addresses[1]).await];
    in_use(&gateway, 2).await;
    let back = Instant::now();
    load.goes_on(500).await;
    (Outcome::of(load, event).await, back)
}
