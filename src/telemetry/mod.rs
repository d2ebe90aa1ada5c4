//! What the gateway tells about itself: metrics, the access log, traces, the operational log.
//!
//! Telemetry is told outcomes, it computes none. On the request path nothing here formats a label, searches a
//! map or waits for a lock or a disk. No query string, token or secret passes through this room.

pub mod access_log;
mod certificates;
mod connections;
mod families;
mod feed;
mod limited;
mod line;
pub mod log;
pub mod metrics;
#[cfg(test)]
mod pages;
mod reload_result;
mod requests;
pub mod trace;
mod upstreams;

pub use access_log::AccessLog;
pub use certificates::CertificateReload;
pub use connections::{ListenerSeries, Open, Refusal};
pub use limited::Limit;
pub use line::Entry;
pub use metrics::Metrics;
pub use reload_result::ReloadResult;
pub use trace::Tracing;
pub use upstreams::Outcome;
