//! The gateway: Pingora's phases, one short method each.
//!
//! Judging happens in `request_filter`; everything a request decides on its way is kept in its
//! [`Context`](context::Context), and nothing is forwarded that did not come through [`admission`].

pub mod admission;
pub mod answer;
mod budgets;
pub mod context;
mod cors;
pub mod early_body;
mod expect;
pub mod forward;
mod lenient;
pub mod outcome;
pub mod state;
mod trace;

use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::prelude::HttpPeer;
use pingora::protocols::Digest;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};

use self::context::Context;
use self::outcome::Again;
use self::state::{Current, State};
use crate::reason::Reason;

/// `X-Request-Id`.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The proxy: judges requests and forwards those that may go on.
pub struct Gateway {
    current: Current,
}

impl Gateway {
    /// A gateway that works by whatever is in force when a request comes.
    #[must_use]
    pub const fn new(current: Current) -> Self {
        Self { current }
    }
}

/// One request, and what was in force when it came: a reload meanwhile doesn't touch it.
pub struct Exchange {
    state: Arc<State>,
    ctx: Context,
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        let state = self.current.load_full();
        let ctx = Context::new(state.in_flight.enter(state.limits.concurrent_requests));
        Exchange { state, ctx }
    }

    /// No modules: answers pass as the upstream made them.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        let Exchange { state, ctx } = exchange;
        state.prepare(session, ctx);
        if ctx.is_shed() {
            state.shed(session, ctx).await?;
            return Ok(true);
        }
        match state.admit(session, ctx).await {
            Ok(()) => Ok(false),
            Err(reason) => {
                let reason = state.charge_address(session, ctx, reason);
                ctx.reason = Some(reason);
                ctx.leave();
                if reason == Reason::RateLimited {
                    state.hold_back().await;
                }
                if reason == Reason::ClientClosed {
                    session.set_keepalive(None);
                } else {
                    state.answer(session, ctx, reason).await?;
                }
                Ok(true)
            }
        }
    }

    async fn upstream_peer(&self, _: &mut Session, exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
        let Exchange { state, ctx } = exchange;
        state.choose_peer(ctx)
    }

    async fn connected_to_upstream(
        &self,
        _: &mut Session,
        reused: bool,
        _: &HttpPeer,
        _: RawFd,
        _: Option<&Digest>,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let Exchange { state, ctx } = exchange;
        state.metrics.upstream_connected(ctx.upstream, reused);
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let Exchange { state, ctx } = exchange;
        state.prepare_forward(session, request, ctx)
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let ctx = &mut exchange.ctx;
        if end && body.as_ref().is_some_and(Bytes::is_empty) {
            // An empty last piece, as HTTP/2 may send one: Pingora would write it as the last chunk and then end the
            // body with another one, which the upstream would take for the start of the next request.
            *body = None;
        }
        ctx.count_body(body.as_ref().map_or(0, Bytes::len))
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let Exchange { state, ctx } = exchange;
        if state.access_log.is_on() {
            ctx.answered_after = ctx.forwarded.map(|began| began.elapsed());
        }
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            ctx.enter_tunnel();
            ctx.become_stream(&state.streams);
        } else if forward::is_stream(response) {
            ctx.become_stream(&state.streams);
        }
        if state.leaving.load(Ordering::Relaxed) {
            // Also where that was decided while the request was under way.
            session.set_keepalive(None);
        }
        ctx.gateway_error = outcome::is_gateway_error(response.status);
        if let Some(trace) = &mut ctx.trace {
            trace.answered(response.status.as_u16());
        }
        forward::prepare_response(session, response, ctx)
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        exchange: &mut Exchange,
    ) -> Result<Option<Duration>> {
        let ctx = &mut exchange.ctx;
        ctx.bytes_out += body.as_ref().map_or(0, |b| b.len() as u64);
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        exchange: &mut Exchange,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let Exchange { state, ctx } = exchange;
        state.attempt_failed(ctx, &mut error, Again::AtNoCost);
        error
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        exchange: &mut Exchange,
        reused: bool,
    ) -> Box<Error> {
        let Exchange { state, ctx } = exchange;
        ctx.reused = reused && peer.options.alpn.get_max_http_version() == 1;
        outcome::blame_stalling_client(&error, session, ctx);
        let (head, done) = (session.req_header(), session.response_written().is_some());
        // Twice is the same as once, the whole body is still at hand, and the client has seen nothing yet.
        let safe = head.method.is_idempotent() && !session.as_ref().retry_buffer_truncated() && !done;
        state.attempt_failed(ctx, &mut error, if safe { Again::WithinBudget } else { Again::Never });
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, exchange: &mut Exchange) -> FailToProxy {
        let Exchange { state, ctx } = exchange;
        let reason = outcome::reason(error, ctx);
        if !ctx.tunnelled {
            ctx.reason = Some(reason);
        }
        // 101 is an answer too: what follows it is no HTTP.
        let unanswered = !ctx.tunnelled && session.response_written().is_none_or(|r| r.status.is_informational());
        if unanswered && reason != Reason::ClientClosed {
            // The request may be half read: nothing more can be told apart on this connection.
            session.set_keepalive(None);
            ctx.leave();
            if state.answer(session, ctx, reason).await.is_err() {
                ctx.reason = Some(Reason::ClientClosed);
            }
        }
        FailToProxy { error_code: reason.status(), can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, exchange: &mut Exchange) {
        let Exchange { state, ctx } = exchange;
        state.finish(session, error, ctx);
    }

    /// Every failure is in the access log and the metrics; Pingora's own lines cost more than the judgement.
    fn suppress_error_log(&self, _: &Session, _: &Exchange, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(&self, _: &Session, _: &Exchange, _: &Error, _: ProxyWarnLogContext) -> bool {
        true
    }

    /// Without the query, which is never logged.
    fn request_summary(&self, session: &Session, exchange: &Exchange) -> String {
        format!("request {}", exchange.ctx.request_id(session).to_str().unwrap_or_default())
    }
}

/// An error of the gateway's own, on Pingora's way out.
#[expect(clippy::unnecessary_box_returns, reason = "Pingora passes its errors boxed")]
fn refusal(reason: Reason) -> Box<Error> {
    Error::new(ErrorType::CustomCode(reason.as_str(), reason.status()))
}
