//! What the gateway tells about requests, in normal form.

use std::path::PathBuf;

use super::Tracing;
use crate::telemetry::{Format, ShownUser};

/// What the gateway tells about requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// The access log.
    pub access_log: AccessLog,
    /// Which apps have counters of their own.
    pub per_app: PerApp,
    /// Traces; `None`: none are made.
    pub tracing: Option<Tracing>,
}

/// Which apps have counters of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerApp {
    /// What is counted.
    pub apps: CountedApps,
    /// For how many apps at most; at least 1.
    pub max: usize,
}

/// What is counted of single apps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedApps {
    /// Nothing.
    Off,
    /// Rejections.
    Rejections,
    /// Requests and rejections.
    All,
}

/// The access log: a line a request.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessLog {
    /// The form of a line.
    pub format: Format,
    /// A file; `None`: standard output.
    pub path: Option<PathBuf>,
    /// Share of requests that are logged, 0 to 1.
    pub sample: f64,
    /// The same for those that were not forwarded, or not answered by their upstream.
    pub sample_rejections: f64,
    /// How the users of verified tokens are told.
    pub user: ShownUser,
}
