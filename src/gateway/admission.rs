//! Whether a request may go on: the contract's steps 1 to 6, in their order.

use std::cell::RefCell;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri, Version, header};
use pingora::http::RequestHeader;
use pingora_proxy::Session;

use super::context::{Context, Identity};
use super::expect::{ask_for_body, expects_continue};
use super::state::State;
use crate::auth::binding::{Tally, Vouch};
use crate::auth::decision::{self, KeyUsed, Now, Rule, Verdict};
use crate::listener::patience;
use crate::reason::Reason;
use crate::request::body::BodyPlaces;
use crate::request::head;
use crate::request::identities::Head;
use crate::request::request_id;
use crate::request::target::Target;
use crate::telemetry::trace::Interval;

thread_local! {
    /// Where token parts are decoded; kept, so that judging doesn't allocate.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What the head decided.
pub(super) enum Step<'s> {
    /// Forward.
    Forward,
    /// The token is good; the body names identities too.
    ReadBody(Pending<'s>),
}

/// What is still to be asked of the body.
pub(super) struct Pending<'s> {
    pub places: &'s BodyPlaces,
    pub vouch: Vouch,
    pub tally: Tally,
    pub max_bytes: u64,
}

impl State {
    /// Settings of the connection, and the request's id.
    pub(super) fn prepare(&self, session: &mut Session, ctx: &mut Context) {
        patience::head_complete(session);
        if self.leaving.load(Ordering::Relaxed) || self.connections.are_scarce() {
            session.set_keepalive(None);
        }
        session.set_write_timeout(Some(self.limits.write_timeout));
        let headers = &session.req_header().headers;
        ctx.fresh_id = request_id::fresh_unless_good(headers.get_all(super::REQUEST_ID).iter());
        ctx.trace = self.begin_trace(session);
        ctx.tunnel = asks_for_websocket(session.req_header());
        ctx.awaits_continue = expects_continue(session.req_header());
    }

    /// Judges a request, its body included.
    ///
    /// # Errors
    /// The reason for which it is turned away.
    pub(super) async fn admit(&self, session: &mut Session, ctx: &mut Context) -> Result<(), Reason> {
        let step = self.judge_head(session, ctx);
        let head = Interval { from: ctx.started, to: Instant::now() };
        let head_time = head.to - head.from;
        if let Some(trace) = &mut ctx.trace {
            trace.judged(head, step.as_ref().err().copied());
        }
        ctx.admitted = (!ctx.awaits_continue).then_some(head.to);
        let (outcome, body_time) = match step {
            Ok(Step::Forward) => (Ok(()), Duration::ZERO),
            Ok(Step::ReadBody(pending)) => self.judge_body(session, ctx, &pending).await,
            Err(reason) => (Err(reason), Duration::ZERO),
        };
        if ctx.judged.is_some() {
            let judged = head_time + body_time;
            ctx.judged = Some(judged);
            self.metrics.judged(judged);
        }
        outcome?;
        self.charge_app(ctx)?;
        if !session.is_body_empty() {
            ask_for_body(session, ctx).await?;
        }
        Ok(())
    }

