//! What a plain connection speaks: HTTP/2 if it begins with the preface (RFC 9113 section 3.4), HTTP/1.1 otherwise.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

/// The bytes an HTTP/2 connection begins with.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What was read to find out, until it is read again.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    bytes: [u8; PREFACE.len()],
    from: usize,
    to: usize,
}

impl Ahead {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.from..self.to).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Gives what fits.
    pub(super) fn fill(&mut self, buf: &mut ReadBuf<'_>) {
        let rest = self.rest();
        let given = rest.len().min(buf.remaining());
        buf.put_slice(rest.get(..given).unwrap_or_default());
        self.from += given;
    }
}

/// Reads until the bytes differ from the preface or are all of it: what was read, and whether it is HTTP/2. As far as
/// they differ from its first byte on, nothing is waited for.
///
/// # Errors
/// The connection ended before its first byte, or failed.
pub(super) async fn sniff<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<(Ahead, bool)> {
    let mut ahead = Ahead::default();
    while PREFACE.starts_with(ahead.rest()) {
        let Some(room @ [_, ..]) = ahead.bytes.get_mut(ahead.to..) else { return Ok((ahead, true)) };
        match stream.read(room).await? {
            0 if ahead.to == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            // HTTP/1.1 knows what to make of it.
            0 => break,
            read => ahead.to += read,
        }
    }
    Ok((ahead, false))
}
