//! When a peer is taken out of use, and when it comes back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::mistakes::Check;
use crate::config::settings;
use crate::config::values::Span;
use crate::config::yaml_path::YamlPath;

const MOST_IN_A_ROW: u32 = 1000;

/// Regular requests of the gateway's own that find out which peers can be used: a GET with the upstream's protocol and
/// TLS, and as Host the `sni` or the peer's address. Good is an answer with a status from 200 to 399. A peer counts as
/// healthy until checks say otherwise.
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
