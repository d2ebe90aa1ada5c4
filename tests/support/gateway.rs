//! The built gateway, started by a builder: `gateway(&upstream).app("TR1", secret).start().await`.

mod database;
pub mod profiles;
mod successor;
mod upkeep;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::apps_file::{self, AppsFile};
use super::client::{self, Client, Request, Response};
use super::config::{routes, set, text};
use super::metrics::Metrics;
use super::poll;
use super::ports;
use super::process::Process;
use super::upstream::Upstream;

/// How long a count may take to be made.
const PATIENCE: Duration = Duration::from_secs(5);

/// A gateway in the making.
pub struct Builder {
    config: Value,
    apps: AppsFile,
    environment: Vec<(String, String)>,
    files: Vec<(String, String)>,
    profiles: Option<SocketAddr>,
}

/// A gateway in front of this upstream, with the tests' routes and an empty apps file.
pub fn gateway(upstream: &Upstream) -> Builder {
    to_peers(&[upstream.address()])
}

/// A gateway in front of these peers.
pub fn to_peers(peers: &[SocketAddr]) -> Builder {
    to_names(&peers.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// A gateway in front of peers with these names and ports.
pub fn to_names(peers: &[String]) -> Builder {
    let peers: Vec<Value> = peers.iter().map(|address| json!({ "address": address })).collect();
    let config = json!({
        "listeners": [{ "address": "set when it starts" }],
        "admin": { "address": "set when it starts" },
        "apps": { "source": "file", "file": { "path": "apps.yaml" } },
        "upstreams": { "rtms": { "peers": peers } },
        "routes": routes(),
        "server": { "threads": 2, "drain": "200ms" },
    });
    Builder { config, apps: AppsFile::default(), environment: Vec::new(), files: Vec::new(), profiles: None }
}

impl Builder {
    /// An app with a secret, in the apps file.
    pub fn app(self, id: &str, secret: &str) -> Self {
        self.document(apps_file::app(id, secret))
    }

    /// The customer's app, with the tests' secret.
    pub fn customer(self) -> Self {
        self.app(super::APP, super::SECRET)
    }

    /// Any document, in the apps file.
    pub fn document(mut self, document: Value) -> Self {
        self.apps.push(document);
        self
    }

    /// Sets a value; the objects on the way are made, list items must be there.
    pub fn set(mut self, pointer: &str, value: Value) -> Self {
        set(&mut self.config, pointer, value);
        self
    }

    /// A second listener; its address is set when it starts.
    pub fn listener(mut self, mut listener: Value) -> Self {
        listener["address"] = json!("set when it starts");
        self.config["listeners"].as_array_mut().expect("a list of ours").push(listener);
        self
    }

    /// A file beside the configuration.
    pub fn file(mut self, name: &str, text: impl Into<String>) -> Self {
        self.files.push((name.into(), text.into()));
        self
    }

    /// Starts it and waits until it is ready.
    pub async fn start(self) -> Gateway {
        let mut gateway = self.launch().await;
        poll::until("the gateway is ready", async || {
            gateway.still_runs();
            (gateway.readyz().await.0 == 200).then_some(())
        })
        .await;
        gateway
    }

    /// Starts it and waits until its admin pages answer, whatever they say.
    pub async fn launch(self) -> Gateway {
        for _ in 0..3 {
            let mut gateway = self.spawn();
            let answered = poll::until("the admin pages answer, or the gateway ends", async || {
                if gateway.process.ended().is_some() {
                    return Some(false);
                }
                client::answers(gateway.admin, "/livez").await.then_some(true)
            })
            .await;
            if answered {
                return gateway;
            }
            let said = gateway.process.stderr() + &gateway.process.stdout();
            // Somebody else was faster at the port: another one.
            assert!(said.to_lowercase().contains("already in use"), "the gateway ended at its start: {said}");
        }
        panic!("no free ports, three times")
    }

    /// Runs `check` on the configuration: how it ended, and what it printed.
    pub fn check(self) -> (ExitStatus, String) {
        let prepared = self.prepare();
        let done = prepared.command("check").output().expect("the gateway's program");
        let printed = [done.stdout, done.stderr].concat();
        (done.status, String::from_utf8_lossy(&printed).into_owned())
    }

    fn spawn(&self) -> Gateway {
        let prepared = self.prepare();
        let mut command = prepared.command("run");
        let Prepared { dir, addresses, admin, .. } = prepared;
        let (home, profiles) = (dir.path().to_owned(), self.profiles);
        Gateway { process: Process::start("gateway", &mut command, dir), home, addresses, admin, profiles }
    }

    /// Picks the ports and writes the files.
    fn prepare(&self) -> Prepared {
        let admin = ports::free();
        let mut config = self.config.clone();
        let listeners = config["listeners"].as_array_mut().expect("a list of ours");
        let addresses: Vec<SocketAddr> = listeners.iter().map(|_| ports::free()).collect();
        for (listener, address) in listeners.iter_mut().zip(&addresses) {
            listener["address"] = json!(address.to_string());
        }
        set(&mut config, "/admin/address", json!(admin.to_string()));
        let dir = TempDir::new().expect("a temporary directory");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("a directory of ours");
        write("apps.yaml", &self.apps.text());
        write("gateway.yaml", &text(&config));
        for (name, text) in &self.files {
            write(name, text);
        }
        Prepared { dir, addresses, admin, environment: self.environment.clone() }
    }
}

/// A configuration on disk.
struct Prepared {
    dir: TempDir,
    addresses: Vec<SocketAddr>,
    admin: SocketAddr,
    environment: Vec<(String, String)>,
}

impl Prepared {
    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rtms-gateway"));
        command.args([verb, "-c"]).arg(self.dir.path().join("gateway.yaml"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A running gateway; killed when dropped.
pub struct Gateway {
    process: Process,
    /// Where its configuration stands.
    home: PathBuf,
    addresses: Vec<SocketAddr>,
    admin: SocketAddr,
    profiles: Option<SocketAddr>,
}

impl Gateway {
    /// Its first listener.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Its second listener.
    pub fn second_address(&self) -> SocketAddr {
        self.addresses[1]
    }

    /// Its admin pages.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Its directory; of a successor, that of the first one.
    pub fn dir(&self) -> &Path {
        &self.home
    }

    /// Its apps file.
    pub fn apps_file(&self) -> PathBuf {
        self.dir().join("apps.yaml")
    }

    /// A connection to it.
    pub async fn connect(&self) -> Client {
        Client::connect(self.address()).await
    }

    /// One request over a connection of its own.
    pub async fn ask(&self, request: &Request) -> Response {
        client::once(self.address(), request).await
    }

    /// Status and code that a GET of an app gets with this token.
    pub async fn verdict(&self, app: &str, token: &str) -> (u16, String) {
        self.ask(&client::get(super::plain(app)).token(token)).await.verdict()
    }

    /// Waits until an app's token gets this verdict; the customer's app, which nobody touches, is judged as ever
    /// meanwhile.
    pub async fn becomes(&self, what: &str, app: &str, token: &str, verdict: (u16, &str)) {
        let wanted = (verdict.0, verdict.1.to_owned());
        poll::until_true(what, async || {
            let got = self.verdict(app, token).await;
            assert_eq!(self.verdict(super::APP, &super::tokens::good()).await, (200, "0".into()), "{what}");
            got == wanted
        })
        .await;
    }

    /// A page of the admin address.
    pub async fn page(&self, path: &str) -> Response {
        client::once(self.admin, &client::get(path).header("Accept: application/json")).await
    }

    /// Status and text of `/readyz`.
    pub async fn readyz(&self) -> (u16, String) {
        let page = self.page("/readyz").await;
        (page.status, page.text())
    }

    /// A scrape.
    pub async fn metrics(&self) -> Metrics {
        Metrics::parse(&self.page("/metrics").await.text())
    }

    /// Waits until a family's samples with these labels sum up to `count`, as an answer is counted just after it was
    /// sent; then scrapes once more, as a scrape reads its families in no order. Requests are counted last of all.
    pub async fn counted(&self, name: &str, labels: &[(&str, &str)], count: u64) -> Metrics {
        let start = Instant::now();
        loop {
            let metrics = self.metrics().await;
            let now = metrics.count(name, labels);
            if now == count {
                return self.metrics().await;
            }
            assert!(now < count && start.elapsed() < PATIENCE, "{name} {labels:?} is {now}, not {count}");
        }
    }

    /// `/status`, as JSON.
    pub async fn status(&self) -> Value {
        let page = self.page("/status").await;
        serde_json::from_slice(&page.body).unwrap_or_else(|error| panic!("{error}: {}", page.text()))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for it to end.
    pub async fn ends(&mut self, deadline: Duration) -> ExitStatus {
        self.process.wait(deadline).await
    }

    /// CPU time it has used so far.
    pub fn cpu(&self) -> Duration {
        self.process.cpu()
    }

    /// Fails the test if it ended.
    pub fn still_runs(&mut self) {
        let ended = self.process.ended();
        assert!(ended.is_none(), "the gateway ended: {ended:?}");
    }
}
