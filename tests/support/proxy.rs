//! A TCP proxy that stands between two programs and does to their connections what networks do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::{poll, ports};

/// What happens to the bytes, and to new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They go through.
    Pass,
    /// They wait: whatever was sent arrives once the proxy passes again.
    Stall,
    /// They vanish, both ways, without a word. A connection that lost bytes stays dead for ever, as one does that a
    /// firewall has forgotten; new ones pass again once the proxy does.
    BlackHole,
    /// Nobody listens, and what was open is reset.
    Refuse,
}

/// What happens once a client sends these bytes: a change of mode, or all connections are reset.
type Trap = (&'static [u8], Option<Mode>);

struct Shared {
    target: SocketAddr,
    mode: watch::Sender<Mode>,
    cuts: watch::Sender<usize>,
    trap: Mutex<Option<Trap>>,
}

/// The proxy; its connections end with it.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts one that passes everything on to `target`.
    pub async fn start(target: SocketAddr) -> Self {
        let address = ports::free();
        let shared = Arc::new(Shared {
            target,
            mode: watch::Sender::new(Mode::Pass),
            cuts: watch::Sender::new(0),
            trap: Mutex::default(),
        });
        let task = tokio::spawn(listen(address, Arc::clone(&shared)));
        poll::until_true("the proxy listens", async || TcpStream::connect(address).await.is_ok()).await;
        Self { address, shared, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on does this.
    pub fn set(&self, mode: Mode) {
        self.shared.set(mode);
    }

    /// Resets all connections.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Changes the mode as soon as a client sends `needle`; what comes with it already meets the new mode.
    pub fn trap(&self, needle: &'static [u8], mode: Mode) {
        *self.shared.trap.lock().unwrap_or_else(PoisonError::into_inner) = Some((needle, Some(mode)));
    }

    /// Resets all connections as soon as a client sends `needle`, so that what it asks has no answer. One that is idle
    /// when it is reset costs a client nothing.
    pub fn cut_at(&self, needle: &'static [u8]) {
        *self.shared.trap.lock().unwrap_or_else(PoisonError::into_inner) = Some((needle, None));
    }

    /// Waits until the trap has sprung.
    pub async fn sprung(&self) {
        let armed = || self.shared.trap.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        poll::until_true("the bytes that the proxy waits for", async || !armed()).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
        if mode == Mode::Refuse {
            self.cut();
        }
    }

    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    fn look(&self, bytes: &[u8]) {
        let mut trap = self.trap.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((needle, then)) = *trap
            && bytes.windows(needle.len()).any(|window| window == needle)
        {
            *trap = None;
            match then {
                Some(mode) => self.set(mode),
                None => self.cut(),
            }
        }
    }
}

async fn listen(address: SocketAddr, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut mode = shared.mode.subscribe();
    loop {
        // The sender lives as long as `shared`, so no wait for it can fail.
        let _ = mode.wait_for(|mode| *mode != Mode::Refuse).await;
        let listener = TcpListener::bind(address).await.expect("a port that was given to this proxy");
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((client, _)) = accepted else { break };
                    connections.spawn(connection(client, Arc::clone(&shared)));
                }
                _ = mode.wait_for(|mode| *mode == Mode::Refuse) => break,
            }
            while connections.try_join_next().is_some() {}
        }
    }
}

async fn connection(mut client: TcpStream, shared: Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    let mut mode = shared.mode.subscribe();
    let whole = async {
        let mut server = TcpStream::connect(shared.target).await?;
        server.set_nodelay(true)?;
        client.set_nodelay(true)?;
        let dead = AtomicBool::new(false);
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let result = tokio::try_join!(
            pump(from_client, to_server, &shared, &dead, true),
            pump(from_server, to_client, &shared, &dead, false),
        );
        let _ = server.set_zero_linger();
        result
    };
    tokio::select! {
        _ = whole => {}
        _ = cuts.changed() => {}
        // Also for one that was accepted just before nobody listened any more.
        _ = mode.wait_for(|mode| *mode == Mode::Refuse) => {}
    }
    // A reset, not an orderly end.
    let _ = client.set_zero_linger();
}

/// Moves bytes one way until their end.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    shared: &Shared,
    dead: &AtomicBool,
    looks: bool,
) -> std::io::Result<()> {
    let mut mode = shared.mode.subscribe();
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let _ = mode.wait_for(|mode| *mode != Mode::Stall).await;
        let read = from.read(&mut bytes).await?;
        let read = bytes.get(..read).unwrap_or_default();
        if looks {
            shared.look(read);
        }
        let _ = mode.wait_for(|mode| *mode != Mode::Stall).await;
        if *mode.borrow() == Mode::BlackHole {
            dead.store(true, Ordering::Relaxed);
        }
        if dead.load(Ordering::Relaxed) {
            if read.is_empty() {
                // Not even the end of the connection gets through.
                return std::future::pending().await;
            }
            continue;
        }
        if read.is_empty() {
            return to.shutdown().await;
        }
        to.write_all(read).await?;
    }
}