    fn judge_head(&self, session: &mut Session, ctx: &mut Context) -> Result<Step<'_>, Reason> {
        let head = RawHead::of(session);
        if head.len() > self.limits.max_header_bytes {
            return Err(Reason::HeadTooLarge);
        }
        let request = session.req_header();
        let host = request.headers.get(header::HOST).map(http::HeaderValue::as_bytes);
        if host.is_none() && request.version == Version::HTTP_11 {
            return Err(Reason::BadRequest);
        }
        if !host.is_none_or(head::is_host) {
            return Err(Reason::BadRequest);
        }
        if !head.has_one_length(&request.headers) {
            ctx.broken_body = true;
            return Err(Reason::BadRequest);
        }
        let target = Target::parse(head.target(request), host)?;
        let rewritten = (!target.is_origin_form(request.raw_path())).then(|| target.to_origin_form());
        let step = self.judge_target(request, &target, ctx);
        if let Some(target) = rewritten {
            // What was checked is what is forwarded.
            set_target(session.req_header_mut(), &target).ok_or(Reason::PathAmbiguous)?;
        }
        let step = step?;
        self.bound_body(session, ctx, &step)?;
        Ok(step)
    }

    fn judge_target(
        &self,
        request: &RequestHeader,
        target: &Target<'_>,
        ctx: &mut Context,
    ) -> Result<Step<'_>, Reason> {
        let asked = preflight_method(request)?;
        let found = self.table.find(&target.path, asked.as_ref().unwrap_or(&request.method)).inspect_err(|_| {
            // A refused method is answered in the form of the path's route.
            ctx.route = self.table.routes_of(&target.path).ok().and_then(|routes| routes.first().copied());
        })?;
        let route = self.routes.get(found.route).ok_or(Reason::Internal)?;
        ctx.route = Some(found.route);
        ctx.upstream = route.upstream;
        ctx.app = route.app.and_then(|app| found.captures.get(&target.path, app)).map(Into::into);
        self.refuse_lenient_reading(&target.path, route)?;
        if asked.is_some() {
            return Ok(Step::Forward);
        }
        let Some(rule) = &route.rule else { return Ok(Step::Forward) };
        if self.staleness.refuses() {
            return Err(Reason::AppsStale);
        }
        ctx.judged = Some(Duration::ZERO);
        let captures = &found.captures;
        let head = Head { path: &target.path, captures, query: target.query, headers: &request.headers };
        let tally = self.judge_token(rule, &head, ctx)?;
        Ok(match tally.zip(rule.places.body()) {
            None => Step::Forward,
            Some((tally, places)) => {
                let max_bytes = route.max_body_bytes.unwrap_or(u64::MAX);
                Step::ReadBody(Pending { places, vouch: rule.vouch, tally, max_bytes })
            }
        })
    }

    /// Judges the token; what the head named, or `None` for an app without JWT.
    fn judge_token(&self, rule: &Rule, head: &Head<'_>, ctx: &mut Context) -> Result<Option<Tally>, Reason> {
        SCRATCH.with_borrow_mut(|scratch| {
            let judgement = decision::judge(rule, head, &self.apps.load(), claims_time(ctx.time), scratch);
            if let Some(key) = judgement.key {
                ctx.previous_key = Some(key == KeyUsed::Previous);
                self.metrics.key_matched(key == KeyUsed::Previous);
            }
            let verified = match judgement.verdict? {
                Verdict::Open => return Ok(None),
                Verdict::Verified(verified) => verified,
            };
            if verified.suspect_exp {
                self.metrics.suspect_exp();
            }
            ctx.identity = Some(Identity {
                user: verified.user.as_deref().map(Into::into),
                customer: verified.customer.as_deref().map(Into::into),
            });
            Ok(Some(verified.tally))
        })
    }

    /// Sets the bound of a body that streams. One that is read first has its own, and an app without JWT on a
    /// route with body places has none.
    fn bound_body(&self, session: &Session, ctx: &mut Context, step: &Step<'_>) -> Result<(), Reason> {
        let Some(route) = ctx.route.and_then(|r| self.routes.get(r)) else { return Ok(()) };
        let read_first = route.rule.as_ref().is_some_and(|rule| rule.places.body().is_some());
        let limit = match (step, route.max_body_bytes) {
            (Step::ReadBody(pending), _) => pending.max_bytes,
            (Step::Forward, Some(limit)) if !read_first => limit,
            _ => return Ok(()),
        };
        if content_length(session.req_header()).is_some_and(|len| len > limit) {
            return Err(Reason::BodyTooLarge);
        }
        ctx.body_limit = Some(limit);
        Ok(())
    }
}

