//! The course of a call: it is counted, and once it has come in, one that changes something runs to its end, whatever
//! becomes of the client. Otherwise whoever hangs up could have a change stored, and no line of it in the audit log.

use std::sync::{Arc, OnceLock};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};
use tokio::sync::watch;
use tracing::error;

use super::Api;
use super::answer::Refused;
use super::input::Caller;
use crate::apps::reading::valid_app_id;
use crate::profiles::audit;

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

/// Who was let in, for whoever tells of the call.
#[derive(Clone, Default)]
pub(super) struct Admitted(pub Arc<OnceLock<Caller>>);

/// Why a call was refused, on an answer of which the audit log doesn't tell yet.
#[derive(Clone)]
pub(super) struct Untold(pub String);

/// Counts a call, and sees that the audit log tells of it. One that changes something runs in a task of its own: a
/// client that leaves cancels its connection, not that.
pub(super) async fn follow(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return told(&api, request, next).await;
    }
    let run = api.running.begin();
    let task = tokio::spawn(async move {
        let answer = told(&api, request, next).await;
        drop(run);
        answer
    });
    task.await.unwrap_or_else(|error| {
        error!(%error, "app profiles: a call failed");
        Refused::server(StatusCode::INTERNAL_SERVER_ERROR, "internal error").into_response()
    })
}

async fn told(api: &Api, mut request: Request, next: Next) -> Response {
    let (path, changes) = (request.uri().path().to_owned(), !request.method().is_safe());
    let what = call(request.method(), request.extensions().get::<MatchedPath>().map(MatchedPath::as_str));
    let admitted = Admitted::default();
    request.extensions_mut().insert(admitted.clone());
    let mut answer = next.run(request).await;
    let untold = answer.extensions_mut().remove::<Untold>();
    if let (true, Some(Untold(why)), Some(caller)) = (changes, untold, admitted.0.get()) {
        let app = path.split('/').nth(4).filter(|app| valid_app_id(app)).unwrap_or_default();
        audit::Entry { who: &caller.name, from: caller.address, what, app }.refused(answer.status(), &why);
    }
    api.metrics.profiles_answered(what, answer.status().as_u16());
    answer
}

/// What a call is called, in the audit log and in the metrics.
fn call(method: &Method, path: Option<&str>) -> &'static str {
    match (method.as_str(), path.and_then(|path| path.strip_prefix("/api/v1/"))) {
        ("GET" | "HEAD", Some("apps")) => "list",
        ("POST", Some("apps")) => "create",
        ("GET" | "HEAD", Some("apps/{appId}")) => "read",
        ("PATCH", Some("apps/{appId}")) => "change",
        ("DELETE", Some("apps/{appId}")) => "delete",
        ("POST", Some("apps/{appId}/rotate")) => "rotate",
        ("POST", Some("apps/{appId}/disable")) => "disable",
        ("POST", Some("apps/{appId}/enable")) => "enable",
        ("POST", Some("apps/{appId}/revoke")) => "revoke",
        ("GET" | "HEAD", Some("openapi.json")) => "openapi",
        _ => "other",
    }
}
