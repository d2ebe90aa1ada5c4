//! What comes out of a configuration that is right: defaults, variables, and every key at work.

use std::fs;
use std::time::Duration;

use http::Method;
use rtms_gateway::apps::SecretEncoding;
use rtms_gateway::auth::binding::Vouch;
use rtms_gateway::auth::rejection::Form;
use rtms_gateway::config;
use rtms_gateway::config::settings::{AppsSource, Settings};
use rtms_gateway::limit::Rate;
use serde_json::Value;

use crate::files::{Folder, config, no_env, repository};

fn load(yaml: &str) -> Settings {
    Folder::new().load(yaml).unwrap_or_else(|mistakes| panic!("{yaml}\n{mistakes}")).settings
}

#[test]
fn three_keys_are_enough() {
    let settings = load(&config(&[]));
    assert_eq!(settings.listeners[0].address.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.admin, None);
    let AppsSource::MongoDb { uri, database, collection } = &settings.apps.source else { panic!("another source") };
    assert_eq!(uri, "mongodb://127.0.0.1:27017/?replicaSet=rs0");
    assert_eq!((database.as_str(), collection.as_str()), ("rtms", "apps"));
    assert!(settings.routes.len() > 20);
    assert!(settings.server.threads >= 1);
}

#[test]
fn the_documented_defaults_are_the_real_ones() {
    // Every default of the reference, written out, changes nothing.
    fn defaults(schema: &Value) -> Value {
        let properties = schema["properties"].as_object().into_iter().flatten();
        let entries = properties.filter_map(|(name, property)| {
            let value =
                if property["properties"].is_object() { defaults(property) } else { property["default"].clone() };
            // Some have keys that are required, others change what happens by being there.
            let absent = [
                "admin",
                "profiles",
                "cache",
                "cors",
                "tls",
                "tracing",
                "client_auth",
                "health_check",
                "ejection",
                "requests_per_app",
                "rejections_per_address",
            ]
            .contains(&name.as_str());
            (!value.is_null() && !absent).then(|| (name.clone(), value))
        });
        Value::Object(entries.collect())
    }
    let schema = config::schema();
    let mut written = defaults(&schema);
    written["listeners"] = serde_json::json!([{"address": "127.0.0.1:8080"}]);
    written["apps"]["source"] = "mongodb".into();
    written["upstreams"] =
        serde_json::json!({"rtms": defaults(&schema["properties"]["upstreams"]["additionalProperties"])});
    written["upstreams"]["rtms"]["peers"] = serde_json::json!([{"address": "127.0.0.1:9090", "weight": 1}]);
    assert_eq!(written["auth"]["leeway"], "0s");
    assert_eq!(written["upstreams"]["rtms"]["timeouts"]["tunnel"], "1h");
    let (mut explicit, default) = (load(&written.to_string()), load(&config(&[])));
    // Of the text, not of what it says.
    explicit.fingerprint.clone_from(&default.fingerprint);
    assert_eq!(format!("{explicit:?}"), format!("{default:?}"));
}

#[test]
fn the_defaults_are_the_contracts() {
    let settings = load(&config(&[]));
    let s = Duration::from_secs;
    assert_eq!(settings.apps.max_staleness, s(60));
    assert!(!settings.apps.reject_when_stale);
    assert_eq!((settings.apps.resync_delay, settings.apps.resync_min_interval), (s(5), s(1)));
    assert_eq!(settings.apps.reconcile_every, s(15 * 60));
    let auth = settings.auth;
    assert_eq!((auth.leeway, auth.max_lifetime, auth.secret_encoding), (s(0), None, SecretEncoding::Raw));
    assert!(auth.require_user_claim && auth.allow_encrypted_bodies);
    let upstream = &settings.upstreams[0];
    assert_eq!((upstream.retries, upstream.http2, upstream.peers[0].weight), (1, false, 1));
    let timeouts = upstream.timeouts;
    assert_eq!((timeouts.connect, timeouts.read, timeouts.write), (s(1), s(30), s(30)));
    assert_eq!((timeouts.keepalive, timeouts.tunnel), (s(60), s(3600)));
    let limits = settings.limits;
    assert_eq!((limits.max_header_bytes, limits.max_token_bytes), (32 << 10, 8 << 10));
    assert_eq!((limits.body_read_timeout, limits.client_idle, limits.write_timeout), (s(5), s(60), s(30)));
    assert_eq!((settings.telemetry.access_log.path, settings.server.drain), (None, s(10)));
    assert!((settings.telemetry.access_log.sample - 1.0).abs() < f64::EPSILON);
    let route = &settings.routes[0];
    assert!(route.judged && route.forward_token && !route.reject_open_apps);
    assert_eq!((route.rejection, route.vouch), (Form::Standard, Vouch::All));
}