/// The wall clock as claims know it. A token is judged as of when its request's head had arrived.
fn claims_time(time: SystemTime) -> Now {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Now(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A head as it came, for what Pingora's parsed form has lost.
pub(super) enum RawHead {
    /// The bytes of HTTP/1; a view, not a copy.
    Http1(Bytes),
    /// The size of HTTP/2's names and values.
    Http2(usize),
}

impl RawHead {
    pub(super) fn of(session: &Session) -> Self {
        if !session.is_http2() {
            return Self::Http1(session.to_h1_raw());
        }
        let request = session.req_header();
        // Each with what stands around it in HTTP/1, so that the bound is the same for what goes upstream.
        let fields: usize = request.headers.iter().map(|(n, v)| n.as_str().len() + v.len() + ": \r\n".len()).sum();
        Self::Http2(fields + request.raw_path().len())
    }

    fn len(&self) -> usize {
        match self {
            Self::Http1(bytes) => bytes.len(),
            Self::Http2(len) => *len,
        }
    }

    /// The target with its fragment, which Pingora drops.
    fn target<'a>(&'a self, request: &'a RequestHeader) -> &'a [u8] {
        match self {
            Self::Http1(bytes) => head::target(bytes).unwrap_or_default(),
            Self::Http2(_) => request.raw_path(),
        }
    }

    /// Whether the body's length is said in one way. Pingora lets chunks win over a length; a server behind could
    /// see it otherwise (RFC 9112 section 6.1). Any coding but `chunked` alone would be lost on the way.
    pub(super) fn has_one_length(&self, headers: &HeaderMap) -> bool {
        let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
        let Some(coding) = codings.next() else { return has_plain_length(headers) };
        let beside_a_length = matches!(self, Self::Http1(bytes) if head::has(bytes, "content-length"));
        coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none() && !beside_a_length
    }
}

/// At most one `Content-Length`, spelled in the one way: no list, not even of equal values, and no leading zero.
fn has_plain_length(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(length) = lengths.next().map(http::HeaderValue::as_bytes) else { return true };
    let plain = length == b"0" || (length.iter().all(u8::is_ascii_digit) && length.first().is_some_and(|b| *b != b'0'));
    plain && lengths.next().is_none()
}

/// Replaces the target by one in origin form. HTTP/2 has its authority in the same place, which stays.
fn set_target(request: &mut RequestHeader, target: &[u8]) -> Option<()> {
    if request.uri.authority().is_none() {
        return request.set_raw_path(target).ok();
    }
    let mut parts = request.uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    request.set_uri(Uri::from_parts(parts).ok()?);
    Some(())
}

/// The length the head announces; more than fits a number is too long for any bound.
fn content_length(request: &RequestHeader) -> Option<u64> {
    let value = request.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
    Some(value.trim().parse().unwrap_or(u64::MAX))
}

/// A preflight is matched by the method it asks for (Fetch standard); `None`: this is none.
fn preflight_method(request: &RequestHeader) -> Result<Option<Method>, Reason> {
    let asked = request.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD);
    match asked {
        Some(asked) if request.method == Method::OPTIONS && request.headers.contains_key(header::ORIGIN) => {
            // Something that is no method at all is among no route's.
            Method::from_bytes(asked.as_bytes()).map(Some).map_err(|_| Reason::MethodNotAllowed)
        }
        _ => Ok(None),
    }
}

/// A WebSocket handshake (RFC 6455 section 4.1). Any other upgrade is refused by stripping it, so it must not get a
/// tunnel's patience either.
fn asks_for_websocket(request: &RequestHeader) -> bool {
    let lists = |name, word: &str| {
        let values = request.headers.get_all(name).iter().filter_map(|v| v.to_str().ok());
        values.flat_map(|v| v.split(',')).any(|token| token.trim().eq_ignore_ascii_case(word))
    };
    request.method == Method::GET
        && request.version == Version::HTTP_11
        && lists(header::UPGRADE, "websocket")
        && lists(header::CONNECTION, "upgrade")
}
