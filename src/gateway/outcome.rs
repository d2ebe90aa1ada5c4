//! How an exchange went: Pingora's errors as reasons, attempts and retries, and the end of every request.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::StatusCode;
use pingora::prelude::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};
use pingora_proxy::Session;

use super::context::{Attempt, Context};
use super::refusal;
use super::state::State;
use super::trace;
use crate::reason::Reason;
use crate::telemetry::trace::Interval;
use crate::telemetry::{Entry, Outcome};
use crate::upstream::ejection::Sign;

/// The one reason of a failed exchange.
pub(super) fn reason(error: &Error, ctx: &Context) -> Reason {
    if let Some(reason) = ctx.reason {
        return reason;
    }
    match error.esource() {
        ErrorSource::Upstream => match outcome(error) {
            Some(Outcome::ConnectTimeout | Outcome::Timeout) => Reason::UpstreamTimeout,
            _ => Reason::UpstreamUnavailable,
        },
        ErrorSource::Downstream if is_departure(error) => Reason::ClientClosed,
        ErrorSource::Downstream => match error.etype() {
            ErrorType::ReadTimedout => Reason::BodyTimeout,
            _ => Reason::BadRequest,
        },
        ErrorSource::Internal | ErrorSource::Unset => Reason::Internal,
    }
}

/// An upstream that times out while the body isn't whole waits for the rest of it, as we do: it is the client that
/// stalls.
pub(super) fn blame_stalling_client(error: &Error, session: &mut Session, ctx: &mut Context) {
    let timed_out = *error.esource() == ErrorSource::Upstream && *error.etype() == ErrorType::ReadTimedout;
    if timed_out && !ctx.tunnelled && !session.as_mut().is_body_done() {
        ctx.reason = Some(Reason::BodyTimeout);
        ctx.broken_body = true;
    }
}

/// Whether the client is gone, or takes nothing any more.
fn is_departure(error: &Error) -> bool {
    matches!(
        error.etype(),
        ErrorType::ReadError
            | ErrorType::WriteError
            | ErrorType::ConnectionClosed
            | ErrorType::WriteTimedout
            | ErrorType::H2Error
    )
}

/// How an attempt ended that failed; `None`: the client's request was at fault.
fn outcome(error: &Error) -> Option<Outcome> {
    if *error.esource() == ErrorSource::Downstream {
        return is_departure(error).then_some(Outcome::ClientClosed);
    }
    Some(match error.etype() {
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => Outcome::ConnectTimeout,
        ErrorType::ConnectRefused
        | ErrorType::ConnectNoRoute
        | ErrorType::ConnectError
        | ErrorType::SocketError
        | ErrorType::BindError => Outcome::ConnectFailed,
        ErrorType::TLSHandshakeFailure | ErrorType::InvalidCert | ErrorType::HandshakeError => Outcome::TlsFailed,
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => Outcome::Timeout,
        ErrorType::ReadError | ErrorType::WriteError | ErrorType::ConnectionClosed | ErrorType::H2Error => {
            Outcome::Reset
        }
        ErrorType::InvalidHTTPHeader | ErrorType::H1Error | ErrorType::InvalidH2 | ErrorType::H2Downgrade => {
            Outcome::InvalidAnswer
        }
        _ => Outcome::Internal,
    })
}

/// Statuses with which a peer says that it can't serve: as for Envoy's consecutive gateway failures.
pub(super) const fn is_gateway_error(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

/// What the end of an attempt says about its peer.
const fn sign(outcome: Outcome, ctx: &Context) -> Sign {
    match outcome {
        Outcome::Ok if ctx.gateway_error => Sign::Bad,
        Outcome::Ok => Sign::Good,
        // A kept connection may end just as the next request is sent: nobody's fault.
        Outcome::Reset if ctx.reused => Sign::None,
        Outcome::ConnectFailed
        | Outcome::ConnectTimeout
        | Outcome::TlsFailed
        | Outcome::Reset
        | Outcome::Timeout
        | Outcome::InvalidAnswer => Sign::Bad,
        Outcome::ClientClosed | Outcome::Internal => Sign::None,
    }
}

/// Whether a failed attempt may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Nothing reached the upstream: to it, the next attempt is the first.
    AtNoCost,
    /// Something may have reached it, but doing it twice is the same as doing it once. It is more work for the upstream.
    WithinBudget,
    /// It may have had an effect, or the client has seen some of the answer.
    Never,
}

impl State {
    /// The peer of the next attempt.
    pub(super) fn choose_peer(&self, ctx: &mut Context) -> Result<Box<HttpPeer>> {
        let choice =
            self.clusters.get(ctx.upstream).and_then(|c| c.choose(&mut ctx.tried, ctx.app.as_deref(), ctx.tunnel));
        let Some(choice) = choice else {
            ctx.reason = Some(Reason::NoHealthyPeer);
            return Err(refusal(Reason::NoHealthyPeer));
        };
        ctx.attempts += 1;
        if let Some(trace) = &mut ctx.trace {
            trace.next_attempt();
        }
        // A retry sends the body again, from the start.
        ctx.bytes_in = 0;
        (ctx.reused, ctx.gateway_error) = (false, false);
        // The first attempt begins where judging ended, but for what had to be waited for.
        let started = ctx.admitted.take().unwrap_or_else(Instant::now);
        ctx.forwarded.get_or_insert(started);
        ctx.attempt = Some(Attempt { peer: choice.index, started, carried: choice.carried });
        Ok(choice.target)
    }

