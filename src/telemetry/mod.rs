//! What the gateway tells about itself: metrics, the access log, traces, the operational log.
//!
//! Telemetry is told outcomes, it computes none. On the request path nothing here formats a label, searches a
//! map or waits for a lock or a disk. No query string, token or secret passes through this room.

pub mod access_log;
mod certificates;
mod connections;
mod entry;
mod families;
mod feed;
pub mod format;
mod limited;
mod line;
pub mod log;
pub mod metrics;
#[cfg(test)]
mod pages;
mod per_app;
mod process;
mod reload_result;
mod requests;
mod totals;
pub mod trace;
mod upgrade_result;
mod upstreams;
mod user;

pub use access_log::AccessLog;
pub use certificates::CertificateReload;
pub use connections::{ListenerSeries, NoRequest, Open, Refusal};
pub use entry::{Entry, Field};
pub use format::Format;
pub use limited::Limit;
pub use metrics::Metrics;
pub use process::Runtimes;
pub use reload_result::ReloadResult;
pub use totals::Totals;
pub use trace::Tracing;
pub use upgrade_result::UpgradeResult;
pub use upstreams::Outcome;
pub use user::{ShownUser, UserKey};
