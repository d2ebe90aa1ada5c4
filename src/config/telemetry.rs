//! `telemetry`: what is logged and traced.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::words;
use super::mistakes::Check;
use super::settings;
use super::tracing::Tracing;
use super::yaml_path::YamlPath;

/// What is logged and traced.
#[derive(Clone, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// The access log: one line a request; never the query, a token or a secret.
    access_log: AccessLog,
    /// Traces: where the time of single requests went, for a collector that speaks OTLP. `traceparent` and `tracestate` are
    /// passed on with and without. Absent: off.
    tracing: Option<Tracing>,
}

/// The access log.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLog {
    /// Form of a line.
    format: Format,
    /// `stdout`, or a file that lines are appended to; SIGUSR1 opens it anew. Example: `/var/log/rtms-gateway.log`.
    path: String,
    /// Share of requests that are logged, from `0` (none) to `1` (all). Example: `0.1`.
    sample: f64,
}

words! {
    /// Form of the access log.
    Format {
        /// One JSON object a line.
        Json,
    }
}

impl Default for AccessLog {
    fn default() -> Self {
        Self { format: Format::Json, path: "stdout".to_owned(), sample: 1.0 }
    }
}

impl Telemetry {
    /// The normal form.
    #[must_use]
    pub fn settle(self, at: &YamlPath, check: &mut Check) -> settings::Telemetry {
        let tracing = self.tracing.and_then(|tracing| tracing.settle(&at.key("tracing"), check));
        let at = at.key("access_log");
        let AccessLog { format: Format::Json, path, sample } = self.access_log;
        if !(0.0..=1.0).contains(&sample) {
            check.refuse(&at.key("sample"), "is no share; write a number from 0 to 1");
        }
        let path = if path == "stdout" { None } else { Some(check.output(&at.key("path"), &path)) };
        settings::Telemetry { access_log: settings::AccessLog { path, sample }, tracing }
    }
}
