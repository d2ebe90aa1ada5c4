//! Upstreams that speak HTTP/2: trailers pass, so that gRPC does, and health checks speak it too.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::server::WebPkiClientVerifier;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::support::gateway::{Builder, Gateway, to_peers};
use crate::support::h2::H2;
use crate::support::tls::{Authority, Handshake};
use crate::support::{APP, plain, poll, tokens};

/// A message and the trailers after it, as a gRPC server answers.
struct Message(Vec<Frame<Bytes>>);

impl Body for Message {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop().map(Ok))
    }
}

type Heads = Arc<Mutex<Vec<http::request::Parts>>>;

/// A server that speaks nothing but HTTP/2; stops when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    heads: Heads,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, heads) = (listener.local_addr().unwrap(), Heads::default());
        let seen = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, seen) = (tls.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, seen).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, heads, task }
    }

    /// The heads of requests for this path.
    pub(crate) fn seen(&self, path: &str) -> Vec<http::request::Parts> {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.iter().filter(|head| head.uri.path() == path).cloned().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static, seen: Heads) {
    let service = service_fn(move |request: Request<Incoming>| {
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(request.into_parts().0);
        let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), "0".parse().unwrap())]);
        let frames = vec![Frame::trailers(trailers), Frame::data(Bytes::from_static(b"\0\0\0\0\x02hi"))];
        let answer = Response::builder().header("content-type", "application/grpc").body(Message(frames));
        std::future::ready(answer)
    });
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

/// A gateway that speaks HTTP/2 on both sides, and checks its peer.
pub(crate) async fn both_sides(
    authority: &Authority,
    server: &Server,
    set: impl FnOnce(Builder) -> Builder,
) -> Gateway {
    let identity = authority.identity("127.0.0.1");
    let checks = json!({ "path": "/up?x=1", "interval": "50ms", "unhealthy_after": 1 });
    let builder = to_peers(&[server.address])
        .customer()
        .file("server.pem", identity.cert)
        .file("server.key", identity.key)
        .file("ca.pem", authority.pem())
        .set("/listeners/0/tls", json!({ "cert": "server.pem", "key": "server.key", "http2": true }))
        .set("/upstreams/rtms/protocol", json!("http2"))
        .set("/upstreams/rtms/health_check", checks);
    set(builder).start().await
}

/// A call passes with its trailers, and the checks find the peer well.
async fn assert_serves(authority: &Authority, server: &Server, gateway: &Gateway, check: (&str, String)) {
    let (client, _) = Handshake::trusting(authority).protocols(&["h2"]).connect(gateway.address()).await.unwrap();
    let mut h2 = H2::start(client).await;
    let bearer = format!("Bearer {}", tokens::good());
    let headers = [("authorization", &*bearer), ("content-type", "application/grpc"), ("te", "trailers")];
    for n in 1..=3 {
        let answer = h2.ask("POST", &plain(APP), &headers, b"\0\0\0\0\x02yo").await;
        assert_eq!((answer.status, &*answer.body), (200, &b"\0\0\0\0\x02hi"[..]), "{answer:?}");
        assert_eq!(answer.field("grpc-status"), Some("0"), "{answer:?}");
        assert_eq!(server.seen(&plain(APP)).len(), n);
    }
    assert_eq!(server.seen(&plain(APP))[0].headers.get("te").unwrap(), "trailers");
    poll::until_true("some checks", async || server.seen("/up").len() >= 3).await;
    let head = server.seen("/up").remove(0);
    assert_eq!((head.version, head.uri.query()), (Version::HTTP_2, Some("x=1")));
    let (scheme, authority) = check;
    assert_eq!(head.uri.scheme_str(), Some(scheme));
    assert_eq!(head.uri.authority().map(ToString::to_string), Some(authority));
    assert_eq!(gateway.metrics().await.count("rtms_upstream_peer_healthy", &[]), 1);
    assert!(!gateway.printed().contains("unhealthy"), "{}", gateway.printed());
}

#[tokio::test]
async fn grpc_passes_with_its_trailers_without_tls_to_the_upstream() {
    let authority = Authority::new("a test authority");
    let server = Server::start(None).await;
    let gateway = both_sides(&authority, &server, |builder| builder).await;
    assert_serves(&authority, &server, &gateway, ("http", server.address.to_string())).await;
}

#[tokio::test]
async fn grpc_passes_with_its_trailers_over_tls() {
    let authority = Authority::new("a test authority");
    let server = Server::start(Some(acceptor(&authority, None))).await;
    let tls = json!({ "sni": "upstream.test", "ca": "ca.pem" });
    let gateway = both_sides(&authority, &server, |builder| builder.set("/upstreams/rtms/tls", tls)).await;
    assert_serves(&authority, &server, &gateway, ("https", "upstream.test".to_owned())).await;
}

#[tokio::test]
async fn an_upstream_may_ask_for_the_gateways_certificate() {
    let (authority, gateways) = (Authority::new("a test authority"), Authority::new("gateways"));
    let server = Server::start(Some(acceptor(&authority, Some(&gateways)))).await;
    let ours = gateways.identity("gateway.test");
    let tls = json!({ "sni": "upstream.test", "ca": "ca.pem", "cert": "ours.pem", "key": "ours.key" });
    let shown = |builder: Builder| {
        builder.file("ours.pem", ours.cert).file("ours.key", ours.key).set("/upstreams/rtms/tls", tls)
    };
    let gateway = both_sides(&authority, &server, shown).await;
    assert_serves(&authority, &server, &gateway, ("https", "upstream.test".to_owned())).await;

    // Without it there is no connection, and the checks say so.
    let tls = json!({ "sni": "upstream.test", "ca": "ca.pem" });
    let gateway = both_sides(&authority, &server, |builder| builder.set("/upstreams/rtms/tls", tls)).await;
    poll::until_true("the peer is out", async || gateway.metrics().await.count("rtms_upstream_peer_healthy", &[]) == 0)
        .await;
}

/// TLS of the upstream; `clients` must have signed what the gateway shows.
fn acceptor(authority: &Authority, clients: Option<&Authority>) -> TlsAcceptor {
    use rustls_pki_types::pem::PemObject as _;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    let identity = authority.identity("upstream.test");
    let chain = CertificateDer::pem_slice_iter(identity.cert.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(clients) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(clients.pem().as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            config.with_client_cert_verifier(verifier)
        }
    };
    let mut config = config.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}
