//! `upstreams.*.timeouts`: how long an exchange with a peer may take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::mistakes::Check;
use crate::config::settings;
use crate::config::values::Span;
use crate::config::yaml_path::YamlPath;

/// Time bounds of an exchange with a peer.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Until a connection stands, TLS included. Example: `500ms`.
    connect: Span,
    /// Between two reads of an answer. Example: `10s`.
    read: Span,
    /// For each write of a request. Example: `10s`.
    write: Span,
    /// How long an idle connection is kept for the next request. Example: `5m`.
    keepalive: Span,
    /// How long an upgraded connection (a WebSocket) may be silent. Example: `10m`.
    tunnel: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Span::seconds(1),
            read: Span::seconds(30),
            write: Span::seconds(30),
            keepalive: Span::seconds(60),
            tunnel: Span::seconds(3600),
        }
    }
}

impl Timeouts {
    pub(super) fn settle(self, at: &YamlPath, check: &mut Check) -> settings::Timeouts {
        settings::Timeouts {
            connect: check.some_time(&at.key("connect"), self.connect),
            read: check.some_time(&at.key("read"), self.read),
            write: check.some_time(&at.key("write"), self.write),
            keepalive: check.some_time(&at.key("keepalive"), self.keepalive),
            tunnel: check.some_time(&at.key("tunnel"), self.tunnel),
        }
    }
}
