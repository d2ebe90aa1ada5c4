//! Traces: what a collector is sent of requests, what the upstream is told, and that no request waits for either.

#[path = "../support/collector.rs"]
mod collector;
#[path = "tracing/collectors.rs"]
mod collectors;
#[path = "tracing/propagation.rs"]
mod propagation;
#[path = "tracing/reloads.rs"]
mod reloads;
#[path = "tracing/spans.rs"]
mod spans;

use serde_json::{Value, json};

use self::collector::Collector;
use crate::support::client::{Request, get};
use crate::support::gateway::{Builder, Gateway, gateway};
use crate::support::upstream::{Recorded, Upstream};
use crate::support::{APP, plain, tokens};

/// A caller's trace and span.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// Every request is traced.
fn all(collector: &Collector) -> Value {
    json!({ "otlp_endpoint": collector.url(), "sample": 1.0 })
}

/// A gateway that traces like this.
fn traced(upstream: &Upstream, tracing: Value) -> Builder {
    gateway(upstream).customer().set("/telemetry/tracing", tracing)
}

/// The header of the caller's trace.
fn caller(flags: &str) -> String {
    format!("traceparent: 00-{TRACE}-{CALLER}-{flags}")
}

/// A good request with an id.
fn good(id: &str) -> Request {
    get(plain(APP)).token(tokens::good()).header(format!("X-Request-Id: {id}"))
}

/// Trace, parent and flags that an upstream was told.
fn told(seen: &Recorded) -> [String; 3] {
    let field = seen.head.get("traceparent").expect("a traceparent").to_owned();
    let parts: Vec<&str> = field.split('-').collect();
    let [version, trace, parent, flags] = parts.as_slice() else { panic!("{field}") };
    assert_eq!((*version, trace.len(), parent.len()), ("00", 32, 16), "{field}");
    [(*trace).to_owned(), (*parent).to_owned(), (*flags).to_owned()]
}

/// Spans by what became of them.
async fn spans(gateway: &Gateway, result: &str) -> u64 {
    gateway.metrics().await.count("rtms_spans_total", &[("result", result)])
}
