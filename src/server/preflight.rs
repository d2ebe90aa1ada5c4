//! Addresses and files that must be had before anything is started, so that a mistake ends the start at once.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use socket2::SockRef;
use tokio::net::TcpSocket;

use crate::error::StartError;

/// An address that is ours, but doesn't listen yet: a connection is refused rather than left waiting.
pub struct Reserved {
    /// The address.
    pub address: SocketAddr,
    socket: TcpSocket,
}

/// Connections the kernel holds until they are accepted; it takes its own bound if that is lower.
const BACKLOG: u32 = 65_535;

impl Reserved {
    /// Begins to listen. Needs a runtime.
    ///
    /// # Errors
    /// Another process listens on the address by now.
    pub fn listen(self) -> Result<TcpListener, StartError> {
        let Self { address, socket } = self;
        socket
            .listen(BACKLOG)
            .and_then(tokio::net::TcpListener::into_std)
            .map_err(|source| StartError::Listen { address, source })
    }
}

/// Takes every address, so that one that can't be had ends the start at once.
///
/// # Errors
/// The first address that can't.
pub fn reserve(addresses: impl IntoIterator<Item = SocketAddr>) -> Result<Vec<Reserved>, StartError> {
    let reserve = |address| match bind(address) {
        Ok(socket) => Ok(Reserved { address, socket }),
        Err(source) => Err(StartError::Listen { address, source }),
    };
    addresses.into_iter().map(reserve).collect()
}

fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() {
        // `[::]` is IPv6 and nothing else, so that `0.0.0.0` can stand beside it, whatever the system's default.
        SockRef::from(&socket).set_only_v6(true)?;
    }
    socket.bind(address)?;
    Ok(socket)
}

/// A listening socket of the gateway's own, non-blocking.
///
/// # Errors
/// The address can't be listened on.
pub fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|source| StartError::Listen { address, source })
}

/// The pid file; removed when it is dropped.
#[derive(Debug)]
pub struct PidFile(PathBuf);

impl PidFile {
    /// Writes this process's id.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn write(path: &Path) -> Result<Self, StartError> {
        fs::write(path, format!("{}\n", std::process::id())).map_err(|e| StartError::file(path, &e))?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
