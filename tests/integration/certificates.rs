//! Certificates, keys and authorities that change while the gateway runs.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use rustls::ClientConfig;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::support::client::{Client, Request, get};
use crate::support::gateway::profiles::call;
use crate::support::gateway::{Builder, Gateway, gateway};
use crate::support::h2::H2;
use crate::support::tls::{Authority, Handshake, Identity};
use crate::support::upstream::Upstream;
use crate::support::{APP, plain, poll, tokens};

mod upstreams;

/// A look is a second away at most; the rest is for a slow machine.
const NOTICED: Duration = Duration::from_secs(4);

fn with_identity(builder: Builder, section: &str, identity: &Identity) -> Builder {
    let tls = json!({ "cert": "server.pem", "key": "server.key" });
    builder
        .file("server.pem", identity.cert.as_str())
        .file("server.key", identity.key.as_str())
        .set(&format!("{section}/tls"), tls)
}

fn write(gateway: &Gateway, file: &str, text: &str) {
    fs::write(gateway.dir().join(file), text).unwrap();
}

async fn counted(gateway: &Gateway, result: &str) -> u64 {
    gateway.metrics().await.count("rtms_certificate_reloads_total", &[("result", result)])
}

async fn is_counted(gateway: &Gateway, result: &str, count: u64) {
    poll::until_true("the count", async || counted(gateway, result).await == count).await;
}

/// Whether the certificate that is shown there is one of this authority's.
async fn shows(authority: &Authority, address: SocketAddr) -> bool {
    let client = TlsConnector::from(Arc::new(Handshake::trusting(authority).config()));
    let stream = TcpStream::connect(address).await.unwrap();
    poll::bounded("a handshake", client.connect(address.ip().into(), stream)).await.is_ok()
}

#[tokio::test]
async fn what_cannot_be_used_changes_nothing_and_what_can_is_shown_in_the_next_handshake() {
    let (upstream, old, new) = (Upstream::start().await, Authority::new("old"), Authority::new("new"));
    let builder = with_identity(gateway(&upstream).customer(), "/listeners/0", &old.identity("127.0.0.1"));
    let gateway = builder.start().await;
    let (mut kept, _) = Handshake::trusting(&old).connect(gateway.address()).await.unwrap();
    let next = new.identity("127.0.0.1");
    let stray = new.identity("127.0.0.1");
    write(&gateway, "server.key", &stray.key);
    is_counted(&gateway, "invalid", 1).await;
    write(&gateway, "server.pem", "-----BEGIN CERTIFICATE-----\nhalf of");
    is_counted(&gateway, "invalid", 2).await;
    fs::remove_file(gateway.dir().join("server.pem")).unwrap();
    is_counted(&gateway, "invalid", 3).await;
    let problem = gateway.status().await["certificates"][0]["problem"]["text"].clone();
    assert!(problem.as_str().unwrap().contains("server.pem"), "{problem}");
    assert!(shows(&old, gateway.address()).await);
    assert_eq!(counted(&gateway, "ok").await, 0);

    write(&gateway, "server.pem", &next.cert);
    write(&gateway, "server.key", &next.key);
    poll::within(NOTICED, "the new certificate", async || shows(&new, gateway.address()).await.then_some(())).await;
    assert!(!shows(&old, gateway.address()).await);
    is_counted(&gateway, "ok", 1).await;
    let shown = gateway.status().await["certificates"][0].clone();
    assert_eq!((&shown["certificate"], &shown["problem"]), (&json!("listeners[0]"), &json!(null)));
    assert!(shown["replaced"].is_string() && shown["not_after"].is_string(), "{shown}");
    assert_eq!(kept.ask(&get(plain(APP)).token(tokens::good())).await.status, 200, "a connection from before");
    for secret in [&next.key, &stray.key] {
        let line = secret.lines().nth(1).unwrap();
        assert!(!gateway.printed().contains(line));
    }
}

