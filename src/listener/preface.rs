//! What a plain connection speaks: HTTP/2 if it begins with the preface (RFC 9113 section 3.4), HTTP/1.1 otherwise.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::ahead::Ahead;

/// The bytes an HTTP/2 connection begins with.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads until the bytes differ from the preface or are all of it: what was read, and whether it is HTTP/2. As far as
/// they differ from its first byte on, nothing is waited for.
///
/// # Errors
/// The connection ended before its first byte, or failed.
pub(super) async fn sniff<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<(Ahead, bool)> {
    let mut bytes = [0; PREFACE.len()];
    let mut had = 0;
    let http2 = loop {
        if !PREFACE.starts_with(bytes.get(..had).unwrap_or_default()) {
            break false;
        }
        let Some(room @ [_, ..]) = bytes.get_mut(had..) else { break true };
        match stream.read(room).await? {
            0 if had == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            // HTTP/1.1 knows what to make of it.
            0 => break false,
            read => had += read,
        }
    };
    let mut ahead = Ahead::default();
    ahead.hold(bytes.get(..had).unwrap_or_default());
    Ok((ahead, http2))
}
