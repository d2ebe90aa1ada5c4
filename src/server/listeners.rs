//! The listeners: opened once the first apps are in force, or another process handed them over, and closed on the way
//! to the end.
//!
//! Whoever waits for clients to be let in is told here: readiness, the process before this one, the service manager.

use std::net::TcpListener;
use std::os::fd::IntoRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use tokio::time::timeout;

use super::handover::Opening;
use super::notify::Notifier;
use super::preflight::Reserved;
use super::services::end_process;
use super::sockets::Sockets;
use super::stages::Stages;
use crate::error::StartError;

/// The listeners and what answers on them.
///
/// The sockets are opened here and handed to Pingora as if an older process had: so it is known when clients are
/// let in, and an address that can't be listened on is an error rather than half a minute of attempts.
pub struct GatewayService<S> {
    name: String,
    addresses: Option<Vec<String>>,
    start: Option<(S, Vec<Reserved>, Doors)>,
}

/// What opening and closing the listeners takes.
pub struct Doors {
    /// Set once they listen.
    pub listening: Arc<AtomicBool>,
    /// The sockets are kept there while they do.
    pub kept: Sockets,
    /// When they close.
    pub stages: Stages,
    /// What is left to do once clients are let in, where another process let them in so far.
    pub opening: Option<Opening>,
    /// Tells the service manager that they listen.
    pub notifier: Arc<Notifier>,
}

impl Doors {
    /// Opens the listeners, and hands them to Pingora.
    fn open(&self, sockets: Vec<Reserved>, fds: Option<&ListenFds>) {
        for socket in sockets {
            let address = socket.address;
            let kept = |listener: TcpListener| match self.kept.keep(address, &listener) {
                Ok(()) => Ok(listener),
                Err(source) => Err(StartError::Listen { address, source }),
            };
            match (socket.listen().and_then(kept), fds) {
                (Ok(listener), Some(fds)) => fds.lock().add(address.to_string(), listener.into_raw_fd()),
                (Ok(_), None) => {}
                (Err(error), _) => end_process("the listeners", &error),
            }
        }
        self.listening.store(true, Ordering::Release);
    }
}

impl<S: Service + 'static> GatewayService<S> {
    /// Serves `service` on `sockets`.
    #[must_use]
    pub fn new(service: S, sockets: Vec<Reserved>, doors: Doors) -> Self {
        let (name, addresses) = (service.name().to_owned(), service.listen_addresses());
        Self { name, addresses, start: Some((service, sockets, doors)) }
    }
}

/// Time in which Pingora's accept loops begin, or fail to: before that no other process is told to stop its own.
const SETTLE: Duration = Duration::from_millis(100);

#[async_trait]
impl<S: Service + 'static> Service for GatewayService<S> {
    async fn start_service(&mut self, fds: Option<ListenFds>, _: ShutdownWatch, per_fd: usize) {
        let Some((mut service, sockets, doors)) = self.start.take() else { return };
        doors.open(sockets, fds.as_ref());
        let (stages, opening, notifier) = (doors.stages, doors.opening, doors.notifier);
        let closed = stages.closed.clone();
        // Its own task: Pingora would go on without its listeners if this panicked.
        let mut task = tokio::spawn(async move { service.start_service(fds, closed, per_fd).await });
        let early = match &opening {
            None => None,
            Some(_) => timeout(SETTLE, &mut task).await.ok(),
        };
        if early.is_none() {
            match opening.map(|opening| opening.complete(&notifier)) {
                None => notifier.serving(false),
                Some(Ok(())) => {}
                Some(Err(error)) => end_process("taking over", &error),
            }
            tokio::spawn(async move { notifier.attend(stages.handed_over).await });
        }
        let ended = match early {
            Some(ended) => ended,
            None => task.await,
        };
        if let Err(error) = ended {
            end_process("the listeners", &error);
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        self.addresses.clone()
    }
}
