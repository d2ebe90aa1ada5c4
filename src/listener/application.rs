//! Pingora's proxy application, with the idle time of HTTP/2 connections as it is configured.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::server::ShutdownWatch;

use super::times::SharedTimes;

/// An HTTP application whose HTTP/2 connections end when nothing was asked for a time.
pub(super) struct Application<A> {
    inner: Arc<A>,
    times: SharedTimes,
}

impl<A> Application<A> {
    pub(super) fn new(inner: A, times: SharedTimes) -> Self {
        Self { inner: Arc::new(inner), times }
    }
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for Application<A> {
    /// The proxy's own future, as `async_trait` would write it but for one box around the other.
    fn process_new_http<'s, 'w, 'f>(
        self: &'s Arc<Self>,
        session: ServerSession,
        shutdown: &'w ShutdownWatch,
    ) -> Pin<Box<dyn Future<Output = Option<ReusedHttpStream>> + Send + 'f>>
    where
        's: 'f,
        'w: 'f,
        Self: 'f,
    {
        self.inner.process_new_http(session, shutdown)
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.inner.h2_options()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(self.times.load().http2)
    }

    async fn http_cleanup(&self) {
        self.inner.http_cleanup().await;
    }
}
