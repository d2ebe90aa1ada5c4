//! The calls over HTTP: who may make them, what they take and give, and the paths they have.

mod answer;
pub(super) mod apps;
mod course;
mod input;
pub(super) mod rotate;
mod wait;
mod write;

use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;

pub use self::answer::Failure;
use self::answer::Refused;
pub use self::apps::AppList;
pub use self::course::Running;
pub use self::input::Peer;
pub use self::rotate::RotateBody;
use super::access::Access;
use super::openapi;
use super::rules::Rules;
use super::store::Store;
use crate::apps::Snapshot;
use crate::apps::feed::Status;
use crate::telemetry::Metrics;

/// What the calls work with.
pub struct Api {
    /// Who may use it.
    pub access: Access,
    /// Where the documents are.
    pub store: Arc<dyn Store>,
    /// What documents must be like.
    pub rules: Rules,
    /// What is in force at this gateway.
    pub published: Arc<ArcSwap<Snapshot>>,
    /// How it is kept current.
    pub feed: Arc<Status>,
    /// What counts the calls.
    pub metrics: Arc<Metrics>,
    /// Calls that change something, and haven't ended.
    pub running: Running,
}

/// The API. Every request needs a [`Peer`] among its extensions.
pub fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/api/v1/apps", get(apps::list).post(apps::create))
        .route("/api/v1/apps/{appId}", get(apps::read).patch(apps::change).delete(apps::delete))
        .route("/api/v1/apps/{appId}/rotate", post(rotate::rotate))
        .route("/api/v1/apps/{appId}/disable", post(apps::disable))
        .route("/api/v1/apps/{appId}/enable", post(apps::enable))
        .route("/api/v1/apps/{appId}/revoke", post(apps::revoke))
        .route("/api/v1/openapi.json", get(document))
        .fallback(async || Refused::client(StatusCode::NOT_FOUND, "unknown path; see /api/v1/openapi.json"))
        .method_not_allowed_fallback(async || {
            Refused::client(StatusCode::METHOD_NOT_ALLOWED, "this path has no such method; see /api/v1/openapi.json")
        })
        .layer(from_fn_with_state(Arc::clone(&api), course::follow))
        .with_state(api)
}

/// Made once: it takes longer than any call.
static DOCUMENT: LazyLock<serde_json::Value> = LazyLock::new(openapi::document);

/// The description of the API; anybody may read it.
async fn document() -> Response {
    answer::json(StatusCode::OK, &*DOCUMENT).into_response()
}
