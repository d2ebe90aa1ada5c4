//! What the two processes of an upgrade say to each other, over a Unix stream.
//!
//! The old one speaks first, in records of [`RECORD`] bytes, text filled up with zeros: a greeting with the number of
//! sockets, then for each socket its configured address, with its descriptor beside it (`SCM_RIGHTS`, unix(7)). The new
//! one answers once, [`READY`]; the end of the connection before that means that it gave up.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use tokio::io::{AsyncReadExt as _, Interest};
use tokio::net::UnixStream;

use crate::server::sockets::Socket;

/// What the new process says when it serves.
pub const READY: &[u8] = b"ready\n";
/// A greeting, or an address: the longest is an IPv6 address with a scope and a port.
const RECORD: usize = 96;
/// The protocol and its version. Processes that don't speak the same don't hand over.
const GREETING: &str = "rtms-gateway handover 1 ";
/// More than anybody listens on.
const MOST: usize = 1024;

/// Sends all sockets.
///
/// # Errors
/// The other end is gone.
pub async fn send(stream: &UnixStream, sockets: &[Socket]) -> io::Result<()> {
    send_record(stream, &format!("{GREETING}{}", sockets.len()), None).await?;
    for (address, socket) in sockets {
        send_record(stream, &address.to_string(), Some(socket.as_fd())).await?;
    }
    Ok(())
}

/// Receives what [`send`] sends.
///
/// # Errors
/// The other end is gone, or speaks otherwise.
pub async fn receive(stream: &UnixStream) -> io::Result<Vec<Socket>> {
    let (greeting, _) = receive_record(stream).await?;
    let count = greeting.strip_prefix(GREETING).and_then(|count| count.parse::<usize>().ok());
    let count = count.filter(|count| *count <= MOST).ok_or_else(|| strange("its greeting isn't this version's"))?;
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        let (address, socket) = receive_record(stream).await?;
        let address = address.parse().map_err(|_| strange("what should be an address is none"))?;
        sockets.push((address, socket.ok_or_else(|| strange("an address came without its socket"))?));
    }
    Ok(sockets)
}

/// Waits for [`READY`]; false: the new process ended, or said something else.
pub async fn is_ready(stream: &mut UnixStream) -> bool {
    let mut said = [0; READY.len()];
    stream.read_exact(&mut said).await.is_ok() && said == READY
}

async fn send_record(stream: &UnixStream, text: &str, socket: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut record = [0; RECORD];
    record.get_mut(..text.len()).ok_or_else(|| strange("a record is too long"))?.copy_from_slice(text.as_bytes());
    let sockets: Vec<BorrowedFd<'_>> = socket.into_iter().collect();
    let send = || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !sockets.is_empty() {
            beside.push(SendAncillaryMessage::ScmRights(&sockets));
        }
        // So little is taken whole, or not at all. No signal if the other end is gone: an error.
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        Ok(sendmsg(stream, &[IoSlice::new(&record)], &mut beside, flags)?)
    };
    match stream.async_io(Interest::WRITABLE, send).await? {
        RECORD => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

async fn receive_record(stream: &UnixStream) -> io::Result<(String, Option<OwnedFd>)> {
    let (mut record, mut filled, mut socket) = ([0; RECORD], 0, None);
    while filled < RECORD {
        let rest = record.get_mut(filled..).unwrap_or_default();
        let receive = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut beside = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
            let got = recvmsg(stream, &mut [IoSliceMut::new(rest)], &mut beside, flags)?;
            let rights = beside.drain().filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
                _ => None,
            });
            Ok((got.bytes, rights.flatten().next()))
        };
        let (bytes, came) = stream.async_io(Interest::READABLE, receive).await?;
        if bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += bytes;
        socket = came.or(socket);
    }
    let text = record.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = std::str::from_utf8(text).map_err(|_| strange("a record is no text"))?;
    Ok((text.to_owned(), socket))
}

fn strange(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// Whether the process at the other end may be dealt with: it runs as the same user, or as root.
///
/// # Errors
/// Why not.
pub fn trusted(stream: &UnixStream) -> io::Result<()> {
    let (ours, _) = UnixStream::pair()?;
    let (us, them) = (ours.peer_cred()?.uid(), stream.peer_cred()?.uid());
    if may(us, them) {
        return Ok(());
    }
    let problem = format!("the process at the other end runs as user {them}, not as {us} or root");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, problem))
}

const fn may(us: u32, them: u32) -> bool {
    them == us || them == 0
}

/// The address of a socket that came as `address`; `None`: it isn't what it was said to be.
pub fn fits(address: SocketAddr, local: SocketAddr) -> bool {
    address.ip() == local.ip() && (address.port() == local.port() || address.port() == 0)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    fn sockets(count: usize) -> Vec<Socket> {
        let listen = |_| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            (listener.local_addr().unwrap(), listener.into())
        };
        (0..count).map(listen).collect()
    }

    #[tokio::test]
    async fn sockets_arrive_with_their_addresses() {
        let (old, new) = UnixStream::pair().unwrap();
        // More than one message may carry (`SCM_MAX_FD` is 253), and more than a socket's buffer holds at once.
        let sent = sockets(300);
        let (done, received) = tokio::join!(send(&old, &sent), receive(&new));
        done.unwrap();
        let received = received.unwrap();
        assert_eq!(received.len(), 300);
        for ((address, _), (claimed, socket)) in sent.iter().zip(received) {
            assert_eq!((*address, *address), (claimed, TcpListener::from(socket).local_addr().unwrap()));
        }
    }

    #[tokio::test]
    async fn what_speaks_otherwise_is_refused() {
        let padded = |text: &str| [text.as_bytes(), &[0; RECORD]].concat()[..RECORD].to_vec();
        for bytes in [
            padded("rtms-gateway handover 2 1"),
            padded("rtms-gateway handover 1 1025"),
            padded("rtms-gateway handover 1 -1"),
            [padded("rtms-gateway handover 1 1"), padded("127.0.0.1:80")].concat(),
            [padded("rtms-gateway handover 1 1"), padded("anywhere")].concat(),
            padded("rtms-gateway handover 1 1"),
            vec![0xff; RECORD],
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            Vec::new(),
        ] {
            let (mut old, new) = UnixStream::pair().unwrap();
            old.write_all(&bytes).await.unwrap();
            drop(old);
            assert!(receive(&new).await.is_err(), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[tokio::test]
    async fn only_ready_is_ready() {
        for (said, ready) in [(READY, true), (b"read".as_slice(), false), (b"nobody".as_slice(), false)] {
            let (mut old, mut new) = UnixStream::pair().unwrap();
            new.write_all(said).await.unwrap();
            new.shutdown().await.unwrap();
            assert_eq!(is_ready(&mut old).await, ready);
        }
    }

    #[test]
    fn only_our_own_user_and_root_are_trusted() {
        assert!(may(1000, 1000) && may(1000, 0) && may(0, 0));
        assert!(!may(1000, 1001) && !may(0, 1000));
    }

    #[tokio::test]
    async fn we_trust_ourselves() {
        let (ours, _other) = UnixStream::pair().unwrap();
        trusted(&ours).unwrap();
    }
}
