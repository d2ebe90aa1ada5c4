//! Addresses that must be had before anything is started, so that a mistake ends the start at once.

use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, SockRef, Socket as Socket2, Type};
use tokio::net::TcpSocket;

use super::handover::{Inheritance, Predecessor};
use super::sockets::Sockets;
use crate::config::settings::Settings;
use crate::error::StartError;

/// An address that is ours, but doesn't listen yet: a connection is refused rather than left waiting. One that another
/// process handed over listens all the time.
pub struct Reserved {
    /// The address.
    pub address: SocketAddr,
    socket: Socket,
}

enum Socket {
    Bound(TcpSocket),
    Listening(TcpListener),
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
        match socket {
            Socket::Bound(socket) => socket
                .listen(BACKLOG)
                .and_then(tokio::net::TcpListener::into_std)
                .map_err(|source| StartError::Listen { address, source }),
            Socket::Listening(listener) => Ok(listener),
        }
    }
}

/// Every address of a configuration.
pub struct Addresses {
    /// Of the listeners.
    pub listeners: Vec<Reserved>,
    /// Of the admin pages; listens.
    pub admin: Option<TcpListener>,
    /// Of the app profiles API; listens.
    pub profiles: Option<TcpListener>,
    /// Who had them before, if somebody did.
    pub predecessor: Option<Predecessor>,
}

/// Takes every address, so that one that can't be had ends the start at once: from another process as far as it had them,
/// else from the system. What listens already is kept in `kept` too; what isn't needed is let go.
///
/// # Errors
/// The first address that can't be had.
pub fn take(settings: &Settings, mut inherited: Option<Inheritance>, kept: &Sockets) -> Result<Addresses, StartError> {
    let mut inherit = |address| inherited.as_mut().and_then(|inherited| inherited.take(address));
    let mut listeners = Vec::with_capacity(settings.listeners.len());
    for listener in &settings.listeners {
        let address = listener.address;
        let socket = match inherit(address) {
            Some(listener) => Socket::Listening(listener),
            None => Socket::Bound(bind(address).map_err(|source| StartError::Listen { address, source })?),
        };
        listeners.push(Reserved { address, socket });
    }
    let mut listening = |address| listen(address, inherit(address), kept);
    let admin = settings.admin.map(&mut listening).transpose()?;
    let profiles = settings.profiles.as_ref().map(|profiles| listening(profiles.address)).transpose()?;
    let predecessor = inherited.map(|inherited| inherited.predecessor);
    Ok(Addresses { listeners, admin, profiles, predecessor })
}

/// A listening socket of the gateway's own, non-blocking.
fn listen(address: SocketAddr, inherited: Option<TcpListener>, kept: &Sockets) -> Result<TcpListener, StartError> {
    let listener = inherited.map_or_else(|| listen_anew(address), Ok);
    listener
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .and_then(|listener| kept.keep(address, &listener).map(|()| listener))
        .map_err(|source| StartError::Listen { address, source })
}

fn listen_anew(address: SocketAddr) -> std::io::Result<TcpListener> {
    /// Of pages and calls that few ask for.
    const WAITING: i32 = 128;
    let socket = Socket2::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(WAITING)?;
    Ok(socket.into())
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
