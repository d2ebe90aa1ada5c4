//! `limits`: sizes and times a client may use.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mistakes::Check;
use super::settings;
use super::values::{Size, Span};
use super::yaml_path::YamlPath;
use crate::limit::Rate;

/// The HTTP library's own bound on a head.
const MOST_HEADER_BYTES: u64 = 1 << 20;
/// Bounds of a rate; a day at the least rate gives 86 of them.
const LEAST_RATE: f64 = 0.001;
const MOST_RATE: f64 = 1e6;
/// A client that waits longer than this gives up, and so does the gateway's patience with held connections.
const MOST_TARPIT: Duration = Duration::from_secs(10);
const MOST_BURST: u64 = 1_000_000;
/// The most that may be had at a time.
const MOST_AT_ONCE: u64 = 1_000_000;

/// Sizes and times a client may use.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bound on a request's head, request line included; over it 431. At most `1MiB`. Example: `16KiB`.
    max_header_bytes: Size,
    /// Bound on a token; over it code 38. Example: `4KiB`.
    max_token_bytes: Size,
    /// Time for a request's head, from its first byte to its last; the connection is closed after it. Example: `5s`.
    head_read_timeout: Span,
    /// Time for a body that is read before forwarding, from first to last byte; over it 408. Example: `2s`.
    body_read_timeout: Span,
    /// How long a client connection may stay without a request, also at its beginning. Example: `30s`.
    client_idle: Span,
    /// Time for each write towards a client. Example: `10s`.
    write_timeout: Span,
    /// Verified requests of one app, in all from all clients; over it 429 with `Retry-After`. Absent: no limit.
    requests_per_app: Option<RateLimit>,
    /// Rejected requests of one client address (IPv6: one network of 64 bits); over it a rejection is a 429 with
    /// `Retry-After`, while good requests pass. Behind `server.trusted_proxies` the address is the one they name in
    /// `X-Forwarded-For`. Absent: no limit.
    rejections_per_address: Option<RateLimit>,
    /// How long a 429 of these two, and of `concurrent_requests_per_app`, is held back, so that a client which asks without
    /// a pause costs little; at most `10s`. It takes no place in `concurrent_requests` meanwhile. `0s`: not at all.
    /// Example: `250ms`.
    tarpit: Span,
    /// Requests under way in all, streams and upgraded connections among them; one over it gets 429 with `Retry-After`
    /// before anything of it is looked at. Absent: no limit. Example: `5000`.
    concurrent_requests: Option<u64>,
    /// Verified requests of one app under way, streams and upgraded connections among them; over it 429 with
    /// `Retry-After`. Absent: no limit. Example: `500`.
    concurrent_requests_per_app: Option<u64>,
    /// Client connections of all listeners; one over it is closed at once, before a TLS handshake. Over 90 % of it
    /// HTTP/1.1 connections end with their next answer, so that places turn over. Absent: no limit. Example: `20000`.
    connections: Option<u64>,
    /// Client connections of one address (IPv6: one network of 64 bits); one over it is closed at once, before a TLS
    /// handshake. Those of `server.trusted_proxies` aren't counted. Absent: no limit. Example: `100`.
    connections_per_address: Option<u64>,
}

/// A rate limit.
#[derive(Clone, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimit {
    /// How many a second in the long run; may have a fraction. Example: `1000`.
    #[schemars(required)]
    rate: Option<f64>,
    /// How many at once after a quiet time; absent: as many as `rate`. Example: `2000`.
    burst: Option<u64>,
}

impl RateLimit {
    #[expect(clippy::cast_sign_loss, reason = "a rate that isn't positive is refused")]
    fn settle(&self, at: &YamlPath, check: &mut Check) -> Option<Rate> {
        let Some(rate) = self.rate else {
            check.missing(&at.key("rate"), "say how many a second, as in `1000`, or take the section out");
            return None;
        };
        if !(LEAST_RATE..=MOST_RATE).contains(&rate) {
            check.refuse(&at.key("rate"), "is out of range; write from `0.001` to `1000000` a second");
        }
        let burst = self.burst.unwrap_or((rate.ceil() as u64).max(1));
        if !(1..=MOST_BURST).contains(&burst) {
            check.refuse(&at.key("burst"), "is out of range; write a number from 1 to 1000000");
        }
        Some(Rate::new(rate, u32::try_from(burst).unwrap_or(u32::MAX)))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_header_bytes: Size(32 << 10),
            max_token_bytes: Size(8 << 10),
            head_read_timeout: Span::seconds(10),
            body_read_timeout: Span::seconds(5),
            client_idle: Span::seconds(60),
            write_timeout: Span::seconds(30),
            requests_per_app: None,
            rejections_per_address: None,
            tarpit: Span::seconds(0),
            concurrent_requests: None,
            concurrent_requests_per_app: None,
            connections: None,
            connections_per_address: None,
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
        let mut rate = |key: &str, limit: Option<RateLimit>| limit.and_then(|l| l.settle(&at.key(key), check));
        let requests_per_app = rate("requests_per_app", self.requests_per_app);
        let rejections_per_address = rate("rejections_per_address", self.rejections_per_address);
        let tarpit = self.tarpit.0;
        if tarpit > MOST_TARPIT {
            check.refuse(&at.key("tarpit"), "is out of range; write `0s` to `10s`");
        }
        let mut at_once = |key: &str, most: Option<u64>| {
            if most.is_some_and(|most| !(1..=MOST_AT_ONCE).contains(&most)) {
                check.refuse(&at.key(key), "is out of range; write a number from 1 to 1000000, or take the key out");
            }
            most.and_then(|most| usize::try_from(most).ok())
        };
        let concurrent_requests = at_once("concurrent_requests", self.concurrent_requests);
        let concurrent_requests_per_app = at_once("concurrent_requests_per_app", self.concurrent_requests_per_app);
        let connections = at_once("connections", self.connections);
        let connections_per_address = at_once("connections_per_address", self.connections_per_address);
        settings::Limits {
            max_header_bytes,
            max_token_bytes,
            head_read_timeout: check.some_time(&at.key("head_read_timeout"), self.head_read_timeout),
            body_read_timeout: check.some_time(&at.key("body_read_timeout"), self.body_read_timeout),
            client_idle: check.some_time(&at.key("client_idle"), self.client_idle),
            write_timeout: check.some_time(&at.key("write_timeout"), self.write_timeout),
            requests_per_app,
            rejections_per_address,
            tarpit,
            concurrent_requests,
            concurrent_requests_per_app,
            connections,
            connections_per_address,
        }
    }
}
