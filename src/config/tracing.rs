//! `telemetry.tracing`: where traces go, and how many.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address;
use super::mistakes::Check;
use super::pem::{self, Named};
use super::settings;
use super::values::Span;
use super::yaml_path::YamlPath;

/// The longest time an export may take: what waits meanwhile is bounded, and dropped beyond that.
const LONGEST_EXPORT: Duration = Duration::from_mins(1);
/// Names that gRPC and HTTP set themselves.
const TAKEN: [&str; 7] =
    ["content-type", "te", "host", "user-agent", "content-length", "connection", "transfer-encoding"];

/// Traces: spans of single requests, sent to an OpenTelemetry collector over OTLP/gRPC. Absent: off; `traceparent` and
/// `tracestate` are passed on with and without.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tracing {
    /// The collector's OTLP/gRPC endpoint: `http://` or, for TLS, `https://`, a host and a port. Example:
    /// `http://127.0.0.1:4317`.
    #[schemars(required)]
    otlp_endpoint: Option<String>,
    /// Share of requests that are traced, from `0` (none) to `1` (all). Those from `server.trusted_proxies` that bring a
    /// `traceparent` are traced if it says so, and only then. Example: `1.0`.
    sample: f64,
    /// `service.name` of the spans. Example: `rtms-gateway-eu`.
    service_name: String,
    /// Headers sent with every export, as vendors want them for their keys, which belong into variables. Example:
    /// `{ x-api-key: "${TRACES_KEY}" }`.
    headers: BTreeMap<String, String>,
    /// PEM file with the authorities that may have signed the collector's certificate; absent: Mozilla's list. With
    /// `https` only. Example: `ca.pem`.
    ca: Option<String>,
    /// How long an export may take, tried again where the collector is out of reach or too busy; then its spans are given
    /// up. At most `1m`. Example: `30s`.
    timeout: Span,
    /// Spans name the client's address (`client.address`), which is personal data in many places.
    client_address: bool,
}

impl Default for Tracing {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            sample: 0.01,
            service_name: "rtms-gateway".to_owned(),
            headers: BTreeMap::new(),
            ca: None,
            timeout: Span::seconds(10),
            client_address: false,
        }
    }
}

impl Tracing {
    /// The normal form; `None`: something was refused.
    #[must_use]
    pub fn settle(self, at: &YamlPath, check: &mut Check) -> Option<settings::Tracing> {
        let endpoint = endpoint(self.otlp_endpoint.as_deref(), &at.key("otlp_endpoint"), check);
        if !(0.0..=1.0).contains(&self.sample) {
            check.refuse(&at.key("sample"), "is no share; write a number from 0 to 1");
        }
        if self.service_name.is_empty() || self.service_name.chars().any(char::is_control) {
            check.refuse(&at.key("service_name"), "can't name a service; write a word, as in `rtms-gateway`");
        }
        let headers = headers(self.headers, &at.key("headers"), check);
        let ca_at = at.key("ca");
        let ca = self.ca.and_then(|ca| pem::authorities_text(Named { at: &ca_at, name: &ca }, check));
        if ca.is_some() && endpoint.as_ref().is_some_and(|uri| uri.scheme_str() != Some("https")) {
            check.refuse(&ca_at, "is of no use without TLS; write `https://` in `otlp_endpoint`, or take it out");
        }
        let timeout_at = at.key("timeout");
        let timeout = check.some_time(&timeout_at, self.timeout);
        if timeout > LONGEST_EXPORT {
            check.refuse(&timeout_at, "is too long; write up to `1m`");
        }
        let Self { sample, service_name, client_address, .. } = self;
        Some(settings::Tracing { endpoint: endpoint?, sample, service_name, headers, ca, timeout, client_address })
    }
}

fn endpoint(written: Option<&str>, at: &YamlPath, check: &mut Check) -> Option<Uri> {
    let Some(text) = written else {
        check.missing(at, "write the collector's URL, as in `http://127.0.0.1:4317`");
        return None;
    };
    let uri = url(text);
    if let Err(problem) = uri {
        // What stands before an `@` may be a password.
        let shown = if text.contains('@') { "the URL".to_owned() } else { check.show(at, text) };
        check.refuse(at, format!("{shown} {problem}"));
    }
    uri.ok()
}

/// A URL of scheme, host and port.
fn url(text: &str) -> Result<Uri, &'static str> {
    const FORM: &str = "is no URL of a collector; write scheme, host and port, as in `http://127.0.0.1:4317`";
    let (scheme, authority) = text.split_once("://").ok_or(FORM)?;
    if !matches!(scheme, "http" | "https") {
        return Err("has a scheme that can't be used; write `http://`, or `https://` for TLS");
    }
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    if authority.contains('@') {
        return Err("holds credentials; send them in `headers`");
    }
    if authority.contains('/') {
        return Err("has a path, which gRPC has no use for; write scheme, host and port alone");
    }
    address::peer_host(authority).map_err(|_| FORM)?;
    format!("{scheme}://{authority}").parse().map_err(|_| FORM)
}

/// The messages never hold a value.
fn headers(written: BTreeMap<String, String>, at: &YamlPath, check: &mut Check) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in written {
        let at = at.key(&name);
        let header = HeaderName::from_bytes(name.as_bytes()).ok().filter(|header| {
            let header = header.as_str();
            !TAKEN.contains(&header) && !header.starts_with("grpc-") && !header.ends_with("-bin")
        });
        let Some(header) = header else {
            check.refuse(&at, "can't be set; write another header's name, as in `x-api-key`");
            continue;
        };
        let visible = value.bytes().all(|b| (b' '..=b'~').contains(&b));
        match HeaderValue::from_str(&value) {
            Ok(mut value) if visible => {
                value.set_sensitive(true);
                headers.insert(header, value);
            }
            _ => check.refuse(&at, "has signs that can't be sent; use printable ASCII"),
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_scheme_host_and_port() {
        for good in ["http://127.0.0.1:4317", "https://otel.internal:4317/", "http://[::1]:1", "http://otel:65535"] {
            assert_eq!(url(good).unwrap().to_string().trim_end_matches('/'), good.trim_end_matches('/'));
        }
        for bad in [
            "",
            "127.0.0.1:4317",
            "otel",
            "http://otel",
            "http://:4317",
            "http://otel:0",
            "http://otel:4317/v1/traces",
            "http://user:pw@otel:4317",
            "grpc://otel:4317",
            "HTTP://otel:4317",
            "http://otel:4317?x",
            "http:otel:4317",
            "http://otel:4317#x",
            "http://o tel:4317",
            "unix:///run/otel.sock",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_of_headers_are_kept_out_of_what_is_printed() {
        let mut check = Check::new(std::path::Path::new(""));
        let written = Tracing {
            otlp_endpoint: Some("http://otel:4317".to_owned()),
            headers: BTreeMap::from([("x-api-key".to_owned(), "hunter2".to_owned())]),
            ..Tracing::default()
        };
        let settled = written.settle(&YamlPath::default(), &mut check).unwrap();
        assert_eq!(settled.headers["x-api-key"], "hunter2");
        assert!(!format!("{settled:?} {:?}", settled.headers).contains("hunter2"));
        assert_eq!(check.count(), 0);
    }
}
