//! An HTTP/2 client by hand: frames as a test wants them, sound or not. One request at a time.

use super::client::Client;
use super::hpack::{self, Fields};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

/// A connection.
pub struct H2 {
    client: Client,
    stream: u32,
}

/// How a stream ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status; 0 where the stream was reset or the connection ended.
    pub status: u16,
    /// All header fields.
    pub fields: Fields,
    /// The body.
    pub body: Vec<u8>,
    /// The error code, where there was one.
    pub error: Option<u32>,
}

impl Answer {
    /// The `code` in the body, as text.
    pub fn code(&self) -> Option<String> {
        super::client::code(&self.body)
    }

    /// A field's value.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl H2 {
    /// Begins to speak HTTP/2 over a connection; asks for no dynamic header table.
    pub async fn start(mut client: Client) -> Self {
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        client.send(&frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0])).await;
        Self { client, stream: 1 }
    }

    /// A request in the usual form.
    pub async fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let pieces = if body.is_empty() { &[][..] } else { &[body][..] };
        self.ask_in_pieces((method, path), headers, pieces).await
    }

    /// A request whose body comes in these DATA frames, of which the last ends the stream; each at most 16 KiB.
    pub async fn ask_in_pieces(
        &mut self,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        pieces: &[&[u8]],
    ) -> Answer {
        let host = self.client.host().to_owned();
        let mut fields = vec![(":method", method), (":scheme", "https"), (":authority", &host), (":path", path)];
        fields.extend(headers);
        let fields: Vec<(&[u8], &[u8])> = fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        self.send(&fields, pieces).await
    }

    /// Any fields, and a body in these DATA frames.
    pub async fn send(&mut self, fields: &[(&[u8], &[u8])], pieces: &[&[u8]]) -> Answer {
        let stream = self.stream;
        self.stream += 2;
        let end = |last: bool| if last { END_STREAM } else { 0 };
        let mut out = header_frames(stream, end(pieces.is_empty()), &hpack::encode(fields));
        for (n, piece) in pieces.iter().enumerate() {
            out.extend(frame(DATA, end(n + 1 == pieces.len()), stream, piece));
        }
        self.client.send(&out).await;
        self.answer(stream).await
    }

    /// Opens streams and resets each at once, this many if it may: how many it got to, and the error the connection
    /// ended with.
    pub async fn reset_flood(mut self, fields: &[(&[u8], &[u8])], streams: u32) -> (u32, Option<u32>) {
        const CANCEL: [u8; 4] = [0, 0, 0, 8];
        let block = hpack::encode(fields);
        let mut opened = 0;
        while opened < streams {
            let mut out = Vec::new();
            for _ in 0..20 {
                out.extend(header_frames(self.stream, END_STREAM, &block));
                out.extend(frame(RST_STREAM, 0, self.stream, &CANCEL));
                self.stream += 2;
                opened += 1;
            }
            if !self.client.try_send(&out).await {
                break;
            }
        }
        (opened, self.ends().await)
    }

    /// Begins a header block and never ends it, for this many bytes if it may: how many it got to, and the error the
    /// connection ended with.
    pub async fn continuation_flood(mut self, bytes: usize) -> (usize, Option<u32>) {
        // A literal field without indexing, whose name and value are one letter each, again and again.
        let chunk: Vec<u8> = [0, 1, b'x', 1, b'y'].repeat(16 * 1024 / 5);
        let mut sent = 0;
        let mut next = frame(HEADERS, END_STREAM, self.stream, &chunk);
        while sent < bytes && self.client.try_send(&next).await {
            sent += next.len();
            next = frame(CONTINUATION, 0, self.stream, &chunk);
        }
        (sent, self.ends().await)
    }

    /// Waits for the end of the connection; the error code of the GOAWAY before it, if there was one.
    pub async fn ends(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(Frame { kind, flags, payload, .. }) = self.frame().await {
            match kind {
                PING if flags & ACK == 0 => self.client.send(&frame(PING, ACK, 0, &payload)).await,
                GOAWAY => code = error_code(&payload),
                _ => {}
            }
        }
        code
    }

    /// Sends a request without a body and doesn't wait; its stream.
    pub async fn begin(&mut self, path: &str, headers: &[(&str, &str)]) -> u32 {
        let host = self.client.host().to_owned();
        let mut fields = vec![(":method", "GET"), (":scheme", "https"), (":authority", &host), (":path", path)];
        fields.extend(headers);
        let fields: Vec<(&[u8], &[u8])> = fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        let stream = self.stream;
        self.stream += 2;
        self.client.send(&header_frames(stream, END_STREAM, &hpack::encode(&fields))).await;
        stream
    }

    /// Gives a stream up: CANCEL.
    pub async fn cancel(&mut self, stream: u32) {
        self.client.send(&frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])).await;
    }

    async fn answer(&mut self, stream: u32) -> Answer {
        let mut answer = Answer::default();
        let mut block = Vec::new();
        while let Some(Frame { kind, flags, stream: of, payload }) = self.frame().await {
            let mine = of == stream;
            match kind {
                SETTINGS if flags & ACK == 0 => self.client.send(&frame(SETTINGS, ACK, 0, &[])).await,
                PING if flags & ACK == 0 => self.client.send(&frame(PING, ACK, 0, &payload)).await,
                HEADERS | CONTINUATION if mine => {
                    block.extend(unpadded(flags, &payload));
                    if flags & END_HEADERS != 0 {
                        answer.take(&std::mem::take(&mut block));
                    }
                }
                DATA if mine => answer.body.extend(unpadded(flags, &payload)),
                RST_STREAM if mine => answer.error = payload.first_chunk().map(|code| u32::from_be_bytes(*code)),
                GOAWAY => answer.error = error_code(&payload),
                _ => {}
            }
            let ended = matches!(kind, DATA | HEADERS) && mine && flags & END_STREAM != 0;
            if ended || answer.error.is_some_and(|code| code != 0) || (kind == RST_STREAM && mine) {
                break;
            }
        }
        answer
    }

    /// The next frame; `None` at the end of the connection.
    async fn frame(&mut self) -> Option<Frame> {
        let head = self.client.take(9).await?;
        let number = |bytes: &[u8]| bytes.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
        let length = usize::try_from(number(&head[..3])).expect("24 bits");
        let payload = self.client.take(length).await?;
        Some(Frame { kind: head[3], flags: head[4], stream: number(&head[5..]) & 0x7fff_ffff, payload })
    }
}

