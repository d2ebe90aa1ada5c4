//! What recording a request costs: without counters of single apps, with those of rejections, with all.
//!
//! `cargo bench --bench metrics`. One app of a hundred that have places, one of a million that has none.
#![allow(missing_docs, reason = "a program, not a library")]
#![allow(clippy::unwrap_used, reason = "a bench may fail loudly")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use criterion::{Criterion, criterion_group, criterion_main};
use http::Method;
use rtms_gateway::apps::{Apps, DocId, Document, SecretEncoding, Snapshot, Value};
use rtms_gateway::config::settings::{CountedApps, PerApp};
use rtms_gateway::reason::Reason;
use rtms_gateway::telemetry::Metrics;

const APPS: usize = 100_000;
const PLACES: usize = 100;

fn apps() -> Arc<ArcSwap<Snapshot>> {
    let mut apps = Apps::new(SecretEncoding::Raw);
    for n in 0..APPS {
        let mut document = Document::default();
        document.set("appId", Value::string(&id(n)));
        document.set("jwt_secretkey", Value::string("a-secret"));
        apps.upsert(&DocId::from_bytes(id(n).as_bytes()), &document);
    }
    apps.publish();
    apps.published()
}

fn id(n: usize) -> String {
    format!("TR{n:08}")
}

fn record(metrics: &Metrics, app: &str, reason: Option<Reason>, apps: &ArcSwap<Snapshot>) {
    if let Some(reason) = reason {
        metrics.not_forwarded(Some(0), reason);
    }
    metrics.app(black_box(app), reason, apps);
    metrics.request(Some(0), &Method::POST, 200, Duration::from_millis(3));
}

fn requests(c: &mut Criterion) {
    let apps = apps();
    for (name, counted) in
        [("off", CountedApps::Off), ("rejections", CountedApps::Rejections), ("all", CountedApps::All)]
    {
        let before = Metrics::new(&[], &[]).unwrap();
        let metrics = before.rebound(&["route"], &[], PerApp { apps: counted, max: PLACES });
        metrics.take_over(&before);
        for n in 0..PLACES {
            record(&metrics, &id(n), Some(Reason::TokenMissing), &apps);
        }
        let mut group = c.benchmark_group(name);
        for (app, n) in [("with a place", 7), ("without", APPS / 2)] {
            let app_id = id(n);
            group.bench_function(format!("a good request of an app {app}"), |b| {
                b.iter(|| record(&metrics, &app_id, None, &apps));
            });
            group.bench_function(format!("a rejected one of an app {app}"), |b| {
                b.iter(|| record(&metrics, &app_id, Some(Reason::TokenMissing), &apps));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, requests);
criterion_main!(benches);
