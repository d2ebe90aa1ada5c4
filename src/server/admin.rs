//! The service of the admin pages: its socket, its end, and the samples that `/status` shows.
//!
//! Here and nowhere else it is known that the pages outlive the listeners: through the drain, and until another process
//! has taken over.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::sync::watch;
use tracing::error;

use super::handover::Gate;
use super::stages::{Stages, lingered, reached};
use crate::admin::{self, AdminState};

/// The admin pages; they answer until the process ends, through the drain, or until another process took over.
pub struct AdminService {
    listener: Mutex<Option<TcpListener>>,
    state: AdminState,
    gate: Gate,
    stages: Stages,
}

impl AdminService {
    /// Serves what `state` tells on a socket that listens already, once `gate` is open.
    #[must_use]
    pub const fn new(listener: TcpListener, state: AdminState, gate: Gate, stages: Stages) -> Self {
        Self { listener: Mutex::new(Some(listener)), state, gate, stages }
    }
}

#[async_trait]
impl BackgroundService for AdminService {
    async fn start(&self, _: ShutdownWatch) {
        let sampling = tokio::spawn(sample(self.state.clone()));
        reached(&mut self.gate.clone()).await;
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(listener) = listener else { return };
        let handed_over = self.stages.handed_over.clone();
        let served = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                let listener = Handed { listener: Some(listener), handed_over: handed_over.clone() };
                axum::serve(listener, admin::router(self.state.clone()))
                    .with_graceful_shutdown(lingered(handed_over))
                    .await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = served {
            error!(%error, "the admin pages ended");
        }
        sampling.abort();
    }
}

/// Keeps what `/status` shows of the last minutes, for ever.
async fn sample(state: AdminState) {
    state.recent.run(|| state.metrics.totals()).await;
}

/// A listener that is let go as soon as another process has it, before the connections that it gave.
struct Handed {
    listener: Option<tokio::net::TcpListener>,
    handed_over: watch::Receiver<bool>,
}

impl axum::serve::Listener for Handed {
    type Io = tokio::net::TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        if let Some(listener) = &mut self.listener {
            tokio::select! {
                accepted = axum::serve::Listener::accept(listener) => return accepted,
                () = reached(&mut self.handed_over) => {}
            }
        }
        self.listener = None;
        std::future::pending().await
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.as_ref().ok_or(io::ErrorKind::NotConnected)?.local_addr()
    }
}