/// Asks over connections of one kind until it is told to stop; how many answers there were.
fn asking(
    gateway: &Gateway,
    authority: &Arc<Authority>,
    http2: bool,
    stopped: &watch::Receiver<bool>,
) -> JoinHandle<u32> {
    let (address, authority, stopped) = (gateway.address(), Arc::clone(authority), stopped.clone());
    tokio::spawn(async move {
        let (mut answers, bearer) = (0, format!("Bearer {}", tokens::good()));
        let protocols: &[&str] = if http2 { &["h2"] } else { &["http/1.1"] };
        let connect = async || Handshake::trusting(&authority).protocols(protocols).connect(address).await.unwrap().0;
        let mut kept_h2 = if http2 { Some(H2::start(connect().await).await) } else { None };
        let mut kept: Client = connect().await;
        while !*stopped.borrow() {
            let fresh = connect().await;
            if let Some(kept) = &mut kept_h2 {
                let mut fresh = H2::start(fresh).await;
                for h2 in [kept, &mut fresh] {
                    assert_eq!(h2.ask("GET", &plain(APP), &[("authorization", &bearer)], b"").await.status, 200);
                }
            } else {
                let mut fresh = fresh;
                for client in [&mut kept, &mut fresh] {
                    assert_eq!(client.ask(&get(plain(APP)).token(tokens::good())).await.status, 200);
                }
            }
            answers += 2;
        }
        answers
    })
}

