//! The new process: asks for the sockets of the running one.

use std::fs;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::time::timeout;
use tracing::{info, warn};

use super::wire;
use crate::error::StartError;

/// How long the running process is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long it may take to say what it has to, once it is there.
const TALK: Duration = Duration::from_secs(5);

/// What a new process gets from the one that runs.
pub struct Inheritance {
    sockets: Vec<(SocketAddr, TcpListener)>,
    /// Who is to be told when the new process serves.
    pub predecessor: Predecessor,
}

impl Inheritance {
    /// The socket of a configured address; at most once each.
    pub fn take(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let at = self.sockets.iter().position(|(theirs, _)| *theirs == address)?;
        Some(self.sockets.swap_remove(at).1)
    }
}

/// The process whose sockets we have.
pub struct Predecessor {
    stream: net::UnixStream,
    /// Its process id, where the system tells.
    pub pid: Option<i32>,
}

impl Predecessor {
    /// Tells it that we serve: it stops to accept.
    ///
    /// # Errors
    /// It is gone.
    pub fn tell(mut self) -> io::Result<()> {
        self.stream.write_all(wire::READY)
    }
}

/// Waits at `path` for the running process and receives its sockets. Nothing is left at `path` afterwards.
///
/// # Errors
/// The socket can't be made, or nobody came.
pub async fn receive(path: &Path) -> Result<Inheritance, StartError> {
    let file_error = |error: io::Error| StartError::file(path, &format!("server.upgrade_socket: {error}"));
    let (listener, file) = listen(path).map_err(file_error)?;
    info!(socket = %path.display(), "waiting for the running process to hand over: send it SIGQUIT");
    let came = timeout(PATIENCE, first_good(&listener)).await;
    drop((listener, file));
    came.map_err(|_| {
        let (path, seconds) = (path.display(), PATIENCE.as_secs());
        StartError::Process(format!(
            "nobody handed over at {path} in {seconds} s: send SIGQUIT to the running process, whose \
             server.upgrade_socket must be the same, or start without --upgrade"
        ))
    })
}

async fn first_good(listener: &UnixListener) -> Inheritance {
    loop {
        match accept(listener).await {
            Ok(inheritance) => return inheritance,
            Err(error) => warn!(%error, "somebody came to hand over, and was turned away"),
        }
    }
}

async fn accept(listener: &UnixListener) -> io::Result<Inheritance> {
    let stream = match listener.accept().await {
        Ok((stream, _)) => stream,
        Err(error) => {
            // For want of descriptors or memory.
            tokio::time::sleep(Duration::from_millis(100)).await;
            return Err(error);
        }
    };
    wire::trusted(&stream)?;
    let sockets = timeout(TALK, wire::receive(&stream)).await??;
    let count = sockets.len();
    let sockets: Vec<_> = sockets.into_iter().filter_map(|(address, socket)| checked(address, socket)).collect();
    let predecessor = Predecessor::new(stream)?;
    info!(from = predecessor.pid, sockets = count, "the running process handed over; it serves until we do");
    Ok(Inheritance { sockets, predecessor })
}

/// A socket that listens where it was said to.
fn checked(address: SocketAddr, socket: OwnedFd) -> Option<(SocketAddr, TcpListener)> {
    let listener = TcpListener::from(socket);
    let listens = SockRef::from(&listener).is_listener().unwrap_or(false);
    if listens && listener.local_addr().is_ok_and(|local| wire::fits(address, local)) {
        return Some((address, listener));
    }
    warn!(%address, "what was handed over for this address doesn't listen there: not used");
    None
}

impl Predecessor {
    fn new(stream: UnixStream) -> io::Result<Self> {
        let pid = stream.peer_cred()?.pid();
        let stream = stream.into_std()?;
        // The few bytes we say fit into any buffer: this never waits.
        stream.set_nonblocking(false)?;
        Ok(Self { stream, pid })
    }
}

/// The file of a socket; gone when this is dropped, unless somebody else's stands in its place.
struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|there| (there.dev(), there.ino()) == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens at a path, where a socket that was left there gives way. Only our own user may connect.
fn listen(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => fs::remove_file(path)?,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "another kind of file is there")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    let there = fs::symlink_metadata(path)?;
    let file = SocketFile { path: path.to_owned(), id: (there.dev(), there.ino()) };
    // Before it listens: until then nobody can connect.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok((socket.listen(16)?, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_ours_alone_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("upgrade.sock");
        // One that a process left that was killed.
        drop(net::UnixListener::bind(&path).unwrap());
        let (listener, file) = listen(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop((listener, file));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn another_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("precious");
        fs::write(&path, "data").unwrap();
        assert!(listen(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "data");
    }

    #[tokio::test]
    async fn a_socket_that_took_our_place_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("upgrade.sock");
        let first = listen(&path).unwrap();
        let second = listen(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("upgrade.sock");
        let error = receive(&path).await.err().unwrap().to_string();
        assert!(error.contains("nobody handed over") && error.contains("SIGQUIT"), "{error}");
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_doesnt_listen_where_it_should_isnt_used() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let elsewhere = SocketAddr::from(([127, 0, 0, 1], address.port() ^ 1));
        assert!(checked(elsewhere, listener.try_clone().unwrap().into()).is_none());
        let connected = std::net::TcpStream::connect(address).unwrap();
        assert!(checked(connected.local_addr().unwrap(), connected.into()).is_none());
        let (_, other) = net::UnixStream::pair().unwrap();
        assert!(checked(address, other.into()).is_none());
        assert!(checked(address, listener.into()).is_some());
    }
}
