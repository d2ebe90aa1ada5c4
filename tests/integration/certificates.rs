//! Certificates, keys and authorities that change while the gateway runs.

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::support::client::{Client, get};
use crate::support::gateway::{Builder, Gateway, gateway, to_peers};
use crate::support::h2::H2;
use crate::support::tls::{Authority, Handshake, Identity};
use crate::support::upstream::{SUCCESS, Upstream};
use crate::support::wire::Reader;
use crate::support::{APP, plain, poll, tokens};

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
    // Whether its session is resumed or not: it isn't served.
    for _ in 0..4 {
        let connected = Handshake::connect_as(Arc::clone(&client), gateway.address()).await;
        if let Ok((mut resumed, _)) = connected {
            let bytes = ask.bytes(resumed.host());
            resumed.send(&bytes).await;
            assert!(resumed.response().await.is_none());
        }
    }
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

/// A TLS upstream that asks for client certificates and notes whose came on each request; stops when dropped.
struct Guarded {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    task: JoinHandle<()>,
}

impl Guarded {
    async fn start(identity: &Identity, clients: &[&Authority]) -> Self {
        let mut roots = RootCertStore::empty();
        for authority in clients {
            roots.add(der(authority.pem())).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let config = config.with_client_cert_verifier(verifier).with_single_cert(vec![der(&identity.cert)], key);
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::default());
        let task = tokio::spawn(accept(listener, acceptor, Arc::clone(&seen)));
        Self { address, seen, task }
    }

    fn last(&self) -> Option<Vec<u8>> {
        self.seen.lock().unwrap().last().cloned()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, seen: Arc<Mutex<Vec<Vec<u8>>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let client = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
            let mut reader = Reader::new(stream);
            while let Ok(Some(_)) = reader.head().await {
                seen.lock().unwrap().push(client.clone());
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{SUCCESS}", SUCCESS.len());
                if reader.io().write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

async fn towards(upstream: &Guarded, ca: &Authority, client: &Identity) -> Gateway {
    let tls = json!({ "sni": "rtms.test", "ca": "ca.pem", "cert": "client.pem", "key": "client.key" });
    let files = [("ca.pem", ca.pem()), ("client.pem", &client.cert), ("client.key", &client.key)];
    let builder = to_peers(&[upstream.address]).customer().set("/upstreams/rtms/tls", tls);
    files.into_iter().fold(builder, |builder, (name, text)| builder.file(name, text)).start().await
}

#[tokio::test]
async fn an_upstream_sees_the_new_client_certificate_and_nothing_else_of_the_configuration_changes() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let upstream = Guarded::start(&servers.identity("rtms.test"), &[&clients]).await;
    let [first, second, third] = ["one", "two", "three"].map(|name| clients.identity(name));
    let gateway = towards(&upstream, &servers, &first).await;
    let good = (200, "0".to_owned());
    assert_eq!(gateway.verdict(APP, &tokens::good()).await, good);
    assert_eq!(upstream.last(), Some(der(&first.cert).to_vec()));

    let file = gateway.dir().join("gateway.yaml");
    let mut config: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    config["auth"] = json!({ "rejection": "sdk" });
    fs::write(&file, config.to_string()).unwrap();
    write(&gateway, "client.key", &second.key);
    write(&gateway, "client.pem", &second.cert);
    poll::within(NOTICED, "the new certificate", async || {
        assert_eq!(gateway.verdict(APP, &tokens::good()).await, good);
        (upstream.last() == Some(der(&second.cert).to_vec())).then_some(())
    })
    .await;
    assert_eq!(gateway.ask(&get(plain(APP))).await.verdict(), (401, "39".into()), "the edit waits for its reload");
    is_counted(&gateway, "ok", 1).await;
    for _ in 0..8 {
        assert_eq!(gateway.verdict(APP, &tokens::good()).await, good);
        assert_eq!(upstream.last(), Some(der(&second.cert).to_vec()), "no connection of before is used again");
    }

    write(&gateway, "client.pem", &third.cert);
    is_counted(&gateway, "invalid", 1).await;
    assert_eq!(gateway.verdict(APP, &tokens::good()).await, good);
    assert_eq!(upstream.last(), Some(der(&second.cert).to_vec()));
    write(&gateway, "client.key", &third.key);
    gateway.signal(Signal::SIGHUP);
    poll::until_true("the reload", async || gateway.ask(&get(plain(APP))).await.verdict() == (200, "39".into())).await;
    assert_eq!(gateway.verdict(APP, &tokens::good()).await, good);
    assert_eq!(upstream.last(), Some(der(&third.cert).to_vec()), "by the reload itself");
}

#[tokio::test]
async fn an_upstream_is_verified_by_the_new_authorities() {
    let (servers, strangers, clients) =
        (Authority::new("servers"), Authority::new("strangers"), Authority::new("clients"));
    let upstream = Guarded::start(&servers.identity("rtms.test"), &[&clients]).await;
    let gateway = towards(&upstream, &servers, &clients.identity("one")).await;
    let verdict = async || gateway.verdict(APP, &tokens::good()).await.0;
    assert_eq!(verdict().await, 200);
    write(&gateway, "ca.pem", strangers.pem());
    poll::within(NOTICED, "a refused upstream", async || (verdict().await == 502).then_some(())).await;
    write(&gateway, "ca.pem", servers.pem());
    poll::within(NOTICED, "a good upstream", async || (verdict().await == 200).then_some(())).await;
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
