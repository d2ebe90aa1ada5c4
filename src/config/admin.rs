//! `admin`: the address of `/metrics`, `/livez`, `/readyz` and `/status`.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address;
use super::mistakes::Check;
use super::yaml_path::YamlPath;

/// The admin address: scraped by Prometheus and probed by an orchestrator; shows no secrets, checks no password.
/// Absent: off.
#[derive(Clone, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// IP address and port to bind; keep it away from clients. Example: `127.0.0.1:9901`.
    #[schemars(required)]
    address: Option<String>,
}

impl Admin {
    /// The address, if it is one.
    #[must_use]
    pub fn settle(self, at: &YamlPath, check: &mut Check) -> Option<SocketAddr> {
        let at = at.key("address");
        let Some(text) = self.address else {
            check.missing(&at, "say where to listen, as in `127.0.0.1:9901`, or take the section out");
            return None;
        };
        let address = address::listen(&text);
        if let Err(problem) = address {
            check.refuse(&at, format!("{} {problem}", check.show(&at, &text)));
        }
        address.ok()
    }
}
