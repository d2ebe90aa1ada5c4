//! A request that has ended, as spans: one of the server, and beneath it one for each stage and each attempt.
//!
//! Names and attributes follow OpenTelemetry's conventions for HTTP, as far as they don't ask for what may name a user: the
//! path and the query are left out, and the client's address unless it is asked for.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use http::Method;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::reason::{Kind, Reason};
use crate::request::{request_id, traceparent};
use crate::routing::methods;
use crate::telemetry::limited::Limit;
use crate::telemetry::metrics::VERSION;
use crate::telemetry::upstreams::Outcome;

static SCOPE: LazyLock<InstrumentationScope> =
    LazyLock::new(|| InstrumentationScope::builder("rtms-gateway").with_version(VERSION).build());

/// What is known about a request when it ends.
pub struct Request<'a> {
    /// Its trace.
    pub trace: traceparent::TraceId,
    /// The caller's span; `None`: the trace begins here.
    pub parent: Option<traceparent::SpanId>,
    /// Its own.
    pub span: traceparent::SpanId,
    /// When its head had arrived, by both clocks.
    pub began: (Instant, SystemTime),
    /// From then to the end of its answer.
    pub duration: Duration,
    /// The method.
    pub method: &'a Method,
    /// `1.1`, `2`.
    pub version: &'static str,
    /// It came over TLS.
    pub tls: bool,
    /// The route's name and its template.
    pub route: Option<(&'a str, &'a str)>,
    /// As sent; 499: the client left before it was.
    pub status: u16,
    /// Why it was not forwarded, or not answered by its upstream.
    pub reason: Option<Reason>,
    /// Which limit it was over.
    pub limit: Option<Limit>,
    /// The appId in the path.
    pub app: Option<&'a str>,
    /// As in `X-Request-Id`.
    pub id: &'a str,
    /// The connection's other end, where it may be told.
    pub client: Option<SocketAddr>,
    /// Bytes of the request's and the answer's body.
    pub bytes: (u64, u64),
}

/// A time within a request.
#[derive(Clone, Copy, Debug)]
pub struct Interval {
    /// When it began.
    pub from: Instant,
    /// When it was over.
    pub to: Instant,
}

/// A part of a request's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The head is judged: target, route, app, token.
    Judge,
    /// A body that is read before forwarding is waited for, and judged.
    Body,
}

impl Stage {
    /// The span's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Judge => "judge",
            Self::Body => "body",
        }
    }
}

/// An attempt to forward.
pub struct Attempt<'a> {
    /// Its span, which the upstream was told.
    pub span: traceparent::SpanId,
    /// From the choice of the peer to its end.
    pub time: Interval,
    /// The upstream's name.
    pub upstream: &'a str,
    /// The peer, as `host:port`.
    pub peer: &'a str,
    /// How it ended; `None`: the client's request was at fault.
    pub outcome: Option<Outcome>,
    /// The status that the peer answered with, if it did.
    pub status: Option<u16>,
    /// How many attempts there were before.
    pub resent: u32,
}

/// The spans of one request.
#[derive(Debug)]
pub struct Spans(pub(super) Vec<SpanData>);

impl Spans {
    /// The server's span. Others are added by [`Spans::stage`] and [`Spans::attempt`].
    #[must_use]
    pub fn new(request: &Request<'_>, parts: usize) -> Self {
        let mut spans = Vec::with_capacity(1 + parts);
        let mut server = request.span_of(request.span, name(request), (request.began.0, request.duration));
        server.span_kind = SpanKind::Server;
        server.parent_span_id = request.parent.map_or(SpanId::INVALID, span_id);
        server.parent_span_is_remote = request.parent.is_some();
        server.attributes = attributes(request);
        if is_failure(request.status, request.reason) {
            let why = request.reason.map_or("", Reason::as_str);
            server.attributes.push(KeyValue::new("error.type", error_type(request.status, request.reason)));
            server.status = Status::error(why);
        }
        spans.push(server);
        Self(spans)
    }

    /// A part of the way, beneath the server's span; `reason`: the request was turned away there.
    pub fn stage(&mut self, request: &Request<'_>, stage: Stage, time: Interval, reason: Option<Reason>) {
        let mut span = request.span_of(random(), Cow::Borrowed(stage.as_str()), time.length());
        if let Some(reason) = reason {
            span.attributes.push(KeyValue::new("rtms.reason", reason.as_str()));
        }
        self.0.push(span);
    }

