//! HTTP/1.1 by hand, for both ends: reading a head and a body off a byte stream, nothing made sound on the way.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// A byte stream with what was read ahead of it.
pub struct Reader<R> {
    io: R,
    ahead: Vec<u8>,
}

/// A message's head: the start line's bytes, and the headers in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The bytes, the empty line at the end included.
    pub bytes: Vec<u8>,
    /// The start line.
    pub start: String,
    /// Names and values, in the order and spelling in which they came.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// Splits the bytes of a head.
    pub fn parse(bytes: Vec<u8>) -> Self {
        let text: String = bytes.iter().copied().map(char::from).collect();
        let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
        let start = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .map(|line| line.split_once(':').unwrap_or((line, "")))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Self { bytes, start, headers }
    }

    /// Every value of a header, whatever the case of its name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    /// The only value of a header; fails the test if there are several.
    pub fn get(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} occurs {} times: {:?}", all.len(), self.headers);
        all.first().copied()
    }

    /// Whether a header's list names this word.
    pub fn lists(&self, name: &str, word: &str) -> bool {
        self.all(name).iter().flat_map(|v| v.split(',')).any(|w| w.trim().eq_ignore_ascii_case(word))
    }

    /// The start line's `n`th word.
    pub fn word(&self, n: usize) -> &str {
        self.start.split(' ').nth(n).unwrap_or_default()
    }
}

/// A body, as it was and as it was meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The content.
    pub content: Vec<u8>,
    /// Trailers, as bytes.
    pub trailers: Vec<u8>,
    /// How many chunks it came in, if it came in chunks.
    pub chunks: usize,
}

fn garbled(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Reads from `io`.
    pub fn new(io: R) -> Self {
        Self { io, ahead: Vec::new() }
    }

    /// Reads more; false at the end of the stream.
    pub async fn more(&mut self) -> io::Result<bool> {
        let before = self.ahead.len();
        self.ahead.reserve(64 * 1024);
        self.io.read_buf(&mut self.ahead).await?;
        Ok(self.ahead.len() > before)
    }

    /// What was read and not yet taken.
    pub fn take_ahead(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ahead)
    }

    /// The stream.
    pub fn io(&mut self) -> &mut R {
        &mut self.io
    }

    /// The next head; `None` where the stream ended before its first byte.
    pub async fn head(&mut self) -> io::Result<Option<Head>> {
        match self.through(b"\r\n\r\n").await {
            Ok(bytes) => Ok(Some(Head::parse(bytes))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && self.ahead.is_empty() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A body of which the head says how long it is. `until_close`: without a length, the rest of the stream.
    pub async fn body(&mut self, head: &Head, until_close: bool) -> io::Result<Body> {
        if head.lists("transfer-encoding", "chunked") {
            return self.chunked().await;
        }
        let content = match head.get("content-length") {
            Some(length) => {
                let length = length.parse().map_err(|_| garbled("a Content-Length that is no number"))?;
                self.exactly(length).await?
            }
            None if until_close => {
                while self.more().await? {}
                self.take_ahead()
            }
            None => Vec::new(),
        };
        Ok(Body { content, ..Body::default() })
    }

    async fn chunked(&mut self) -> io::Result<Body> {
        let mut body = Body::default();
        loop {
            let line = self.through(b"\r\n").await?;
            let text = String::from_utf8_lossy(&line);
            let digits = text.trim_end().split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(digits, 16).map_err(|_| garbled("a chunk size that is no number"))?;
            if size == 0 {
                break;
            }
            body.content.extend(self.exactly(size).await?);
            body.chunks += 1;
            if self.exactly(2).await? != b"\r\n" {
                return Err(garbled("no line end after a chunk"));
            }
        }
        loop {
            let line = self.through(b"\r\n").await?;
            if line == b"\r\n" {
                return Ok(body);
            }
            body.trailers.extend(line);
        }
    }

    /// Takes bytes up to and with `end`.
    async fn through(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        let mut from = 0;
        loop {
            if let Some(at) = find(self.ahead.get(from..).unwrap_or_default(), end) {
                let rest = self.ahead.split_off(from + at + end.len());
                return Ok(std::mem::replace(&mut self.ahead, rest));
            }
            from = self.ahead.len().saturating_sub(end.len());
            if !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Takes exactly so many bytes.
    pub async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < length {
            if !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let rest = self.ahead.split_off(length);
        Ok(std::mem::replace(&mut self.ahead, rest))
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
