//! The pages and who may ask how: GET and HEAD only, everything else is a short JSON error.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::about::About;
use super::negotiation::wants_page;
use super::page;
use super::recent::Recent;
use super::status;
use super::upgrade::Upgrade;
use crate::apps::feed::Status;
use crate::certificates::Board;
use crate::telemetry::{Metrics, metrics};
use crate::upstream::Cluster;

/// Whether the gateway is ready, or why it is not, in a few words.
pub type Readiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What the pages read; cheap to clone.
#[derive(Clone)]
pub struct AdminState {
    /// Counted and measured so far.
    pub metrics: Arc<Metrics>,
    /// How the apps are kept current.
    pub feed: Arc<Status>,
    /// Has the metrics told what stands without an event: peers, runtimes, who the busiest apps are.
    pub tell: Arc<dyn Fn() + Send + Sync>,
    /// Answers `/readyz`.
    pub ready: Readiness,
    /// The configuration in force, for `/status`.
    pub about: Arc<ArcSwap<About>>,
    /// The certificates in force, as their watcher knows them.
    pub certificates: Board,
    /// The upstreams in force.
    pub clusters: Arc<dyn Fn() -> Vec<Arc<Cluster>> + Send + Sync>,
    /// Upgrades, for `/status`.
    pub upgrade: Arc<Upgrade>,
    /// Set once the process was asked to stop.
    pub draining: Arc<AtomicBool>,
    /// The course of the counters; whoever serves the pages keeps it going.
    pub recent: Arc<Recent>,
}

/// The pages of the admin address.
pub fn router(state: AdminState) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .route("/status", get(status))
        .route("/status.json", get(status_json))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .with_state(state)
}

/// 200 as long as the process runs.
async fn livez() -> Response {
    answer(StatusCode::OK, TEXT, "ok\n")
}

/// 200, or 503 with the reason.
async fn readyz(State(state): State<AdminState>) -> Response {
    match (state.ready)() {
        Ok(()) => answer(StatusCode::OK, TEXT, "ready\n"),
        Err(why) => answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("not ready: {why}\n")),
    }
}

async fn scrape(State(state): State<AdminState>) -> Response {
    state.metrics.observe(&state.feed, state.about.load().max_staleness);
    (state.tell)();
    answer(StatusCode::OK, metrics::CONTENT_TYPE, state.metrics.render())
}

/// The page for people, or JSON for programs.
async fn status(State(state): State<AdminState>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let mut response =
        if wants_page(&headers, query.as_deref()) { page::answer() } else { status_json(State(state)).await };
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    response
}

async fn status_json(State(state): State<AdminState>) -> Response {
    match serde_json::to_vec_pretty(&status::page(&state, &state.about.load())) {
        Ok(page) => answer(StatusCode::OK, JSON, page),
        Err(e) => {
            tracing::error!("the status page could not be written: {e}");
            error(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
        }
    }
}

async fn unknown() -> Response {
    error(StatusCode::NOT_FOUND, "unknown path; there are /livez, /readyz, /metrics, /status and /status.json")
}

async fn wrong_method() -> Response {
    error(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD")
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

fn error(status: StatusCode, text: &str) -> Response {
    answer(status, JSON, serde_json::json!({ "error": text }).to_string())
}

pub(super) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, headers, body.into()).into_response()
}

#[cfg(test)]
mod tests;