#[test]
fn every_key_of_a_route_has_its_effect() {
    let routes = r#"
  - { path: "/a/{appId}/{rest*}" }
  - name: b
    path: "/b/{userId*}/x/{appId}"
    methods: [GET, PURGE]
    upstream: other
    auth: none
    identities: { userId: [path.userId, query.u, header.X-User], clientApp: [body.a.clientId] }
    vouch: any
    rejection: sdk
    open_apps: forward
    forward_token: true
  - { path: "/c/{appId}", max_body_bytes: 1MiB, upstream: rtms }
"#;
    let auth = "{ rejection: sdk, open_apps: reject, forward_token: false, secret_encoding: base64, max_lifetime: 1h }";
    let upstreams = "{ other: { peers: [ { address: \"a:1\" } ] }, rtms: { peers: [ { address: \"b:1\" } ] } }";
    let routes = routes.replace("/{rest*}\" }", "/{rest*}\", upstream: rtms }");
    let settings = load(&config(&[("auth", auth), ("upstreams", upstreams), ("routes", &routes)]));
    let [a, b, c] = &settings.routes[..] else { panic!("three routes") };
    assert_eq!((a.name.as_str(), a.upstream, a.rejection), ("/a/{appId}/{rest*}", 1, Form::Sdk));
    assert!(a.judged && a.reject_open_apps && !a.forward_token);
    assert!(a.methods.admits(&Method::DELETE) && a.max_body_bytes.is_none() && a.places.body().is_none());
    assert_eq!((b.name.as_str(), b.upstream, b.vouch), ("b", 0, Vouch::Any));
    assert!(!b.judged && !b.reject_open_apps && b.forward_token);
    assert!(b.methods.admits(&Method::HEAD) && !b.methods.admits(&Method::POST));
    assert_eq!((b.max_body_bytes, c.max_body_bytes), (Some(64 << 10), Some(1 << 20)));
    assert_eq!(settings.auth.secret_encoding, SecretEncoding::Base64);
    assert_eq!(settings.auth.max_lifetime, Some(Duration::from_hours(1)));
}

