//! The way to the collector: OTLP over gRPC, and who we are there.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig};
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;

use crate::config::settings;
use crate::telemetry::metrics::VERSION;

/// A batch is tried again, ever more slowly, until its time is over.
const MOST_RETRIES: usize = 100;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// `service.instance.id`: a random UUID, as the conventions ask for; one for the life of the process.
static INSTANCE: LazyLock<String> = LazyLock::new(|| uuid(fastrand::u128(..)));

/// A UUID of version 4 (RFC 9562 section 5.4).
fn uuid(random: u128) -> String {
    let id = random & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let part = |shift: u32, digits: u32| id >> shift & ((1 << (4 * digits)) - 1);
    format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", part(96, 8), part(80, 4), part(64, 4), part(48, 4), part(0, 12))
}

/// An exporter that dials once it has something to send. Call it inside a runtime.
///
/// # Errors
/// The environment asks the library for something that it can't do.
pub(super) fn build(settings: &settings::Tracing) -> Result<SpanExporter, String> {
    let retries = RetryPolicy::default()
        .with_max_retries(MOST_RETRIES)
        .with_initial_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE);
    let mut builder = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(settings.endpoint.to_string())
        .with_timeout(settings.timeout)
        .with_metadata(MetadataMap::from_headers(settings.headers.clone()))
        .with_retry_policy(retries);
    if settings.endpoint.scheme_str() == Some("https") {
        let tls = ClientTlsConfig::new();
        builder = builder.with_tls_config(match &settings.ca {
            Some(ca) => tls.ca_certificate(Certificate::from_pem(ca)),
            None => tls.with_enabled_roots(),
        });
    }
    let mut exporter = builder.build().map_err(|error| error.to_string())?;
    exporter.set_resource(&resource(&settings.service_name));
    Ok(exporter)
}

/// Who sends the spans; `OTEL_RESOURCE_ATTRIBUTES` adds to it.
fn resource(service_name: &str) -> Resource {
    Resource::builder()
        .with_service_name(service_name.to_owned())
        .with_attributes([
            KeyValue::new("service.version", VERSION),
            KeyValue::new("service.instance.id", INSTANCE.as_str()),
        ])
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_a_random_uuid() {
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn the_resource_names_service_version_and_instance() {
        let resource = resource("edge");
        let of = |key: &str| resource.get_ref(&opentelemetry::Key::new(key.to_owned())).map(ToString::to_string);
        assert_eq!(of("service.name").as_deref(), Some("edge"));
        assert_eq!(of("service.version").as_deref(), Some(VERSION));
        assert_eq!(of("service.instance.id"), Some(INSTANCE.clone()));
    }
}
