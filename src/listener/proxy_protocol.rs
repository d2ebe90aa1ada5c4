//! The PROXY header at the beginning of a connection: who is believed, how long is waited, and what follows from it.
//!
//! Whoever may send one chooses the client's address, so it is believed from `server.trusted_proxies` alone. From then on
//! the connection's peer is the client it names, everywhere: nothing else has to know.

use std::net::SocketAddr;

use pingora::protocols::{GetSocketDigest, SocketDigest, UniqueID};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::timeout;
use tracing::debug;

use super::endpoints::{Endpoint, Endpoints};
use crate::request::proxy_header::{self, Client, Malformed, Reading};
use crate::telemetry::Refusal;

/// The connection must be closed. Whatever there was to count is counted.
#[derive(Debug)]
pub struct Closed;

/// Why no header was read.
#[derive(Debug, PartialEq, Eq)]
enum Unread {
    /// The balancer left without a word, as health checks do.
    Left,
    /// It is no sound header, or not all of one.
    Unsound,
}

impl From<Malformed> for Unread {
    fn from(_: Malformed) -> Self {
        Self::Unsound
    }
}

impl Endpoints {
    /// Reads the header off a connection that must begin with one, and makes the client it names the connection's peer.
    /// Takes no byte of what follows.
    ///
    /// # Errors
    /// The other end isn't trusted, or its header isn't sound, or not there within `limits.head_read_timeout`.
    pub async fn name_client<S>(&self, endpoint: &Endpoint, stream: &mut S) -> Result<(), Closed>
    where
        S: AsyncRead + GetSocketDigest + UniqueID + Send + Unpin + ?Sized,
    {
        let digest = stream.get_socket_digest();
        let peer = digest.as_ref().and_then(|digest| digest.peer_addr()?.as_inet().copied());
        let refuse = |refusal: Refusal| {
            debug!(peer = ?peer, reason = refusal.as_str(), "a connection was refused");
            endpoint.series.refused(refusal);
            Err(Closed)
        };
        if !peer.is_some_and(|peer| self.trusts(peer.ip())) {
            return refuse(Refusal::UntrustedProxy);
        }
        let client = match timeout(self.times().head, read(stream)).await {
            Ok(Ok(client)) => client,
            Ok(Err(Unread::Left)) => return Err(Closed),
            Ok(Err(Unread::Unsound)) | Err(_) => return refuse(Refusal::ProxyHeader),
        };
        if let Client::At(client) = client {
            stream.set_socket_digest(named(client, stream.id(), digest.as_deref()));
        }
        Ok(())
    }
}

/// Reads a header, and not a byte more.
async fn read<S: AsyncRead + Unpin + ?Sized>(stream: &mut S) -> Result<Client, Unread> {
    let mut bytes = [0; proxy_header::MOST];
    let mut had = 0;
    loop {
        match proxy_header::read(bytes.get(..had).unwrap_or_default())? {
            Reading::Needs(more) => {
                let room = bytes.get_mut(had..had + more.get()).ok_or(Unread::Unsound)?;
                match stream.read(room).await {
                    Ok(0) | Err(_) if had == 0 => return Err(Unread::Left),
                    Ok(0) | Err(_) => return Err(Unread::Unsound),
                    Ok(read) => had += read,
                }
            }
            Reading::Whole { client, mut skip } => {
                while skip > 0 {
                    let room = bytes.get_mut(..skip.min(proxy_header::MOST)).unwrap_or_default();
                    match stream.read(room).await {
                        Ok(0) | Err(_) => return Err(Unread::Unsound),
                        Ok(read) => skip -= read,
                    }
                }
                return Ok(client);
            }
        }
    }
}

/// What is known about a connection's socket, but with the client as its other end.
fn named(client: SocketAddr, fd: i32, before: Option<&SocketDigest>) -> SocketDigest {
    let digest = SocketDigest::from_raw_fd(fd);
    let client = SocketAddr::new(client.ip().to_canonical(), client.port());
    // Both are empty: nobody has asked yet.
    let _ = digest.peer_addr.set(Some(client.into()));
    if let Some(local) = before.and_then(SocketDigest::local_addr) {
        let _ = digest.local_addr.set(Some(local.clone()));
    }
    digest
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// What is read off a connection on which these pieces come one after the other, and what is left of it.
    async fn from(pieces: &[&[u8]]) -> (Result<Client, Unread>, Vec<u8>) {
        let (mut ours, mut theirs) = tokio::io::duplex(8192);
        let pieces = pieces.iter().map(|piece| piece.to_vec()).collect::<Vec<_>>();
        let sender = tokio::spawn(async move {
            for piece in pieces {
                let _ = theirs.write_all(&piece).await;
                // Virtual time, as the clock is paused.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let client = read(&mut ours).await;
        let mut rest = Vec::new();
        ours.read_to_end(&mut rest).await.unwrap();
        sender.await.unwrap();
        (client, rest)
    }

    #[tokio::test(start_paused = true)]
    async fn not_a_byte_of_what_follows_is_taken_however_it_comes() {
        let at = Client::At("192.0.2.7:4660".parse().unwrap());
        let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x01\x2c\xc0\0\x02\x07\x7f\0\0\x01\x12\x34\0\x50".to_vec();
        v2.resize(16 + 300, 0xea);
        for header in [b"PROXY TCP4 192.0.2.7 127.0.0.1 4660 80\r\n".to_vec(), v2] {
            let all = [&header[..], b"GET / HTTP/1.1"].concat();
            for cut in 0..all.len() {
                let (client, rest) = from(&[&all[..cut], &all[cut..]]).await;
                assert_eq!((client, rest.as_slice()), (Ok(at), &b"GET / HTTP/1.1"[..]), "cut at {cut}");
            }
            let bytes: Vec<&[u8]> = all.chunks(1).collect();
            assert_eq!(from(&bytes).await.0, Ok(at));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_without_a_word_is_told_from_who_breaks_off() {
        assert_eq!(from(&[]).await.0, Err(Unread::Left));
        assert_eq!(from(&[b"PROXY TC"]).await.0, Err(Unread::Unsound));
        assert_eq!(from(&[b"\r\n\r\n\0\r\nQUIT\n\x20\0\x01\0\0\0"]).await.0, Err(Unread::Unsound));
    }

    #[test]
    fn an_ipv4_client_in_ipv6_form_is_the_ipv4_client() {
        let digest = named("[::ffff:192.0.2.7]:80".parse().unwrap(), -1, None);
        assert_eq!(digest.peer_addr().unwrap().as_inet(), Some(&"192.0.2.7:80".parse().unwrap()));
    }
}
