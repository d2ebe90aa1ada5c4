//! Every metric family, by name, help and labels, in a registry of the gateway's own.
//!
//! A family's name is written nowhere but in this folder. Names, label names and label values are an interface:
//! dashboards and alerts of other people depend on them, so families are added, never renamed.

mod apps;
mod certificates;
mod connections;
mod per_app;
mod process;
mod requests;
mod upstreams;

use prometheus::core::Collector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry, Result,
};

pub use self::apps::AppsFamilies;
pub use self::certificates::CertificateFamilies;
pub use self::connections::ConnectionFamilies;
pub use self::per_app::PerAppFamilies;
pub use self::process::ProcessFamilies;
pub use self::requests::RequestFamilies;
pub use self::upstreams::UpstreamFamilies;

/// From half a millisecond to twice the default `timeouts.read`.
const EXCHANGE_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// All families, each a cheap handle on shared values.
pub struct Families {
    /// Holds them all, and the process's own.
    pub registry: Registry,
    /// The registered names, `process_*` aside.
    pub names: Vec<String>,
    /// Of requests and how they were judged.
    pub requests: RequestFamilies,
    /// Of client connections.
    pub connections: ConnectionFamilies,
    /// Of attempts to forward.
    pub upstreams: UpstreamFamilies,
    /// Of the apps and their source.
    pub apps: AppsFamilies,
    /// Of certificates.
    pub certificates: CertificateFamilies,
    /// `rtms_profiles_requests_total{call,status}`
    pub profiles_requests: IntCounterVec,
    /// `rtms_spans_total{result}`
    pub spans: IntCounterVec,
    /// Of single apps.
    pub per_app: PerAppFamilies,
    /// Of the process.
    pub process: ProcessFamilies,
}

impl Families {
    /// Registers everything.
    ///
    /// # Errors
    /// Two families of one name: a mistake in this folder.
    pub fn register() -> Result<Self> {
        let mut r = Registrar { registry: Registry::new(), names: Vec::new() };
        let process = ProcessFamilies::register(&mut r)?;
        let requests = RequestFamilies::register(&mut r)?;
        let connections = ConnectionFamilies::register(&mut r)?;
        let upstreams = UpstreamFamilies::register(&mut r)?;
        let apps = AppsFamilies::register(&mut r)?;
        let certificates = CertificateFamilies::register(&mut r)?;
        let profiles = "Requests of the app profiles API answered.";
        let profiles_requests = r.counters("rtms_profiles_requests_total", profiles, &["call", "status"])?;
        let spans = "Spans of traced requests, by what became of them.";
        let spans = r.counters("rtms_spans_total", spans, &["result"])?;
        let per_app = PerAppFamilies::register(&mut r)?;
        Ok(Self {
            registry: r.registry,
            names: r.names,
            requests,
            connections,
            upstreams,
            apps,
            certificates,
            profiles_requests,
            spans,
            per_app,
            process,
        })
    }
}

/// Makes families and enters them in the registry.
struct Registrar {
    registry: Registry,
    names: Vec<String>,
}

impl Registrar {
    fn enter<C: Collector + Clone + 'static>(&mut self, family: C) -> Result<C> {
        self.names.extend(family.desc().iter().map(|d| d.fq_name.clone()));
        self.registry.register(Box::new(family.clone()))?;
        Ok(family)
    }

    fn counter(&mut self, name: &str, help: &str) -> Result<IntCounter> {
        self.enter(IntCounter::new(name, help)?)
    }

    fn counters(&mut self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
        self.enter(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&mut self, name: &str, help: &str) -> Result<Gauge> {
        self.enter(Gauge::new(name, help)?)
    }

    fn gauges(&mut self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec> {
        self.enter(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn histogram(&mut self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram> {
        self.enter(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?)
    }

    /// Of a whole exchange, by one label.
    fn exchange_seconds(&mut self, name: &str, help: &str, label: &str) -> Result<HistogramVec> {
        let options = HistogramOpts::new(name, help).buckets(EXCHANGE_SECONDS.to_vec());
        self.enter(HistogramVec::new(options, &[label])?)
    }
}
