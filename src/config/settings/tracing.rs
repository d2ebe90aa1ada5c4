//! Traces, in the normal form.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, Uri};

/// Where traces go, and how many.
#[derive(Clone, PartialEq)]
pub struct Tracing {
    /// The collector: scheme and authority alone. `https` is TLS.
    pub endpoint: Uri,
    /// Share of requests that are traced, 0 to 1.
    pub sample: f64,
    /// `service.name` of all spans.
    pub service_name: String,
    /// Sent with every export; may hold keys, so their values are marked as sensitive.
    pub headers: HeaderMap,
    /// PEM text of the authorities that the collector's certificate is verified by; `None`: Mozilla's list.
    pub ca: Option<Vec<u8>>,
    /// How long an export may take, with all it is tried again.
    pub timeout: Duration,
    /// Spans name the client's address.
    pub client_address: bool,
}

impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tracing to {}, {} of requests", self.endpoint, self.sample)
    }
}
