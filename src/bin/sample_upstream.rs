//! `rtms-sample-upstream`: a small real HTTP server that answers as rtmsAPI does, for trying the gateway out.
//!
//! Every path but `/health` answers `200 {"code":"0","status":"Success","saw":{..}}`, where `saw` tells what
//! arrived. It repeats no secret: of `Authorization` it shows the scheme, of a query only that there was one.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use clap::Parser;
use futures_util::StreamExt as _;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// How long requests in flight may go on after SIGTERM or SIGINT.
const GRACE: Duration = Duration::from_secs(5);

/// A small HTTP server that answers as rtmsAPI does and tells what it saw.
#[derive(Debug, Parser)]
#[command(name = "rtms-sample-upstream", version)]
struct Flags {
    /// Where to listen; port 0 takes a free one. The bound address is printed as `listening on ADDRESS`.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    listen: SocketAddr,
}

/// An answer in rtmsAPI's form; `code` and `status` come first.
#[derive(Serialize)]
struct Answer {
    code: &'static str,
    status: &'static str,
    saw: Saw,
}

/// What of a request is told back.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Saw {
    method: String,
    path: String,
    query: bool,
    headers: Vec<(String, String)>,
    body_bytes: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve(&Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "rtms-sample-upstream: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(flags: &Flags) -> std::io::Result<()> {
    let listener = TcpListener::bind(flags.listen).await?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    writeln!(std::io::stdout(), "listening on {}", listener.local_addr()?)?;
    let app = Router::new().route("/health", get(|| async { "ok\n" })).fallback(answer);
    let server = axum::serve(listener, app).with_graceful_shutdown(until(stopped));
    let bounded = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = stop.send(true);
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = async { server.await } => ended,
        () = bounded => Ok(()),
    }
}

async fn until(mut stopped: tokio::sync::watch::Receiver<bool>) {
    // An error means that the sender is gone: time to stop as well.
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn answer(request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Some(body_bytes) = count(body).await else {
        return (StatusCode::BAD_REQUEST, "the body broke off\n").into_response();
    };
    let saw = Saw {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().is_some(),
        headers: shown(&head.headers),
        body_bytes,
    };
    Json(Answer { code: "0", status: "Success", saw }).into_response()
}

/// The size of a body, which is not kept; `None` if it broke off.
async fn count(body: Body) -> Option<u64> {
    let mut chunks = body.into_data_stream();
    let mut bytes = 0;
    while let Some(chunk) = chunks.next().await {
        bytes += chunk.ok()?.len() as u64;
    }
    Some(bytes)
}

/// The headers in their order, credentials cut down to their scheme.
fn shown(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let text = String::from_utf8_lossy(value.as_bytes());
            let text = if *name == header::AUTHORIZATION || *name == header::PROXY_AUTHORIZATION {
                format!("{} ***", text.split(' ').next().unwrap_or_default())
            } else {
                text.into_owned()
            };
            (name.to_string(), text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_cut_down_to_their_scheme() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Bearer a.b.c".parse().unwrap());
        headers.insert("x-rtms-app-id", "TR21063826".parse().unwrap());
        let shown = shown(&headers);
        assert_eq!(shown[0], ("authorization".to_owned(), "Bearer ***".to_owned()));
        assert_eq!(shown[1], ("x-rtms-app-id".to_owned(), "TR21063826".to_owned()));
    }

    #[test]
    fn code_and_status_come_first() {
        let saw = Saw { method: "GET".into(), path: "/".into(), query: false, headers: vec![], body_bytes: 0 };
        let text = serde_json::to_string(&Answer { code: "0", status: "Success", saw }).unwrap();
        assert!(text.starts_with(r#"{"code":"0","status":"Success","saw":{"method":"GET""#), "{text}");
        assert!(text.ends_with(r#""bodyBytes":0}}"#), "{text}");
    }
}
