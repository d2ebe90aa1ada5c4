//! Reading a body before it is forwarded: bounded in size and time, and only where a route names places in it.
//!
//! Pingora keeps what is read here in its retry buffer (64 KiB, which is why no bound may be larger) and sends it
//! upstream itself.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, header};
use pingora::ErrorType;
use pingora_proxy::Session;

use super::admission::Pending;
use super::context::Context;
use super::expect::ask_for_body;
use super::state::State;
use crate::auth::binding::Binding;
use crate::auth::decision::subject;
use crate::reason::Reason;
use crate::request::body::Body;
use crate::telemetry::trace::Interval;

impl State {
    /// Reads the body and binds what it names. The time returned is that of judging, not of waiting.
    pub(super) async fn judge_body(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        pending: &Pending<'_>,
    ) -> (Result<(), Reason>, Duration) {
        let asked = ctx.trace.as_ref().filter(|_| !session.is_body_empty()).map(|_| Instant::now());
        let (outcome, time, ended) = match self.read_body(session, ctx, pending.max_bytes).await {
            Err(reason) => (Err(reason), Duration::ZERO, Instant::now()),
            Ok(body) => {
                let started = Instant::now();
                let outcome = self.bind_body(session, ctx, pending, body.as_deref().unwrap_or_default());
                let ended = Instant::now();
                (outcome, ended - started, ended)
            }
        };
        ctx.admitted = Some(ended);
        if let (Some(trace), Some(from)) = (&mut ctx.trace, asked) {
            trace.body_read(Interval { from, to: ended }, outcome.err());
        }
        (outcome, time)
    }

    async fn read_body(&self, session: &mut Session, ctx: &mut Context, max: u64) -> Result<Option<Bytes>, Reason> {
        if session.is_body_empty() {
            return Ok(None);
        }
        ask_for_body(session, ctx).await?;
        session.enable_retry_buffering();
        let whole = read_within(self.limits.body_read_timeout, session, max).await;
        ctx.broken_body = matches!(whole, Err(Reason::BadRequest | Reason::BodyTimeout));
        whole?;
        if session.as_ref().retry_buffer_truncated() {
            return Err(Reason::BodyTooLarge);
        }
        let body = session.get_retry_buffer();
        ctx.bytes_in = body.as_ref().map_or(0, |b| b.len() as u64);
        Ok(body)
    }

    fn bind_body(&self, session: &Session, ctx: &Context, pending: &Pending<'_>, body: &[u8]) -> Result<(), Reason> {
        // A body is only read once a token was verified.
        let (Some(identity), Some(app)) = (&ctx.identity, &ctx.app) else { return Err(Reason::Internal) };
        if !body.is_empty() && !is_plain_json(&session.req_header().headers) {
            return Err(Reason::BodyUnreadable);
        }
        let subject = subject(app, identity.user.as_deref(), identity.customer.as_deref());
        let mut binding = Binding::resume(&subject, pending.vouch, pending.tally);
        let read = pending.places.bind(body, &mut binding)?;
        if read == Body::Encrypted {
            self.metrics.encrypted_body();
        }
        if read != Body::Plain && !self.allow_encrypted_bodies {
            return Err(Reason::BodyUnreadable);
        }
        binding.finish()
    }
}

async fn read_within(time: Duration, session: &mut Session, max: u64) -> Result<(), Reason> {
    let mut reading = pin!(read_to_end(session, max));
    // Most bodies come with their heads, and need no timer.
    match poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await {
        Poll::Ready(whole) => whole,
        Poll::Pending => tokio::time::timeout(time, reading).await.unwrap_or(Err(Reason::BodyTimeout)),
    }
}

async fn read_to_end(session: &mut Session, max: u64) -> Result<(), Reason> {
    let mut len = 0u64;
    loop {
        match session.read_request_body().await {
            Ok(None) => return Ok(()),
            Ok(Some(piece)) => len += piece.len() as u64,
            Err(error) => {
                return Err(match error.etype() {
                    ErrorType::ReadTimedout => Reason::BodyTimeout,
                    ErrorType::ReadError | ErrorType::ConnectionClosed | ErrorType::H2Error => Reason::ClientClosed,
                    // Chunks that are none.
                    _ => Reason::BadRequest,
                });
            }
        }
        if len > max {
            return Err(Reason::BodyTooLarge);
        }
    }
}

/// Whether the head says JSON in UTF-8 without encoding, or says nothing.
fn is_plain_json(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return false;
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let Some(value) = types.next() else { return true };
    if types.next().is_some() {
        return false;
    }
    let value = String::from_utf8_lossy(value.as_bytes());
    let mut parts = value.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    if media.is_empty() {
        return value.trim().is_empty();
    }
    media.eq_ignore_ascii_case("application/json") && parts.all(is_harmless_parameter)
}

/// Parameters other than charset are ignored.
fn is_harmless_parameter(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return true };
    let value = value.trim().trim_matches('"');
    !name.trim().eq_ignore_ascii_case("charset") || value.eq_ignore_ascii_case("utf-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn json_in_utf_8_or_nothing_said() {
        let plain = |types: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for t in types {
                headers.append("content-type", HeaderValue::from_bytes(t.as_bytes()).unwrap());
            }
            is_plain_json(&headers)
        };
        for good in [
            "",
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\";x=y",
            "application/json; x=\u{e9}",
        ] {
            assert!(plain(&[good]), "{good}");
        }
        assert!(plain(&[]));
        for bad in
            ["text/plain", "application/json; charset=utf-16", "application/x-www-form-urlencoded", ";charset=utf-8"]
        {
            assert!(!plain(&[bad]), "{bad}");
        }
        assert!(!plain(&["application/json", "application/json"]));
        let mut encoded = HeaderMap::new();
        encoded.insert("content-encoding", HeaderValue::from_static("identity"));
        assert!(!is_plain_json(&encoded));
    }
}
