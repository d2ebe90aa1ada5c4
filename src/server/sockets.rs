//! The listening sockets of this process, kept so that they can be handed to another one.
//!
//! A socket listens as long as anybody has a descriptor of it. So what is kept here is let go in the same moment in
//! which the process stops to accept: from then on connections are refused, unless another process took it over.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

/// An address as it is configured, and a descriptor of its socket.
pub type Socket = (SocketAddr, OwnedFd);

/// The sockets; cheap to clone.
#[derive(Clone, Default)]
pub struct Sockets(Arc<Mutex<Vec<Socket>>>);

impl Sockets {
    /// Keeps a socket.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn keep(&self, address: SocketAddr, listener: &TcpListener) -> io::Result<()> {
        let copy = listener.try_clone()?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((address, copy.into()));
        Ok(())
    }

    /// Whether there is none (any more).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Descriptors of all of them.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn copies(&self) -> io::Result<Vec<Socket>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(|(address, socket)| Ok((*address, socket.try_clone()?))).collect()
    }

    /// Lets all of them go.
    pub fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
