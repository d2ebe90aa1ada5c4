//! What `/status` says about a listener: where it is, and what is spoken there.

use serde::Serialize;

use crate::config::settings::Listener;

/// A listener, as it is configured.
#[expect(clippy::struct_excessive_bools, reason = "what is on and what is off, as people read it")]
#[derive(Clone, Debug, Serialize)]
pub(super) struct ListenerSummary {
    address: String,
    tls: bool,
    /// HTTP/2 is offered by ALPN.
    http2: bool,
    /// HTTP/2 is spoken without TLS, on connections that begin with its preface.
    h2c: bool,
    proxy_protocol: bool,
}

impl ListenerSummary {
    pub(super) fn new(listener: &Listener) -> Self {
        Self {
            address: listener.address.to_string(),
            tls: listener.tls.is_some(),
            http2: listener.tls.as_ref().is_some_and(|tls| tls.http2),
            h2c: listener.h2c,
            proxy_protocol: listener.proxy_protocol,
        }
    }
}
