//! What happens to gateways in production, under steady load: each scenario tells what came of the requests.
//!
//! Tests hold the outcomes against what is promised; the resilience bench prints them.

pub mod certificates;
pub mod deploys;
pub mod names;
pub mod peers;

use std::time::Instant;

use crate::support::load::{Load, Report};

/// What came of a scenario.
#[derive(Debug)]
pub struct Outcome {
    /// All requests.
    pub report: Report,
    /// When it happened.
    pub event: Instant,
}

impl Outcome {
    async fn of(load: Load, event: Instant) -> Self {
        Self { report: load.end().await, event }
    }
}
