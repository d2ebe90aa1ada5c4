//! Clients that mean harm: what they get to do before the gateway ends it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::gateway::{Builder, Gateway};
use super::h2::H2;
use super::tls::{Authority, Handshake};
use super::{APP, plain, poll};

/// Opens connections that stay silent.
pub async fn idle(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let connects = stream::iter(0..count).map(|_| TcpStream::connect(address));
    let open = poll::bounded("idle connections", connects.buffer_unordered(64).collect::<Vec<_>>()).await;
    open.into_iter().map(|stream| stream.expect("a connection")).collect()
}

/// Connections that send a head, a byte now and then, until the gateway ends them: how long each lasted.
pub async fn trickle(address: SocketAddr, count: usize, pause: Duration) -> Vec<Duration> {
    let mut clients = JoinSet::new();
    for stream in idle(address, count).await {
        clients.spawn(trickled(stream, pause));
    }
    clients.join_all().await
}

async fn trickled(mut stream: TcpStream, pause: Duration) -> Duration {
    let began = Instant::now();
    let mut pace = tokio::time::interval(pause);
    let mut answer = [0; 512];
    let _ = stream.write_all(b"GET /public/x HTTP/1.1\r\nHost: h\r\nX-Slow: ").await;
    loop {
        tokio::select! {
            _ = pace.tick() => {
                if stream.write_all(b"x").await.is_err() {
                    return began.elapsed();
                }
            }
            read = stream.read(&mut answer) => {
                if !read.is_ok_and(|n| n > 0) {
                    return began.elapsed();
                }
            }
        }
        assert!(began.elapsed() < poll::DEADLINE, "a connection that trickles stays open");
    }
}

/// What a head without an end got to.
#[derive(Debug)]
pub struct Endless {
    /// Bytes that were sent before the connection ended.
    pub sent: usize,
    /// What was answered, if anything was.
    pub answer: String,
}

/// Sends header lines for as long as they are taken, this many bytes at most.
pub async fn endless_head(address: SocketAddr, most: usize) -> Endless {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let line = format!("X-Filler: {}\r\n", "y".repeat(1010)).into_bytes();
    let mut sent = 0;
    let _ = stream.write_all(b"GET /public/x HTTP/1.1\r\nHost: h\r\n").await;
    while sent < most && stream.write_all(&line).await.is_ok() {
        sent += line.len();
    }
    let mut answer = Vec::new();
    let _ = poll::bounded("the end of the connection", stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned();
    Endless { sent, answer }
}

/// Opens streams and resets each at once: see [`H2::reset_flood`].
pub async fn reset_streams(client: H2, most: u32) -> (u32, Option<u32>) {
    let path = plain(APP);
    let fields: [(&[u8], &[u8]); 4] =
        [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"h"), (b":path", path.as_bytes())];
    client.reset_flood(&fields, most).await
}

/// A gateway whose second listener speaks HTTP/2, and whom to trust there.
pub fn over_http2(builder: Builder) -> (Builder, Authority) {
    let authority = Authority::new("tests");
    let server = authority.identity("127.0.0.1");
    let listener = json!({ "tls": { "cert": "server.pem", "key": "server.key" } });
    let builder = builder.listener(listener).file("server.pem", server.cert).file("server.key", server.key);
    (builder, authority)
}

/// A connection to that listener.
pub async fn connect(gateway: &Gateway, authority: &Authority) -> H2 {
    let handshake = Handshake::trusting(authority).protocols(&["h2"]);
    let (client, _) = handshake.connect(gateway.second_address()).await.expect("a handshake");
    H2::start(client).await
}