    /// An attempt, beneath the server's span.
    pub fn attempt(&mut self, request: &Request<'_>, attempt: &Attempt<'_>) {
        let mut span = request.span_of(attempt.span, Cow::Borrowed("upstream"), attempt.time.length());
        span.span_kind = SpanKind::Client;
        let mut told = vec![
            KeyValue::new("http.request.method", method(request.method)),
            KeyValue::new("rtms.upstream", attempt.upstream.to_owned()),
        ];
        if let Some((host, port)) = attempt.peer.rsplit_once(':') {
            told.push(KeyValue::new("server.address", host.trim_matches(['[', ']']).to_owned()));
            told.extend(port.parse::<i64>().ok().map(|port| KeyValue::new("server.port", port)));
        }
        if attempt.resent > 0 {
            told.push(KeyValue::new("http.request.resend_count", i64::from(attempt.resent)));
        }
        told.extend(attempt.status.map(|status| KeyValue::new("http.response.status_code", i64::from(status))));
        told.extend(attempt.outcome.map(|outcome| KeyValue::new("rtms.outcome", outcome.as_str())));
        let failed = attempt.outcome.filter(|outcome| !matches!(outcome, Outcome::Ok | Outcome::ClientClosed));
        let word = failed.map(|outcome| Cow::Borrowed(outcome.as_str()));
        let word = word.or_else(|| attempt.status.filter(|s| *s >= 500).map(|status| Cow::Owned(status.to_string())));
        if let Some(word) = word {
            span.status = Status::error(failed.map_or("", Outcome::as_str));
            told.push(KeyValue::new("error.type", word));
        }
        span.attributes = told;
        self.0.push(span);
    }
}

impl Interval {
    fn length(self) -> (Instant, Duration) {
        (self.from, self.to.saturating_duration_since(self.from))
    }
}

impl Request<'_> {
    /// A bare span of this request's trace, beneath the server's.
    fn span_of(
        &self,
        id: traceparent::SpanId,
        name: Cow<'static, str>,
        (from, length): (Instant, Duration),
    ) -> SpanData {
        let (began, time) = self.began;
        let start_time = time + from.saturating_duration_since(began);
        let trace = TraceId::from(self.trace.0.get());
        SpanData {
            span_context: SpanContext::new(trace, span_id(id), TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: span_id(self.span),
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name,
            start_time,
            end_time: start_time + length,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: SCOPE.clone(),
        }
    }
}

fn span_id(id: traceparent::SpanId) -> SpanId {
    SpanId::from(id.0.get())
}

/// A fresh span id.
#[must_use]
pub fn random() -> traceparent::SpanId {
    let id = std::num::NonZeroU64::new(fastrand::u64(1..)).unwrap_or(std::num::NonZeroU64::MIN);
    traceparent::SpanId(id)
}

/// One of few words, as the conventions spell what isn't among them.
fn method(method: &Method) -> &'static str {
    methods::index(method).map_or("_OTHER", |_| methods::label(method))
}

fn name(request: &Request<'_>) -> Cow<'static, str> {
    let method = methods::index(request.method).map_or("HTTP", |_| methods::label(request.method));
    request.route.map_or(Cow::Borrowed(method), |(name, _)| Cow::Owned(format!("{method} {name}")))
}

fn attributes(request: &Request<'_>) -> Vec<KeyValue> {
    let (bytes_in, bytes_out) = request.bytes;
    let mut told = vec![
        KeyValue::new("http.request.method", method(request.method)),
        KeyValue::new("url.scheme", if request.tls { "https" } else { "http" }),
        KeyValue::new("network.protocol.version", request.version),
        KeyValue::new("http.request.body.size", signed(bytes_in)),
        KeyValue::new("http.response.body.size", signed(bytes_out)),
        KeyValue::new("rtms.request_id", request.id.to_owned()),
    ];
    if let Some((name, template)) = request.route {
        told.push(KeyValue::new("http.route", template.to_owned()));
        told.push(KeyValue::new("rtms.route", name.to_owned()));
    }
    if request.status != Reason::ClientClosed.status() {
        told.push(KeyValue::new("http.response.status_code", i64::from(request.status)));
    }
    if let Some(reason) = request.reason {
        told.push(KeyValue::new("rtms.reason", reason.as_str()));
        told.push(KeyValue::new("rtms.code", reason.code().as_str()));
    }
    told.extend(request.limit.map(|limit| KeyValue::new("rtms.limit", limit.as_str())));
    // What isn't of an appId's form is no app's, but whatever somebody wrote there.
    let app = request.app.filter(|app| request_id::is_good(app.as_bytes()));
    told.extend(app.map(|app| KeyValue::new("rtms.app", app.to_owned())));
    if let Some(client) = request.client {
        told.push(KeyValue::new("client.address", client.ip().to_canonical().to_string()));
        told.push(KeyValue::new("client.port", i64::from(client.port())));
    }
    told
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The client's faults are none of the server's.
fn is_failure(status: u16, reason: Option<Reason>) -> bool {
    status >= 500 || reason.is_some_and(|reason| reason.kind() == Kind::Error)
}

fn error_type(status: u16, reason: Option<Reason>) -> Cow<'static, str> {
    reason.map_or_else(|| Cow::Owned(status.to_string()), |reason| Cow::Borrowed(reason.as_str()))
}