/// Threads and open files of a process.
fn held_by(gateway: &Gateway) -> (usize, usize) {
    let count = |what: &str| fs::read_dir(format!("/proc/{}/{what}", gateway.pid())).unwrap().count();
    (count("task"), count("fd"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_rotations_fail_no_request_and_leave_nothing_behind() {
    let (upstream, authority) = (Upstream::start().await, Arc::new(Authority::new("a test authority")));
    let builder = with_identity(gateway(&upstream).customer(), "/listeners/0", &authority.identity("127.0.0.1"));
    let gateway = builder.start().await;
    let (stop, stopped) = watch::channel(false);
    let clients = [false, true].map(|http2| asking(&gateway, &authority, http2, &stopped));
    let mut after_ten = (0, 0);
    for n in 1..=100 {
        let next = authority.identity("127.0.0.1");
        let mut files = [("server.pem", &next.cert), ("server.key", &next.key)];
        if n % 2 == 0 {
            files.reverse();
        }
        for (file, text) in files {
            write(&gateway, file, text);
        }
        gateway.signal(Signal::SIGHUP);
        is_counted(&gateway, "ok", n).await;
        if n == 10 {
            after_ten = held_by(&gateway);
        }
    }
    stop.send_replace(true);
    for client in clients {
        assert!(client.await.expect("no failed request") > 20);
    }
    let (threads, files) = after_ten;
    poll::until_true("what is let go is gone", async || {
        let now = held_by(&gateway);
        now.0 <= threads + 3 && now.1 <= files + 10
    })
    .await;
}

/// A client isn't served any more, whether it resumes a session or not.
async fn is_not_served(client: &Arc<ClientConfig>, address: SocketAddr, ask: &Request) {
    for _ in 0..4 {
        if let Ok((mut resumed, _)) = Handshake::connect_as(Arc::clone(client), address).await {
            let bytes = ask.bytes(resumed.host());
            resumed.send(&bytes).await;
            assert!(resumed.response().await.is_none());
        }
    }
}

#[tokio::test]
async fn callers_of_the_app_profiles_api_are_verified_alike() {
    let (upstream, servers) = (Upstream::start().await, Authority::new("servers"));
    let (old, new) = (Authority::new("old callers"), Authority::new("new callers"));
    let builder = with_identity(gateway(&upstream).customer().profiles(), "/profiles", &servers.identity("127.0.0.1"));
    let auth = json!({ "ca": "clients.pem", "mode": "require" });
    let gateway = builder.file("clients.pem", old.pem()).set("/profiles/tls/client_auth", auth).start().await;
    let [member, fresh] = [&old, &new].map(|authority| authority.identity("operator"));
    let ask = call("GET", "apps");
    let client = Arc::new(Handshake::trusting(&servers).identity(&member).config());
    for _ in 0..2 {
        let (mut admitted, _) = Handshake::connect_as(Arc::clone(&client), gateway.profiles()).await.unwrap();
        assert_eq!(admitted.ask(&ask).await.status, 200);
    }
    write(&gateway, "clients.pem", new.pem());
    is_counted(&gateway, "ok", 1).await;
    is_not_served(&client, gateway.profiles(), &ask).await;
    let handshake = Handshake::trusting(&servers).identity(&fresh);
    let (mut admitted, _) = handshake.connect(gateway.profiles()).await.unwrap();
    assert_eq!(admitted.ask(&ask).await.status, 200);
}

#[tokio::test]
async fn clients_are_verified_by_the_new_authorities_also_those_that_resume_a_session() {
    let (upstream, servers) = (Upstream::start().await, Authority::new("servers"));
    let (old, new) = (Authority::new("old clients"), Authority::new("new clients"));
    let builder = with_identity(gateway(&upstream).customer(), "/listeners/0", &servers.identity("127.0.0.1"));
    let auth = json!({ "ca": "clients.pem", "mode": "require" });
    let builder = builder.file("clients.pem", old.pem()).set("/listeners/0/tls/client_auth", auth);
    let gateway = builder.start().await;
    let [member, fresh] = [&old, &new].map(|authority| authority.identity("somebody.test"));
    let ask = get(plain(APP)).token(tokens::good());
    let client = Arc::new(Handshake::trusting(&servers).identity(&member).config());
    let (mut first, _) = Handshake::connect_as(Arc::clone(&client), gateway.address()).await.unwrap();
    assert_eq!(first.ask(&ask).await.status, 200);
    let (mut second, _) = Handshake::connect_as(Arc::clone(&client), gateway.address()).await.unwrap();
    assert_eq!(second.ask(&ask).await.status, 200, "resumed, by the same authorities");

    write(&gateway, "clients.pem", new.pem());
    is_counted(&gateway, "ok", 1).await;
    is_not_served(&client, gateway.address(), &ask).await;
    assert!(Handshake::trusting(&servers).identity(&member).connect(gateway.address()).await.is_err());
    let (mut admitted, _) =
        Handshake::trusting(&servers).identity(&fresh).connect(gateway.address()).await.expect("the new authority's");
    assert_eq!(admitted.ask(&ask).await.status, 200);
    assert_eq!(first.ask(&ask).await.status, 200, "a connection from before");
}

#[tokio::test]
async fn the_app_profiles_api_shows_its_new_certificate() {
    let (upstream, old, new) = (Upstream::start().await, Authority::new("old"), Authority::new("new"));
    let builder = with_identity(gateway(&upstream).customer().profiles(), "/profiles", &old.identity("127.0.0.1"));
    let gateway = builder.start().await;
    assert!(shows(&old, gateway.profiles()).await);
    let next = new.identity("127.0.0.1");
    write(&gateway, "server.key", &next.key);
    write(&gateway, "server.pem", &next.cert);
    poll::within(NOTICED, "the new certificate", async || shows(&new, gateway.profiles()).await.then_some(())).await;
    let metrics = gateway.metrics().await;
    assert!(metrics.has("rtms_certificate_expiry_timestamp_seconds", &[("certificate", "profiles")]));
}

#[tokio::test]
async fn check_warns_of_a_certificate_that_expires_soon_or_has() {
    let (upstream, authority) = (Upstream::start().await, Authority::new("a test authority"));
    let day = Duration::from_hours(24);
    let now = SystemTime::now();
    for (end, said) in [(now + 3 * day, "expires at"), (now - day, "expired at"), (now + 30 * day, "")] {
        let identity = authority.expiring("127.0.0.1", end);
        let (status, printed) = with_identity(gateway(&upstream), "/listeners/0", &identity).check();
        assert_eq!(status.code(), Some(0), "{printed}");
        let warned = printed.contains("listeners[0].tls.cert: the certificate expire");
        assert_eq!(warned && printed.contains(said), !said.is_empty(), "{printed}");
    }
}
