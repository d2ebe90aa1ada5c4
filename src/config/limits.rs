//! `limits`: sizes and times a client may use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mistakes::Check;
use super::settings;
use super::values::{Size, Span};
use super::yaml_path::YamlPath;

/// The HTTP library's own bound on a head.
const MOST_HEADER_BYTES: u64 = 1 << 20;

/// Sizes and times a client may use.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bound on a request's head, request line included; over it 431. At most `1MiB`. Example: `16KiB`.
    max_header_bytes: Size,
    /// Bound on a token; over it code 38. Example: `4KiB`.
    max_token_bytes: Size,
    /// Time for a body that is read before forwarding, from first to last byte; over it 408. Example: `2s`.
    body_read_timeout: Span,
    /// How long a client connection may stay without a request. Example: `30s`.
    client_idle: Span,
    /// Time for each write towards a client. Example: `10s`.
    write_timeout: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_header_bytes: Size(32 << 10),
            max_token_bytes: Size(8 << 10),
            body_read_timeout: Span::seconds(5),
            client_idle: Span::seconds(60),
            write_timeout: Span::seconds(30),
        }
    }
}

impl Limits {
    /// The normal form.
    #[must_use]
    pub fn settle(self, at: &YamlPath, check: &mut Check) -> settings::Limits {
        let mut size = |key: &str, size: Size| {
            if size.0 == 0 || size.0 > MOST_HEADER_BYTES {
                check.refuse(&at.key(key), "is out of range; write from 1 byte to `1MiB`");
            }
            usize::try_from(size.0).unwrap_or(usize::MAX)
        };
        let max_header_bytes = size("max_header_bytes", self.max_header_bytes);
        let max_token_bytes = size("max_token_bytes", self.max_token_bytes);
        settings::Limits {
            max_header_bytes,
            max_token_bytes,
            body_read_timeout: check.some_time(&at.key("body_read_timeout"), self.body_read_timeout),
            client_idle: check.some_time(&at.key("client_idle"), self.client_idle),
            write_timeout: check.some_time(&at.key("write_timeout"), self.write_timeout),
        }
    }
}
