//! When a peer is taken out of use, and when it comes back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::mistakes::Check;
use crate::config::settings;
use crate::config::values::{Percent, Span};
use crate::config::yaml_path::YamlPath;

const MOST_IN_A_ROW: u32 = 1000;

/// Requests of the gateway's own that find out which peers can be used.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheck {
    /// What is asked for, with its query if it needs one. Example: `/rtmsAPI/health`.
    path: String,
    /// From one check of a peer to the next; each peer's first comes at a random time within it. Example: `5s`.
    interval: Span,
    /// Until the answer is there, connection included. Example: `500ms`.
    timeout: Span,
    /// Good checks in a row that put a peer back in use. Example: `2`.
    healthy_after: u32,
    /// Bad checks in a row that take it out of use. Example: `2`.
    unhealthy_after: u32,
}

/// What takes a peer out of use whose requests fail in a row.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ejection {
    /// Failures in a row that eject a peer, from 1 to 1000. Example: `3`.
    consecutive_failures: u32,
    /// How long, the first time; the second time in a row twice as long, and so on up to 10 times. Example: `30s`.
    r#for: Span,
    /// The share of the peers that may be ejected at once; one always may, but never the last that is in use, unless this
    /// is `100%`. Example: `30%`.
    max_ejected: Percent,
}

impl Default for Ejection {
    fn default() -> Self {
        Self { consecutive_failures: 5, r#for: Span::seconds(10), max_ejected: Percent(50) }
    }
}

impl Ejection {
    pub(super) fn settle(self, at: &YamlPath, check: &mut Check) -> settings::Ejection {
        let Percent(max_ejected) = self.max_ejected;
        if !(1..=100).contains(&max_ejected) {
            check.refuse(&at.key("max_ejected"), "is out of range; write from `1%` to `100%`");
        }
        settings::Ejection {
            consecutive_failures: in_a_row(self.consecutive_failures, &at.key("consecutive_failures"), check),
            time: check.some_time(&at.key("for"), self.r#for),
            max_ejected,
        }
    }
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: "/health".to_owned(),
            interval: Span::seconds(2),
            timeout: Span::seconds(1),
            healthy_after: 1,
            unhealthy_after: 3,
        }
    }
}

impl HealthCheck {
    pub(super) fn settle(self, at: &YamlPath, check: &mut Check) -> settings::HealthCheck {
        let path_at = at.key("path");
        if !self.path.starts_with('/') || !self.path.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
            let shown = check.show(&path_at, &self.path);
            check.refuse(&path_at, format!("{shown} is no path; write one as in `/health`, percent-encoded"));
        }
        settings::HealthCheck {
            path: self.path,
            interval: check.some_time(&at.key("interval"), self.interval),
            timeout: check.some_time(&at.key("timeout"), self.timeout),
            healthy_after: in_a_row(self.healthy_after, &at.key("healthy_after"), check),
            unhealthy_after: in_a_row(self.unhealthy_after, &at.key("unhealthy_after"), check),
        }
    }
}

fn in_a_row(count: u32, at: &YamlPath, check: &mut Check) -> u32 {
    if !(1..=MOST_IN_A_ROW).contains(&count) {
        check.refuse(at, "is out of range; write a number from 1 to 1000");
    }
    count
}
