//! What one request has decided and counted so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use http::HeaderValue;
use pingora::Result;
use pingora_proxy::Session;

use super::trace::Trace;
use super::{REQUEST_ID, refusal};
use crate::limit::{Flight, Hold};
use crate::reason::Reason;
use crate::request::traceparent::TraceId;
use crate::telemetry::Limit;
use crate::upstream::Tried;
use crate::upstream::budget::Retry;
use crate::upstream::load::Carried;

/// The state of one request, from its head to its log line.
#[expect(clippy::struct_excessive_bools, reason = "each is one fact, and all combinations occur")]
pub struct Context {
    /// When its head had arrived.
    pub started: Instant,
    /// The same, for people.
    pub time: SystemTime,
    /// `X-Request-Id`; `None`: the client's own is kept.
    pub fresh_id: Option<HeaderValue>,
    /// Its part in a trace; `None`: traces are off.
    pub(super) trace: Option<Trace>,
    /// Index of its route.
    pub route: Option<usize>,
    /// Why it is not forwarded, or not answered by its upstream.
    pub reason: Option<Reason>,
    /// Which limit it is over.
    pub limit: Option<Limit>,
    /// After how long a budget that is spent has something in it again.
    pub retry_after: Option<Duration>,
    /// Where its appId stands in the path.
    pub app: Option<Box<str>>,
    /// For whom its verified token speaks; `None`: no token was verified.
    pub identity: Option<Identity>,
    /// Whether its token was signed with the previous secret; `None`: with none that is known.
    pub previous_key: Option<bool>,
    /// How long judging took, waiting for the body excluded.
    pub judged: Option<Duration>,
    /// When judging ended, body included; `None`: its client was waited for since.
    pub admitted: Option<Instant>,
    /// The body's bound.
    pub body_limit: Option<u64>,
    /// The upstream it goes to.
    pub upstream: usize,
    /// The attempt under way.
    pub attempt: Option<Attempt>,
    /// When the first one began.
    pub forwarded: Option<Instant>,
    /// How long after that the upstream's answer began.
    pub answered_after: Option<Duration>,
    /// The peer of the last attempt that ended.
    pub last_peer: Option<usize>,
    /// Whether the attempt's connection was a kept one that its peer may close at any time.
    pub reused: bool,
    /// Whether the peer answered that somebody behind it failed, or that it is too busy.
    pub gateway_error: bool,
    /// Attempts so far.
    pub attempts: u32,
    /// What the retry under way was allowed by.
    pub retry: Option<Retry>,
    /// Peers tried so far.
    pub tried: Tried,
    /// It asks for an upgrade, and is a tunnel if the upstream agrees.
    pub tunnel: bool,
    /// It is one.
    pub tunnelled: bool,
    /// The client waits for `100 Continue` before it sends its body.
    pub awaits_continue: bool,
    /// Where its body ends can't be told: nothing more is read, and the connection ends with the answer.
    pub broken_body: bool,
    /// Bytes of its body sent upstream in this attempt.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Its place among those of its app that are under way.
    pub place: Option<Hold<Arc<str>>>,
    flight: Flight,
    /// Where it is counted as a stream, if it is one.
    stream: Option<Arc<AtomicUsize>>,
}

/// For whom a verified token speaks, as it is told to the upstream.
#[derive(Debug)]
pub struct Identity {
    /// The token's user.
    pub user: Option<Box<str>>,
    /// The token's customer.
    pub customer: Option<Box<str>>,
}

/// One attempt to forward.
#[derive(Debug)]
pub struct Attempt {
    /// Index of the peer.
    pub peer: usize,
    /// When it began.
    pub started: Instant,
    /// Counts it among those under way at the peer.
    pub carried: Carried,
}

impl Context {
    /// A fresh request; it is under way until this is dropped, however it ends.
    #[must_use]
    pub fn new(flight: Flight) -> Self {
        Self {
            started: Instant::now(),
            time: SystemTime::now(),
            fresh_id: None,
            trace: None,
            route: None,
            reason: None,
            limit: None,
            retry_after: None,
            app: None,
            identity: None,
            previous_key: None,
            judged: None,
            admitted: None,
            body_limit: None,
            upstream: 0,
            attempt: None,
            forwarded: None,
            answered_after: None,
            last_peer: None,
            reused: false,
            gateway_error: false,
            attempts: 0,
            retry: None,
            tried: Tried::default(),
            tunnel: false,
            tunnelled: false,
            awaits_continue: false,
            broken_body: false,
            bytes_in: 0,
            bytes_out: 0,
            place: None,
            flight,
            stream: None,
        }
    }

    /// Whether it came when as many as may be were under way.
    #[must_use]
    pub const fn is_shed(&self) -> bool {
        self.flight.is_shed()
    }

    /// It won't be served, and takes no place among those that are: what is left to do, reading a body away or writing to
    /// a client that doesn't read, is up to the client.
    pub fn leave(&mut self) {
        self.place = None;
        self.flight.shed();
    }

    /// Counts a piece of the body against its bound.
    ///
    /// # Errors
    /// The bound is passed: the exchange ends, and the upstream never sees a complete request.
    pub fn count_body(&mut self, len: usize) -> Result<()> {
        self.bytes_in += len as u64;
        if self.body_limit.is_some_and(|limit| self.bytes_in > limit) {
            self.reason = Some(Reason::BodyTooLarge);
            return Err(refusal(Reason::BodyTooLarge).into_down());
        }
        Ok(())
    }

    /// The upstream agreed to the upgrade: from here on bytes pass that are no body, and the end is nobody's fault.
    pub const fn enter_tunnel(&mut self) {
        self.tunnelled = true;
        self.body_limit = None;
    }

    /// Its answer has no foreseeable end: from here on it is counted among `streams` too, until it is dropped.
    pub fn become_stream(&mut self, streams: &Arc<AtomicUsize>) {
        if self.stream.is_none() {
            streams.fetch_add(1, Ordering::Relaxed);
            self.stream = Some(Arc::clone(streams));
        }
    }

    /// The trace it belongs to; `None`: traces are off.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        self.trace.as_ref().map(|trace| trace.id)
    }

    /// The request's id: a fresh one, or the client's. A clone of it shares its bytes.
    #[must_use]
    pub fn request_id<'a>(&'a self, session: &'a Session) -> &'a HeaderValue {
        static NONE: HeaderValue = HeaderValue::from_static("");
        let id = self.fresh_id.as_ref().or_else(|| session.req_header().headers.get(REQUEST_ID));
        id.unwrap_or(&NONE)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // Before the flight itself: what is taken for a request that is none ends nothing early.
        if let Some(streams) = &self.stream {
            streams.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