#[test]
fn every_other_key_has_its_effect() {
    let folder = Folder::new();
    folder.write("apps/list.json", "[]");
    let yaml = "\
listeners: [ { address: \"[::1]:0\" } ]
admin: { address: 127.0.0.1:9901 }
apps: { source: file, file: { path: apps/list.json }, when_stale: reject, reconcile_every: 10m, mongodb: { uri: '?' } }
auth: { leeway: 250ms, require_user_claim: false, encrypted_bodies: reject }
upstreams:
  rtms:
    peers: [ { address: \"[::1]:80\", weight: 3 } ]
    balance: round_robin
    protocol: http2
    tls: { verify: false }
    timeouts: { connect: 250ms, keepalive: 1m }
    retries: 0
limits: { max_header_bytes: 1024, client_idle: 1h }
telemetry: { access_log: { format: json, path: access.log, sample: 0 } }
server: { threads: 2, drain: 0s, finish_requests: 5s, finish_streams: 1h, upgrade_socket: gateway.sock, pid_file: gateway.pid, trusted_proxies: [ 10.0.0.1, \"fd00::/8\" ] }
";
    let settings = folder.load(yaml).unwrap().settings;
    let in_folder = |name: &str| folder.path().join(name);
    assert_eq!(settings.admin.unwrap().port(), 9901);
    assert!(matches!(&settings.apps.source, AppsSource::File { path } if *path == in_folder("apps/list.json")));
    assert!(settings.apps.reject_when_stale);
    assert_eq!(settings.auth.leeway, Duration::from_millis(250));
    assert!(!settings.auth.require_user_claim && !settings.auth.allow_encrypted_bodies);
    let upstream = &settings.upstreams[0];
    assert!(upstream.http2 && !upstream.tls.as_ref().unwrap().verify);
    assert_eq!((upstream.peers[0].address.as_str(), upstream.peers[0].weight), ("[::1]:80", 3));
    assert_eq!((upstream.retries, upstream.timeouts.keepalive), (0, Duration::from_mins(1)));
    assert_eq!((settings.limits.max_header_bytes, settings.limits.client_idle), (1024, Duration::from_hours(1)));
    assert_eq!(settings.telemetry.access_log.path, Some(in_folder("access.log")));
    assert_eq!((settings.server.threads, settings.server.drain), (2, Duration::ZERO));
    assert_eq!(settings.server.pid_file, Some(in_folder("gateway.pid")));
    assert_eq!(settings.server.upgrade_socket, Some(in_folder("gateway.sock")));
    assert_eq!((settings.server.finish_requests.as_secs(), settings.server.finish_streams.as_secs()), (5, 3600));
    assert_eq!(settings.server.trusted_proxies.len(), 2);
}

#[test]
fn paths_are_absolute_wherever_the_command_runs() {
    let loaded = config::load(std::path::Path::new("conf/quickstart.yaml"), &no_env).unwrap();
    let AppsSource::File { path } = loaded.settings.apps.source else { panic!("another source") };
    assert_eq!(path, repository("conf/apps/quickstart.yaml"));
}

#[test]
fn variables_reach_every_kind_of_value_and_never_a_message() {
    let env = |name: &str| match name {
        "PORT" => Some("8081".to_owned()),
        "THREADS" => Some("3".to_owned()),
        "OFF" => Some("false".to_owned()),
        "TIME" => Some("7".to_owned()),
        "SECRET" => Some("hunter2".to_owned()),
        "MONGODB_URI" => Some("mongodb://u:hunter2@h/?replicaSet=x".to_owned()),
        _ => None,
    };
    let folder = Folder::new();
    let yaml = config(&[
        ("listeners", "[ { address: \"127.0.0.1:${PORT}\" } ]"),
        ("auth", "{ leeway: \"${TIME}s\", forward_token: \"${OFF}\", max_lifetime: \"${NONE:-}\" }"),
        ("server", "{ threads: \"${THREADS}\", drain: \"${NONE:-2s}\" }"),
    ]);
    let settings = config::load(&folder.write("good.yaml", yaml), &env).unwrap().settings;
    assert_eq!(settings.listeners[0].address.port(), 8081);
    assert_eq!((settings.auth.leeway, settings.auth.max_lifetime), (Duration::from_secs(7), None));
    assert!(!settings.routes[0].forward_token);
    assert_eq!((settings.server.threads, settings.server.drain), (3, Duration::from_secs(2)));
    let AppsSource::MongoDb { uri, .. } = &settings.apps.source else { panic!("another source") };
    assert_eq!(uri, "mongodb://u:hunter2@h/?replicaSet=x");
    assert!(!format!("{settings:?}").contains("hunter2"));

    let yaml = config(&[
        ("listeners", "[ { address: \"${SECRET}\" } ]"),
        ("apps", "{ source: mongodb, mongodb: { uri: \"${SECRET}\", database: \"${SECRET}.\" } }"),
        ("auth", "{ leeway: \"${SECRET}\", rejection: \"${SECRET}\", open_apps: \"${NONE}\" }"),
        ("upstreams", "{ rtms: { peers: [ { address: \"${SECRET}\", weight: \"${SECRET}\" } ] } }"),
        (
            "routes",
            "[ { path: \"/${SECRET}/{appId}//\" }, { path: \"/{appId}\", identities: { userId: [ \"path.${SECRET}\" ] } }, \
             { path: \"/{appId}/a\", upstream: \"${SECRET}\", methods: [\"${SECRET}\"] } ]",
        ),
        (
            "server",
            "{ threads: \"${SECRET}\", trusted_proxies: [ \"${SECRET}\" ], pid_file: \"/no/${SECRET}/x\", upgrade_socket: \"/no/${SECRET}/y\" }",
        ),
    ]);
    let mistakes = config::load(&folder.write("bad.yaml", yaml), &env).unwrap_err();
    assert_eq!(mistakes.iter().count(), 16, "{mistakes}");
    assert!(!mistakes.to_string().contains("hunter2"), "{mistakes}");
    assert!(mistakes.to_string().contains("listeners[0].address: `${SECRET}` is no IP address"), "{mistakes}");
}

#[test]
fn a_key_may_stand_without_a_value() {
    let yaml = config(&[("admin", "~"), ("auth", "{ leeway: , rejection: ~ }"), ("routes", "~"), ("profiles", "~")]);
    load(&yaml);
    assert_eq!(load(&config(&[("telemetry", "{ tracing: ~ }")])).telemetry.tracing, None);
}

#[test]
fn a_rate_without_a_burst_allows_a_second_of_it_at_once() {
    let limit = |limit: &str| load(&config(&[("limits", &format!("{{ requests_per_app: {limit} }}"))])).limits;
    assert_eq!(limit("{ rate: 1000, burst: 2000 }").requests_per_app, Some(Rate::new(1000.0, 2000)));
    assert_eq!(limit("{ rate: 2.5 }").requests_per_app, Some(Rate::new(2.5, 3)));
    assert_eq!(limit("{ rate: 0.1 }").requests_per_app, Some(Rate::new(0.1, 1)));
    assert_eq!(limit("~").requests_per_app, None);
    assert_eq!(load(&config(&[])).limits.rejections_per_address, None);
    let none = load(&config(&[])).limits;
    assert_eq!((none.concurrent_requests, none.concurrent_requests_per_app), (None, None));
    assert_eq!((none.connections, none.connections_per_address), (None, None));
}

#[test]
fn anchors_work_within_the_file() {
    let yaml = "\
listeners: [ { address: 127.0.0.1:80 } ]
apps: { source: mongodb }
upstreams: { rtms: { peers: [ { address: \"a:1\" } ], timeouts: { read: &long 90s, write: *long } } }
";
    assert_eq!(load(yaml).upstreams[0].timeouts.write, Duration::from_secs(90));
    assert!(fs::read_to_string(repository("conf/rtms.yaml")).unwrap().contains('&'));
}
