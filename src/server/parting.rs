//! Client connections at the end of the process: idle ones are closed when it parts with its clients, which after a
//! handover is later than the closing of the listeners.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;

use super::stages::{Stages, reached};

/// An application whose idle connections outlive the listeners.
///
/// Pingora closes them as soon as it accepts no more: a request that is on its way to one of them then fails. Once
/// nothing is accepted, answers end their connection, and HTTP/2 clients are told to go (RFC 9113 section 6.8).
pub struct Parting<A> {
    inner: Arc<A>,
    stages: Stages,
}

impl<A> Parting<A> {
    /// Around `inner`.
    pub fn new(inner: A, stages: Stages) -> Self {
        Self { inner: Arc::new(inner), stages }
    }
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for Parting<A> {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        self.inner.process_new(stream, shutdown).await
    }

    async fn cleanup(&self) {
        reached(&mut self.stages.parting.clone()).await;
        self.inner.cleanup().await;
    }
}
