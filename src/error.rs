//! What can keep the gateway from starting.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the gateway did not start. The configuration's own mistakes are [`config::Mistakes`](crate::config).
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file that was good when the configuration was checked is not any more.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// An address can't be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The process could not be set up.
    #[error("{0}")]
    Process(String),
}

impl StartError {
    /// Something is wrong with a file.
    pub fn file(path: &std::path::Path, problem: &dyn std::fmt::Display) -> Self {
        Self::File { path: path.to_owned(), problem: problem.to_string() }
    }
}
