//! Addresses and files that must be had before anything is started, so that a mistake ends the start at once.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use tokio::net::TcpSocket;

use crate::error::StartError;

/// Whether every address can be bound. The sockets are given back without having listened: clients are let in
/// only when the first apps are in force, and until then a connection is refused rather than left waiting.
///
/// # Errors
/// The first address that can't.
pub fn can_bind(addresses: impl IntoIterator<Item = SocketAddr>) -> Result<(), StartError> {
    for address in addresses {
        bind(address).map_err(|source| StartError::Listen { address, source })?;
    }
    Ok(())
}

fn bind(address: SocketAddr) -> std::io::Result<()> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)
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
        fs::write(path, format!("{}\n", std::process::id()))
            .map_err(|e| StartError::File { path: path.to_owned(), problem: e.to_string() })?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
