//! The course of a call: once it has come in, one that changes something runs to its end, whatever becomes of the
//! client. Otherwise whoever hangs up could have a change stored, and no line of it in the audit log.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use tokio::sync::watch;
use tracing::error;

use super::Api;
use super::answer::Refused;

/// Counts what is under way.
#[derive(Clone)]
pub struct Running(watch::Sender<usize>);

impl Default for Running {
    fn default() -> Self {
        Self(watch::channel(0).0)
    }
}

impl Running {
    /// Something begins; it ends when what is returned is dropped.
    #[must_use]
    pub fn begin(&self) -> Run {
        self.0.send_modify(|count| *count += 1);
        Run(self.clone())
    }

    /// The count, and word of each change of it.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<usize> {
        self.0.subscribe()
    }

    /// Returns when nothing is under way.
    pub async fn ended(&self) {
        let _ = self.watch().wait_for(|count| *count == 0).await;
    }
}

/// Something under way.
pub struct Run(Running);

impl Drop for Run {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Runs calls that change something in tasks of their own: a client that leaves cancels its connection, not those.
pub(super) async fn to_the_end(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let run = api.running.begin();
    let task = tokio::spawn(async move {
        let answer = next.run(request).await;
        drop(run);
        answer
    });
    task.await.unwrap_or_else(|error| {
        error!(%error, "app profiles: a call failed");
        Refused::server(StatusCode::INTERNAL_SERVER_ERROR, "internal error").into_response()
    })
}
