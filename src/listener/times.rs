//! How long a connection may keep the gateway waiting, as a reload may change it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::apps::HttpServerOptions;

/// How long is waited, for connections that are accepted from now on.
pub type SharedTimes = Arc<ArcSwap<Times>>;

/// How long is waited.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// For the first byte of a head.
    pub idle: Duration,
    /// From then on, for its last.
    pub head: Duration,
    /// The same for HTTP/2, as Pingora asks for it.
    pub(super) http2: &'static HttpServerOptions,
}

impl Times {
    /// `idle` until the first byte of a head, then `head` until its last.
    #[must_use]
    pub fn new(idle: Duration, head: Duration) -> Self {
        let mut options = HttpServerOptions::default();
        options.h2_idle_timeout = Some(idle);
        // Pingora borrows them for as long as it likes; a few bytes for each value that was ever configured.
        Self { idle, head, http2: Box::leak(Box::new(options)) }
    }
}
