//! What judging costs, by its outcome; and its parts: target, route, identities of a head and of a body, look-up and change of
//! an app.
//!
//! `cargo bench --no-default-features --bench judge` builds the judging core alone, in seconds.
#![allow(missing_docs, reason = "a program, not a library")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench may fail loudly")]

mod cases;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rtms_gateway::apps::{DocId, Document, Value};
use rtms_gateway::auth::binding::{Binding, Subject, Vouch};
use rtms_gateway::request::identities::{Head, Kind, Place, Places};
use rtms_gateway::request::target::Target;
use rtms_gateway::routing::{MethodSet, RouteTable, Template};

use self::cases::{APP, Core, USER, apps, cases};

/// Every outcome, at 1000 apps.
fn outcomes(criterion: &mut Criterion) {
    let core = Core::new(1000);
    let mut group = criterion.benchmark_group("judge");
    let mut scratch = Vec::new();
    for case in cases() {
        assert_eq!(core.judge(&case, &mut scratch), case.outcome, "{}", case.name);
        group.bench_function(case.name, |bencher| {
            bencher.iter(|| black_box(core.judge(black_box(&case), &mut scratch)));
        });
    }
}

/// The target and the route, without any app.
fn parts(criterion: &mut Criterion) {
    let target = format!("/rtmsAPI/api/v1/app/{APP}/user/67deb017-5038-4832-a6b9-aa7e00987b6f/threads/1?limit=20");
    criterion.bench_function("target", |bencher| {
        bencher.iter(|| black_box(Target::parse(black_box(target.as_bytes()), Some(b"api.example.com"))).is_ok());
    });
    let templates =
        ["/rtmsAPI/api/{version}/app/{appId}/user/{userId*}/threads/{rest*}", "/rtmsAPI/api/{version}/{appId}/{rest*}"];
    let routes = templates.map(|t| (Template::parse(t).unwrap(), MethodSet::default())).into();
    let (table, parsed) = (RouteTable::build(routes).unwrap(), Target::parse(target.as_bytes(), None).unwrap());
    criterion.bench_function("route", |bencher| {
        bencher.iter(|| black_box(table.find(black_box(&parsed.path), &Method::GET)).is_ok());
    });
}

/// Reading what a head and a body name, and binding it to a token's claims.
fn identities(criterion: &mut Criterion) {
    let template = Template::parse("/rtmsAPI/api/{version}/app/{appId}/user/{userId*}/threads/{rest*}").unwrap();
    let list = [
        (Kind::UserId, "path.userId"),
        (Kind::UserId, "query.userId"),
        (Kind::UserId, "header.X-User-Id"),
        (Kind::ClientApp, "body.clientId"),
        (Kind::ClientUser, "body.clientId"),
    ];
    let places = list.map(|(kind, place)| (kind, Place::parse(place).unwrap()));
    let places = Places::build(&template, &places).unwrap();
    let target = format!("/rtmsAPI/api/v1/app/{APP}/user/{USER}/threads/1?limit=20&userId={USER}&order=desc");
    let target = Target::parse(target.as_bytes(), None).unwrap();
    let table = RouteTable::build(vec![(template, MethodSet::default())]).unwrap();
    let found = table.find(&target.path, &Method::GET).unwrap();
    let headers = HeaderMap::from_iter([(HeaderName::from_static("x-user-id"), HeaderValue::from_static(USER))]);
    let head = Head { path: &target.path, captures: &found.captures, query: target.query, headers: &headers };
    let subject = Subject { app: APP, user: Some(USER), customer: None, whole_app: false };
    criterion.bench_function("identities/head", |bencher| {
        bencher.iter(|| {
            let mut binding = Binding::new(&subject, Vouch::All);
            places.bind_head(black_box(&head), &mut binding).unwrap();
            black_box(binding.tally())
        });
    });
    let message = format!(r#"{{"clientId":"{APP}/{USER}/browser","message":"{}"}}"#, "m".repeat(945));
    criterion.bench_function("identities/body", |bencher| {
        bencher.iter(|| {
            let mut binding = Binding::new(&subject, Vouch::All);
            places.body().unwrap().bind(black_box(message.as_bytes()), &mut binding).unwrap();
            black_box(binding.tally())
        });
    });
}

/// Looking an app up, and changing one, by the number of apps.
fn snapshots(criterion: &mut Criterion) {
    for count in [1_000, 100_000, 1_000_000] {
        let mut apps = apps(count);
        let ids: Vec<String> = (0..4096).map(|i| format!("TR{:08}", (i * 977_777) % count)).collect();
        let snapshot = apps.published().load_full();
        let mut at = 0;
        criterion.bench_function(&format!("look-up/{count}"), |bencher| {
            bencher.iter(|| {
                at = (at + 1) % ids.len();
                black_box(snapshot.get(&ids[at])).is_some()
            });
        });
        drop(snapshot);
        let mut step = 0usize;
        criterion.bench_function(&format!("change/{count}"), |bencher| {
            // Goes on from run to run: a document that stands already is no change.
            let next = || {
                step += 1;
                let i = (step * 977_777) % count;
                let mut document = Document::default();
                document.set("appId", Value::string(&format!("TR{i:08}")));
                document.set("jwt_secretkey", Value::string(&format!("secret-{step:012}-0123456789abcdef0123456789")));
                (DocId::from_bytes(&i.to_be_bytes()), document)
            };
            bencher.iter_batched(
                next,
                |(id, document)| {
                    apps.upsert(&id, &document);
                    apps.publish();
                },
                BatchSize::SmallInput,
            );
        });
    }
}

criterion_group!(benches, outcomes, parts, identities, snapshots);
criterion_main!(benches);