    /// Counts a failed attempt and decides whether there is another.
    pub(super) fn attempt_failed(&self, ctx: &mut Context, error: &mut Error, again: Again) {
        let outcome = match ctx.reason {
            _ if ctx.tunnelled => Some(Outcome::Ok),
            // The client's fault, whatever it looked like from the upstream's side.
            Some(Reason::BodyTimeout | Reason::BodyTooLarge) => None,
            _ => outcome(error),
        };
        self.end_attempt(ctx, outcome, Instant::now());
        // A second peer would be given as long as the first: the client waits long enough.
        let safe = again != Again::Never && outcome != Some(Outcome::Timeout);
        let upstreams_fault = *error.esource() == ErrorSource::Upstream && ctx.reason.is_none();
        let retried = safe && upstreams_fault && self.may_retry(ctx, again);
        error.set_retry(retried);
        if retried {
            self.metrics.retried(ctx.upstream);
        }
    }

    /// Whether the upstream's settings and its budget leave another attempt.
    fn may_retry(&self, ctx: &mut Context, again: Again) -> bool {
        let Some(cluster) = self.clusters.get(ctx.upstream) else { return false };
        if ctx.attempts as usize > cluster.retries {
            return false;
        }
        if again == Again::WithinBudget {
            // The one before is over.
            ctx.retry = None;
            ctx.retry = cluster.budget.spend();
            if ctx.retry.is_none() {
                self.metrics.retry_refused(ctx.upstream);
            }
            return ctx.retry.is_some();
        }
        true
    }

    /// `None`: the attempt ended before it was the peer's turn, which says nothing about the peer.
    fn end_attempt(&self, ctx: &mut Context, outcome: Option<Outcome>, now: Instant) {
        if let Some(attempt) = ctx.attempt.take() {
            ctx.last_peer = Some(attempt.peer);
            if let Some(trace) = &mut ctx.trace {
                trace.attempt_ended(attempt.peer, Interval { from: attempt.started, to: now }, outcome);
            }
            if let Some(outcome) = outcome {
                self.metrics.upstream(ctx.upstream, attempt.peer, outcome, now - attempt.started);
                if let Some(cluster) = self.clusters.get(ctx.upstream) {
                    cluster.attempt_ended(attempt.peer, sign(outcome, ctx));
                }
            }
        }
    }

    /// The end of every request: metrics and the log line.
    pub(super) fn finish(&self, session: &Session, error: Option<&Error>, ctx: &mut Context) {
        let error = error.filter(|_| !ctx.tunnelled);
        let now = Instant::now();
        self.end_attempt(ctx, error.map_or(Some(Outcome::Ok), outcome), now);
        if let Some(error) = error
            && ctx.reason.is_none()
        {
            ctx.reason = Some(reason(error, ctx));
        }
        let written = session.response_written().map(|r| r.status.as_u16());
        let status = match ctx.reason {
            Some(Reason::ClientClosed) => Reason::ClientClosed.status(),
            Some(reason) => written.unwrap_or(reason.status()),
            None => written.unwrap_or(Reason::ClientClosed.status()),
        };
        let elapsed = now - ctx.started;
        if let Some(reason) = ctx.reason {
            self.metrics.not_forwarded(ctx.route, reason);
        }
        if let Some(limit) = ctx.limit {
            self.metrics.limited(limit);
        }
        if let Some(app) = &ctx.app {
            self.metrics.app(app, ctx.reason, &self.apps);
        }
        // Last: whoever sees the request counted finds everything else about it counted too.
        self.metrics.request(ctx.route, &session.req_header().method, status, elapsed);
        if self.access_log.picks(ctx.reason.is_some()) {
            self.log(session, ctx, status, elapsed);
        }
        self.record(session, ctx, (status, elapsed));
    }

    fn log(&self, session: &Session, ctx: &Context, status: u16, duration: Duration) {
        let request = session.req_header();
        let trace = ctx.trace_id().or_else(|| Some(trace::caller(&request.headers)?.trace)).map(|id| id.to_string());
        let cluster = ctx.last_peer.and_then(|_| self.clusters.get(ctx.upstream));
        let peer = ctx.last_peer.zip(cluster).and_then(|(at, c)| c.peers().get(at));
        self.access_log.write(&Entry {
            time: ctx.time,
            request_id: ctx.request_id(session).to_str().unwrap_or_default(),
            trace_id: trace.as_deref(),
            client: session.client_addr().and_then(|a| a.as_inet()).copied(),
            method: request.method.as_str(),
            path: path_only(request.raw_path()),
            protocol: protocol(request.version),
            status,
            route: ctx.route.and_then(|r| self.routes.get(r)).map(|r| &*r.name),
            reason: ctx.reason,
            limit: ctx.limit,
            app: ctx.app.as_deref(),
            user: ctx.identity.as_ref().and_then(|identity| identity.user.as_deref()),
            previous_key: ctx.previous_key,
            duration,
            auth: ctx.judged,
            upstream: cluster.map(|c| c.name.as_str()),
            peer: peer.map(|p| p.address.as_str()),
            attempts: ctx.attempts,
            answered_after: ctx.answered_after,
            bytes_in: ctx.bytes_in,
            bytes_out: ctx.bytes_out,
        });
    }

    /// Requests being worked on, streams among them, and those being told that there are too many.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Streams under way.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }
}

/// A target without its query.
fn path_only(raw: &[u8]) -> &[u8] {
    raw.split(|b| *b == b'?').next().unwrap_or_default()
}

const fn protocol(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_2 => "HTTP/2",
        http::Version::HTTP_10 => "HTTP/1.0",
        http::Version::HTTP_09 => "HTTP/0.9",
        _ => "HTTP/1.1",
    }
}

/// As `network.protocol.version` spells it.
pub(super) const fn version(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_2 => "2",
        http::Version::HTTP_10 => "1.0",
        http::Version::HTTP_09 => "0.9",
        _ => "1.1",
    }
}
