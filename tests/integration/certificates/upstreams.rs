//! TLS files of upstreams that change.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::Value;
use std::sync::Mutex;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::support::gateway::to_peers;
use crate::support::upstream::SUCCESS;
use crate::support::wire::Reader;

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
