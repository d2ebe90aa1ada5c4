//! The gateway's own answers: written so that the connection can go on where HTTP allows it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;

use super::REQUEST_ID;
use super::admission::RawHead;
use super::budgets::{PLACE_AFTER, limited};
use super::context::Context;
use super::state::State;
use crate::auth::rejection::{self, Form};
use crate::reason::Reason;
use crate::telemetry::Limit;

/// An unread body is drained up to this much, and for so long; a larger one closes the connection.
const DRAIN_BYTES: usize = 256 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(1);

impl State {
    /// Answers for `reason`, in the route's form.
    ///
    /// # Errors
    /// The client is gone.
    pub(super) async fn answer(&self, session: &mut Session, ctx: &mut Context, reason: Reason) -> Result<()> {
        let form = ctx.route.and_then(|r| self.routes.get(r)).map_or(self.default_form, |r| r.form);
        // A client that waits for `100 Continue` may or may not send its body now: the next bytes could be either.
        if ctx.awaits_continue || ctx.broken_body || !drained(session).await {
            session.set_keepalive(None);
        }
        self.write(session, ctx, reason, form).await
    }

    /// Answers a request that came when as many as may be were under way, at once: nothing of it is looked at but where
    /// it ends. Its connection goes on if its whole body is there already; otherwise the answer doesn't wait for it.
    ///
    /// # Errors
    /// The client is gone.
    pub(super) async fn shed(&self, session: &mut Session, ctx: &mut Context) -> Result<()> {
        let reason = limited(ctx, Limit::ConcurrentRequests, PLACE_AFTER);
        ctx.reason = Some(reason);
        let unclear = ctx.awaits_continue || !RawHead::of(session).has_one_length(&session.req_header().headers);
        let done = !unclear && tokio::time::timeout(Duration::ZERO, drained(session)).await.unwrap_or(false);
        if !done {
            session.set_keepalive(None);
        }
        self.write(session, ctx, reason, self.default_form).await?;
        if !(done || unclear) {
            // A connection that is closed on unread bytes is reset, and the answer may be lost with it.
            drained(session).await;
        }
        Ok(())
    }

    async fn write(&self, session: &mut Session, ctx: &mut Context, reason: Reason, form: Form) -> Result<()> {
        let body = rejection::body(reason, form);
        let head = self.answer_head(session, ctx, reason, form)?;
        let bodyless = session.req_header().method == http::Method::HEAD;
        session.write_response_header(Box::new(head), bodyless).await?;
        if !bodyless {
            ctx.bytes_out = body.len() as u64;
            session.write_response_body(Some(Bytes::from_static(body.as_bytes())), true).await?;
        }
        Ok(())
    }

    fn answer_head(&self, session: &Session, ctx: &Context, reason: Reason, form: Form) -> Result<ResponseHeader> {
        let mut head = ResponseHeader::build(rejection::status(reason, form), Some(8))?;
        head.insert_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))?;
        head.insert_header(header::CONTENT_LENGTH, rejection::body(reason, form).len())?;
        head.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))?;
        head.insert_header(REQUEST_ID, ctx.request_id(session).clone())?;
        if let Some(challenge) = rejection::challenge(reason, form) {
            head.insert_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))?;
        }
        if reason == Reason::MethodNotAllowed {
            let path = session.req_header().uri.path();
            head.insert_header(header::ALLOW, self.table.allowed(path).join(", "))?;
        }
        if let Some(wait) = ctx.retry_after.filter(|_| reason == Reason::RateLimited) {
            // Whole seconds, and not a moment too early.
            head.insert_header(header::RETRY_AFTER, wait.as_nanos().div_ceil(1_000_000_000).max(1).to_string())?;
        }
        if let Some(cors) = &self.cors {
            cors.allow(&session.req_header().headers, &mut head)?;
        }
        Ok(head)
    }
}

/// Reads an unread body away; false where that would be too much.
async fn drained(session: &mut Session) -> bool {
    let whole = async {
        let mut len = 0;
        while !session.is_body_done() {
            match session.read_request_body().await {
                Ok(Some(piece)) => len += piece.len(),
                Ok(None) => return true,
                Err(_) => return false,
            }
            if len > DRAIN_BYTES {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(DRAIN_TIME, whole).await.unwrap_or(false)
}