impl Answer {
    fn take(&mut self, block: &[u8]) {
        let fields = hpack::decode(block).unwrap_or_else(|| panic!("a header block that can't be read: {block:x?}"));
        // Interim answers give way to the final one; trailers have no status.
        if let Some((_, status)) = fields.iter().find(|(name, _)| name == ":status") {
            self.status = status.parse().expect("a status");
            self.fields.clear();
        }
        self.fields.extend(fields);
    }
}

/// What a GOAWAY says is the matter.
fn error_code(payload: &[u8]) -> Option<u32> {
    payload.get(4..8).map(|code| u32::from_be_bytes(code.try_into().expect("4 bytes")))
}

fn unpadded(flags: u8, payload: &[u8]) -> &[u8] {
    match payload.split_first() {
        Some((pad, rest)) if flags & PADDED != 0 => rest.get(..rest.len() - usize::from(*pad)).expect("sound padding"),
        _ => payload,
    }
}

/// A header block in as many frames as it takes.
fn header_frames(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    /// As much as a frame may hold where nothing else was agreed on (RFC 9113 section 4.2).
    const FRAME: usize = 16 * 1024;
    let chunks: Vec<&[u8]> = block.chunks(FRAME).collect();
    let mut out = Vec::new();
    for (n, chunk) in chunks.iter().enumerate() {
        let (kind, flags) = if n == 0 { (HEADERS, flags) } else { (CONTINUATION, 0) };
        let last = if n + 1 == chunks.len() { END_HEADERS } else { 0 };
        out.extend(frame(kind, flags | last, stream, chunk));
    }
    out
}

/// A frame's bytes.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    let mut out = vec![length[1], length[2], length[3], kind, flags];
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}
