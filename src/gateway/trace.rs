//! A request's part in a trace: which one, whether it is recorded, and what is kept for its spans meanwhile.
//!
//! Whoever is in the sample decides here, once. A caller's word on it counts from trusted proxies alone: on the internet
//! everybody could have every request recorded. The trace goes on either way, with a span of ours as the upstream's parent.

use std::num::NonZeroU128;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::Result;
use pingora::http::RequestHeader;
use pingora_proxy::Session;

use super::context::Context;
use super::outcome::version;
use super::state::State;
use crate::reason::Reason;
use crate::request::traceparent::{SpanId, TraceId, Traceparent};
use crate::telemetry::Outcome;
use crate::telemetry::trace::{Attempt, Interval, Request, Spans, Stage, random_span};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// A request's part in a trace.
pub struct Trace {
    /// The trace.
    pub id: TraceId,
    /// The caller's span; `None`: the trace begins here.
    parent: Option<SpanId>,
    /// The trace's id is known to be random.
    random: bool,
    /// The span of the attempt under way.
    attempt: SpanId,
    /// What spans are made of; `None`: it isn't recorded.
    recorded: Option<Box<Recorded>>,
}

/// What is kept until the end.
struct Recorded {
    span: SpanId,
    judged: Option<(Interval, Option<Reason>)>,
    body: Option<(Interval, Option<Reason>)>,
    attempts: Vec<Tried>,
    /// The status of the attempt under way.
    answered: Option<u16>,
}

/// An attempt that ended.
struct Tried {
    span: SpanId,
    peer: usize,
    time: Interval,
    outcome: Option<Outcome>,
    status: Option<u16>,
}

impl Trace {
    /// Joins the caller's trace, or begins one; `sampled` decides whether it is recorded.
    fn new(caller: Option<Traceparent>, sampled: impl Fn(TraceId) -> bool) -> Self {
        let id = caller.map_or_else(fresh, |caller| caller.trace);
        let recorded =
            || Recorded { span: random_span(), judged: None, body: None, attempts: Vec::new(), answered: None };
        Self {
            id,
            parent: caller.map(|caller| caller.span),
            random: caller.is_some_and(|caller| caller.random),
            attempt: random_span(),
            recorded: sampled(id).then(|| Box::new(recorded())),
        }
    }

    /// Another attempt begins: to the upstream, it is another caller.
    pub(super) fn next_attempt(&mut self) {
        self.attempt = random_span();
        if let Some(recorded) = &mut self.recorded {
            recorded.answered = None;
        }
    }

    /// The upstream answered.
    pub(super) fn answered(&mut self, status: u16) {
        if let Some(recorded) = &mut self.recorded {
            recorded.answered = Some(status);
        }
    }

    /// The attempt under way ended.
    pub(super) fn attempt_ended(&mut self, peer: usize, time: Interval, outcome: Option<Outcome>) {
        let span = self.attempt;
        if let Some(recorded) = &mut self.recorded {
            let status = recorded.answered.take();
            recorded.attempts.push(Tried { span, peer, time, outcome, status });
        }
    }

    /// The head was judged, and maybe found wanting.
    pub(super) fn judged(&mut self, time: Interval, reason: Option<Reason>) {
        if let Some(recorded) = &mut self.recorded {
            recorded.judged = Some((time, reason));
        }
    }

    /// The body was waited for since then, and judged.
    pub(super) fn body_read(&mut self, time: Interval, reason: Option<Reason>) {
        if let Some(recorded) = &mut self.recorded {
            recorded.body = Some((time, reason));
        }
    }

    /// What the upstream is told: the attempt's span as its parent.
    fn forwarded(&self) -> Traceparent {
        let sampled = self.recorded.is_some();
        Traceparent { trace: self.id, span: self.attempt, sampled, random: self.random }
    }
}

/// What the caller says about the trace.
pub(super) fn caller(headers: &HeaderMap) -> Option<Traceparent> {
    Traceparent::read(headers.get_all(TRACEPARENT).iter().map(HeaderValue::as_bytes))
}

