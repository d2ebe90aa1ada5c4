//! `telemetry.tracing`: the collector, the share, and what is sent with it.

use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rtms_gateway::config::settings::Tracing;

use crate::files::{Folder, config, mistakes};

fn tracing(folder: &Folder, written: &str) -> Tracing {
    let yaml = config(&[("telemetry", &format!("{{ tracing: {written} }}"))]);
    let loaded = folder.load(&yaml).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    loaded.settings.telemetry.tracing.expect("it is on")
}

#[test]
fn an_endpoint_is_enough_and_everything_can_be_said() {
    let folder = Folder::new();
    let plain = tracing(&folder, "{ otlp_endpoint: \"http://127.0.0.1:4317\" }");
    assert_eq!(
        (plain.endpoint.to_string().as_str(), plain.service_name.as_str()),
        ("http://127.0.0.1:4317/", "rtms-gateway")
    );
    assert!((plain.sample - 0.01).abs() < f64::EPSILON && !plain.client_address);
    assert_eq!((plain.timeout, plain.headers.len(), plain.ca), (Duration::from_secs(10), 0, None));

    let key = KeyPair::generate().unwrap();
    let pem = CertificateParams::new(vec!["otel".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    folder.write("ca.pem", &pem);
    let full = tracing(
        &folder,
        "{ otlp_endpoint: \"https://otel.internal:4317/\", sample: 1, service_name: edge, headers: { X-Api-Key: k$$ }, \
         ca: ca.pem, timeout: 250ms, client_address: true }",
    );
    assert_eq!((full.endpoint.scheme_str(), full.endpoint.host()), (Some("https"), Some("otel.internal")));
    assert!((full.sample - 1.0).abs() < f64::EPSILON && full.client_address);
    assert_eq!((full.service_name.as_str(), full.timeout), ("edge", Duration::from_millis(250)));
    assert_eq!(full.headers.get("x-api-key").unwrap(), "k$");
    assert_eq!(full.ca.as_deref(), Some(pem.as_bytes()), "another file under the same name is another setting");
}

#[test]
fn every_mistake_is_named() {
    const FORM: &str = "is no URL of a collector; write scheme, host and port, as in `http://127.0.0.1:4317`";
    let with = |more: &str| format!("{{ tracing: {{ otlp_endpoint: \"http://otel:4317\", {more} }} }}");
    let endpoint = |url: &str| format!("{{ tracing: {{ otlp_endpoint: \"{url}\" }} }}");
    let at = |key: &str, problem: &str| format!("telemetry.tracing.{key}: {problem}");
    let cases = [
        (
            "{ tracing: {} }".to_owned(),
            at("otlp_endpoint", "missing; write the collector's URL, as in `http://127.0.0.1:4317`"),
        ),
        (endpoint("otel:4317"), at("otlp_endpoint", &format!("`otel:4317` {FORM}"))),
        (endpoint("http://otel"), at("otlp_endpoint", &format!("`http://otel` {FORM}"))),
        (
            endpoint("grpc://otel:4317"),
            at(
                "otlp_endpoint",
                "`grpc://otel:4317` has a scheme that can't be used; write `http://`, or `https://` for TLS",
            ),
        ),
        (
            endpoint("http://otel:4318/v1/traces"),
            at(
                "otlp_endpoint",
                "`http://otel:4318/v1/traces` has a path, which gRPC has no use for; write scheme, host and port alone",
            ),
        ),
        (
            endpoint("http://user:hunter2@otel:4317/x"),
            at("otlp_endpoint", "the URL holds credentials; send them in `headers`"),
        ),
        (with("sample: 1.01"), at("sample", "is no share; write a number from 0 to 1")),
        (with("sample: -0.5"), at("sample", "is no share; write a number from 0 to 1")),
        (with("service_name: \"\""), at("service_name", "can't name a service; write a word, as in `rtms-gateway`")),
        (with("timeout: 0s"), at("timeout", "is no time at all; write more than `0s`")),
        (with("timeout: 61s"), at("timeout", "is too long; write up to `1m`")),
        (
            with("headers: { \"a b\": x }"),
            at("headers.\"a b\"", "can't be set; write another header's name, as in `x-api-key`"),
        ),
        (with("headers: { TE: x }"), at("headers.TE", "can't be set; write another header's name, as in `x-api-key`")),
        (
            with("headers: { grpc-timeout: x }"),
            at("headers.grpc-timeout", "can't be set; write another header's name, as in `x-api-key`"),
        ),
        (
            with("headers: { key-bin: x }"),
            at("headers.key-bin", "can't be set; write another header's name, as in `x-api-key`"),
        ),
        (
            with("headers: { x-key: \"hunter2\\u00e9\" }"),
            at("headers.x-key", "has signs that can't be sent; use printable ASCII"),
        ),
        (
            with("ca: absent.pem"),
            at(
                "ca",
                "`absent.pem` can't be read (entity not found); name a readable file, relative to the configuration file",
            ),
        ),
        (with("endpoint: x"), at("endpoint", "unknown key; did you mean `otlp_endpoint`?")),
    ];
    for (section, problem) in &cases {
        assert_eq!(mistakes(&config(&[("telemetry", section)])), [problem.as_str()], "{section}");
        assert!(!problem.contains("hunter2"));
    }
}

#[test]
fn authorities_without_tls_are_a_mistake() {
    let folder = Folder::new();
    let key = KeyPair::generate().unwrap();
    folder.write("ca.pem", CertificateParams::new(vec!["otel".to_owned()]).unwrap().self_signed(&key).unwrap().pem());
    let yaml = config(&[("telemetry", "{ tracing: { otlp_endpoint: \"http://otel:4317\", ca: ca.pem } }")]);
    let mistakes = folder.load(&yaml).unwrap_err().to_string();
    let expected = "ca: is of no use without TLS; write `https://` in `otlp_endpoint`, or take it out";
    assert!(mistakes.ends_with(expected), "{mistakes}");
}
