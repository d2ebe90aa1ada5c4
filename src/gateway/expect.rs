//! `Expect: 100-continue` (RFC 9110 section 10.1.1): whether a client waits before it sends its body, and the word to go
//! on.

use http::{Version, header};
use pingora::http::RequestHeader;
use pingora_proxy::Session;

use super::context::Context;
use crate::reason::Reason;

/// Whether a client waits for the word before it sends a body.
pub(super) fn expects_continue(request: &RequestHeader) -> bool {
    request.version >= Version::HTTP_11
        && request.headers.get(header::EXPECT).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Tells a client that waits for it to send its body.
///
/// # Errors
/// The client is gone.
pub(super) async fn ask_for_body(session: &mut Session, ctx: &mut Context) -> Result<(), Reason> {
    if !std::mem::take(&mut ctx.awaits_continue) {
        return Ok(());
    }
    // Pingora takes an interim answer before the body's end for a reason to close after the final one.
    let keepalive = session.get_keepalive();
    session.write_continue_response().await.map_err(|_| Reason::ClientClosed)?;
    session.set_keepalive(keepalive);
    Ok(())
}