/// A new trace.
fn fresh() -> TraceId {
    TraceId(NonZeroU128::new(fastrand::u128(1..)).unwrap_or(NonZeroU128::MIN))
}

impl State {
    /// Where a request stands among traces; `None`: traces are off, and its headers pass as they are.
    pub(super) fn begin_trace(&self, session: &Session) -> Option<Trace> {
        let tracing = self.tracing.as_deref()?;
        let caller = caller(&session.req_header().headers);
        let told = caller.filter(|_| {
            let address = session.client_addr().and_then(|a| a.as_inet());
            address.is_some_and(|address| self.trusts(address.ip()))
        });
        Some(Trace::new(caller, |id| told.map_or_else(|| tracing.samples(id), |caller| caller.sampled)))
    }

    /// The upstream's parent is the attempt. What belonged to a trace that can't be told isn't taken over into a new one.
    pub(super) fn set_trace(request: &mut RequestHeader, ctx: &Context) -> Result<()> {
        let Some(trace) = &ctx.trace else { return Ok(()) };
        if trace.parent.is_none() {
            request.remove_header(&TRACESTATE);
        }
        let value = HeaderValue::from_bytes(&trace.forwarded().write());
        match value {
            Ok(value) => request.insert_header(TRACEPARENT, value),
            Err(_) => Ok(()),
        }
    }

    /// Hands a recorded request's spans over; `ended`: its status, and how long it took.
    pub(super) fn record(&self, session: &Session, ctx: &mut Context, ended: (u16, Duration)) {
        let Some(tracing) = &self.tracing else { return };
        let Some(recorded) = ctx.trace.as_mut().and_then(|trace| trace.recorded.take()) else { return };
        let Some(mut request) = self.traced(session, ctx, recorded.span, ended) else { return };
        if tracing.names_clients() {
            request.client = session.client_addr().and_then(|a| a.as_inet()).copied();
        }
        let mut spans = Spans::new(&request, 2 + recorded.attempts.len());
        for (stage, part) in [(Stage::Judge, recorded.judged), (Stage::Body, recorded.body)] {
            if let Some((time, reason)) = part {
                spans.stage(&request, stage, time, reason);
            }
        }
        self.record_attempts(&mut spans, &request, &recorded, ctx.upstream);
        tracing.record(spans);
    }

    /// What is told of a request; `None`: it is in no trace.
    fn traced<'a>(
        &'a self,
        session: &'a Session,
        ctx: &'a Context,
        span: SpanId,
        (status, duration): (u16, Duration),
    ) -> Option<Request<'a>> {
        let (trace, head) = (ctx.trace.as_ref()?, session.req_header());
        let route = ctx.route.and_then(|r| self.routes.get(r));
        Some(Request {
            trace: trace.id,
            parent: trace.parent,
            span,
            began: (ctx.started, ctx.time),
            duration,
            method: &head.method,
            version: version(head.version),
            tls: session.digest().is_some_and(|d| d.ssl_digest.is_some()),
            route: route.map(|route| (&*route.name, &*route.template)),
            status,
            reason: ctx.reason,
            limit: ctx.limit,
            app: ctx.app.as_deref(),
            id: ctx.request_id(session).to_str().unwrap_or_default(),
            client: None,
            bytes: (ctx.bytes_in, ctx.bytes_out),
        })
    }

    fn record_attempts(&self, spans: &mut Spans, request: &Request<'_>, recorded: &Recorded, upstream: usize) {
        let Some(cluster) = self.clusters.get(upstream) else { return };
        for (resent, tried) in (0..).zip(&recorded.attempts) {
            let attempt = Attempt {
                span: tried.span,
                time: tried.time,
                upstream: &cluster.name,
                peer: cluster.peers().get(tried.peer).map_or("", |peer| &peer.address),
                outcome: tried.outcome,
                status: tried.status,
                resent,
            };
            spans.attempt(request, &attempt);
        }
    }
}
