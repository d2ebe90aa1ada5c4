//! A client over one connection: sends bytes as they are, reads one answer after the other.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::poll;
use super::wire::{Body, Head, Reader};

/// What a connection is made of: TCP, or TLS over it.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// One connection.
pub struct Client {
    reader: Reader<Box<dyn Io>>,
    host: String,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The head.
    pub head: Head,
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// Interim answers that came before it.
    pub interim: Vec<u16>,
}

impl Response {
    /// A header's only value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.get(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The `code` in a body of the gateway's or rtmsAPI's form, as text.
    pub fn code(&self) -> Option<String> {
        code(&self.body)
    }

    /// Status and code, as tests compare them.
    pub fn verdict(&self) -> (u16, String) {
        (self.status, self.code().unwrap_or_default())
    }
}

/// The `code` in a body of the gateway's or rtmsAPI's form, as text.
pub fn code(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    match value.get("code")? {
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// What came on a connection that should be at its end.
#[derive(Debug)]
pub enum Last {
    /// One more answer.
    Answer(Response),
    /// The end.
    Closed,
    /// Nothing, but the connection stands.
    Open,
}

/// A header field of HTTP/2: name and value.
pub type Field = (Vec<u8>, Vec<u8>);

/// A request in the making.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<String>,
    body: Vec<u8>,
    length: bool,
}

/// A request without a body.
pub fn get(target: impl Into<String>) -> Request {
    Request { method: "GET".into(), target: target.into(), headers: Vec::new(), body: Vec::new(), length: false }
}

/// A request with a body and a Content-Length.
pub fn post(target: impl Into<String>, body: impl Into<Vec<u8>>) -> Request {
    Request { body: body.into(), length: true, ..get(target) }.method("POST")
}

/// A WebSocket handshake.
pub fn websocket(target: impl Into<String>) -> Request {
    get(target)
        .header("Connection: Upgrade")
        .header("Upgrade: websocket")
        .header("Sec-WebSocket-Version: 13")
        .header("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
}

/// The customer's request: JSON to `setuserid`, with the identities it names.
pub fn set_user(app: &str, user: &str) -> Request {
    let body = format!(r#"{{"clientId":"{app}/{user}/v2_22315c49b793ad39","userId":"{user}"}}"#);
    post(super::setuserid(app), body).header("Content-Type: application/json")
}

impl Request {
    /// Another method.
    pub fn method(mut self, method: &str) -> Self {
        self.method = method.into();
        self
    }

    /// One more header line.
    pub fn header(mut self, line: impl Into<String>) -> Self {
        self.headers.push(line.into());
        self
    }

    /// A bearer token.
    pub fn token(self, token: impl AsRef<str>) -> Self {
        self.header(format!("Authorization: Bearer {}", token.as_ref()))
    }

    /// The same over HTTP/2: its header fields and its body. `None`: some line can't be said there, or isn't one.
    pub fn fields(&self, authority: &str) -> Option<(Vec<Field>, Vec<u8>)> {
        const OF_CONNECTIONS: [&str; 5] =
            ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
        let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let mut fields = vec![
            field(":method", &self.method),
            field(":scheme", "https"),
            field(":authority", authority),
            field(":path", &self.target),
        ];
        if self.length {
            fields.push(field("content-length", &self.body.len().to_string()));
        }
        for line in self.headers.iter().flat_map(|lines| lines.split("\r\n")) {
            let (name, value) = line.split_once(':')?;
            let name = name.to_ascii_lowercase();
            if OF_CONNECTIONS.contains(&name.as_str()) {
                return None;
            }
            fields.push(field(&name, value.trim_matches([' ', '\t'])));
        }
        Some((fields, self.body.clone()))
    }

    /// The bytes. Host comes first, so that a header line may repeat it.
    pub fn bytes(&self, host: &str) -> Vec<u8> {
        let Self { method, target, headers, body, length } = self;
        let mut out = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
        if *length {
            out += "Content-Length: ";
            out += &body.len().to_string();
            out += "\r\n";
        }
        for line in headers {
            out += line;
            out += "\r\n";
        }
        out += "\r\n";
        let mut out = out.into_bytes();
        out.extend(body);
        out
    }
}

/// A body in chunks of the given sizes; the last size repeats.
pub fn chunked(body: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + body.len() / 64);
    let mut rest = body;
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(sizes.last().copied().unwrap_or(4096)));
    while let (Some(size), false) = (sizes.next(), rest.is_empty()) {
        let (chunk, after) = rest.split_at(size.clamp(1, rest.len()));
        out.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend(chunk);
        out.extend(b"\r\n");
        rest = after;
    }
    out.extend(b"0\r\n\r\n");
    out
}

impl Client {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = poll::bounded("a connection", TcpStream::connect(address)).await;
        let stream = stream.unwrap_or_else(|error| panic!("{address}: {error}"));
        stream.set_nodelay(true).expect("a socket of ours");
        Self::over(stream, address)
    }

    /// Connects from an address of the test's choice; `None`: it was reset before it could be used.
    pub async fn connect_from(source: [u8; 4], address: SocketAddr) -> Option<Self> {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from((source, 0))).expect("an address of this machine");
        let stream = poll::bounded("a connection", socket.connect(address)).await.ok()?;
        Some(Self::over(stream, address))
    }

    /// Speaks over a connection that stands.
    pub fn over(stream: impl Io + 'static, address: SocketAddr) -> Self {
        Self { reader: Reader::new(Box::new(stream)), host: address.to_string() }
    }

    /// What it sends as Host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Sends bytes. That the other end is gone already is no failure: its answer may be there to read.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.try_send(bytes).await;
    }

    /// Sends bytes; whether they were taken.
    pub async fn try_send(&mut self, bytes: &[u8]) -> bool {
        let io = self.reader.io();
        let sent = poll::bounded("bytes to be taken", async {
            io.write_all(bytes).await?;
            io.flush().await
        });
        sent.await.is_ok()
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, request: &Request) -> Response {
        self.send(&request.bytes(&self.host.clone())).await;
        let response = self.answer(request.method == "HEAD").await;
        response.unwrap_or_else(|| panic!("no answer to {} {}", request.method, request.target))
    }

    /// The next answer to anything but HEAD; `None`: the connection ended without one.
    pub async fn response(&mut self) -> Option<Response> {
        self.answer(false).await
    }

    /// The next head alone, interim answers included.
    pub async fn head(&mut self) -> Option<Head> {
        poll::bounded("the head of an answer", self.reader.head()).await.ok().flatten()
    }

    /// What comes next on a connection that should be at its end.
    pub async fn last(&mut self) -> Last {
        /// Long enough for a close that is on its way, short enough for a table of rows that wait in vain.
        const PATIENCE: Duration = Duration::from_secs(5);
        match tokio::time::timeout(PATIENCE, self.response()).await {
            Ok(Some(answer)) => Last::Answer(answer),
            Ok(None) => Last::Closed,
            Err(_) => Last::Open,
        }
    }

    async fn answer(&mut self, to_head: bool) -> Option<Response> {
        let mut interim = Vec::new();
        loop {
            let head = self.head().await?;
            let status = head.word(1).parse().unwrap_or_else(|_| panic!("no status: {:?}", head.start));
            if (100..200).contains(&status) && status != 101 {
                interim.push(status);
                continue;
            }
            let body = if to_head || matches!(status, 101 | 204 | 304) {
                Body::default()
            } else {
                poll::bounded("the body of an answer", self.reader.body(&head, true)).await.ok()?
            };
            return Some(Response { head, status, body: body.content, interim });
        }
    }

    /// The next bytes, exactly as many; `None`: the connection ended before.
    pub async fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        poll::bounded("bytes", self.reader.exactly(length)).await.ok()
    }

    /// Whether the other end closes the connection; bytes that still come are dropped.
    pub async fn closed(&mut self) -> bool {
        poll::bounded("the end of a connection", async {
            while self.reader.more().await.is_ok_and(|more| more) {
                self.reader.take_ahead();
            }
            true
        })
        .await
    }

    /// Ends the sending half.
    pub async fn finish(&mut self) {
        let _ = self.reader.io().shutdown().await;
    }
}

/// Whether a server answers a request to this path at all.
pub async fn answers(address: SocketAddr, path: &str) -> bool {
    let Ok(stream) = TcpStream::connect(address).await else { return false };
    let mut client = Client::over(stream, address);
    let bytes = get(path).bytes(client.host());
    client.send(&bytes).await;
    client.response().await.is_some()
}

/// One request over a connection of its own.
pub async fn once(address: SocketAddr, request: &Request) -> Response {
    Client::connect(address).await.ask(request).await
}
