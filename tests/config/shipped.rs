//! What is shipped in conf/: every complete configuration passes, and the rtmsAPI table binds what it should.

use std::fs;
use std::path::PathBuf;

use http::Method;
use rcgen::{CertificateParams, KeyPair};
use rtms_gateway::config::settings::{Route, Settings};
use rtms_gateway::config::{self, Loaded};
use rtms_gateway::reason::Reason;
use rtms_gateway::request::identities::Places;
use rtms_gateway::routing::RouteTable;

use crate::files::{Folder, config, no_env, repository};

/// The configurations in conf/; rtms.yaml is a fragment.
pub fn complete() -> Vec<PathBuf> {
    let files = fs::read_dir(repository("conf")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|f| f.extension().is_some_and(|e| e == "yaml") && !f.ends_with("rtms.yaml")).collect();
    files.sort();
    assert!(files.len() >= 2);
    files
}

fn load(file: &std::path::Path) -> Loaded {
    config::load(file, &no_env).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

#[test]
fn every_complete_configuration_passes_without_a_warning() {
    for file in complete() {
        let loaded = load(&file);
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    }
}

#[test]
fn the_quickstart_listens_on_this_machine_alone() {
    let settings = load(&repository("conf/quickstart.yaml")).settings;
    assert_eq!(settings.listeners[0].address.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.admin.unwrap().to_string(), "127.0.0.1:9901");
    assert_eq!(settings.upstreams[0].peers[0].address, "127.0.0.1:9090");
}

#[test]
fn the_whole_of_gateway_yaml_works_with_every_key_in_use() {
    let folder = Folder::new();
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    folder.write("server.pem", cert.pem());
    folder.write("ca.pem", cert.pem());
    folder.write("server.key", key.serialize_pem());
    folder.write("admin.pem", cert.pem());
    folder.write("admin.key", key.serialize_pem());
    let yaml = fs::read_to_string(repository("conf/gateway.yaml")).unwrap();
    assert!(yaml.contains("\n#:"));
    let yaml = yaml.replace("\n#:", "\n").replace("/run/", "");
    let env = |name: &str| match name {
        "APPS_CACHE_KEY" => Some("0f".repeat(32)),
        "USER_HASH_KEY" => Some("a-key-of-16-bytes-or-more".to_owned()),
        "RTMS_PROFILES_TOKEN" => Some("a-token".to_owned()),
        _ => None,
    };
    let loaded = config::load(&folder.write("gateway.yaml", yaml), &env);
    let settings = loaded.unwrap_or_else(|mistakes| panic!("{mistakes}")).settings;
    assert_eq!((settings.listeners.len(), settings.routes.len()), (2, 2));
    assert!(settings.apps.cache.is_some());
    assert!(settings.profiles.is_some_and(|profiles| profiles.tls.is_some() && profiles.tokens.len() == 2));
    let upstream = &settings.upstreams[0];
    assert!(upstream.tls.as_ref().is_some_and(|tls| tls.identity.is_some()));
    assert!(upstream.health_check.is_some() && upstream.ejection.is_some() && settings.server.pid_file.is_some());
}

/// The shipped table.
struct Table {
    routes: Vec<Route>,
    table: RouteTable,
}

impl Table {
    fn new() -> Self {
        let Settings { routes, .. } = Folder::new().load(&config(&[])).unwrap().settings;
        let table = routes.iter().map(|r| (r.template.clone(), r.methods.clone())).collect();
        Self { routes, table: RouteTable::build(table).unwrap() }
    }

    /// The name of a request's route, its app and its user as far as the path has them.
    fn find<'p>(&self, method: &str, path: &'p str) -> Result<(&str, Option<&'p str>, Option<&'p str>), Reason> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let found = self.table.find(path, &method)?;
        let route = &self.routes[found.route];
        let captured = |name: &str| {
            let at = route.template.names().position(|n| n == name)?;
            found.captures.get(path, at)
        };
        Ok((&route.name, captured("appId"), captured("userId")))
    }

    fn route(&self, method: &str, path: &str) -> &Route {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        &self.routes[self.table.find(path, &method).unwrap().route]
    }
}

#[test]
fn every_call_of_the_api_finds_its_route() {
    let table = Table::new();
    let calls = [
        ("POST", "/app/TR1/setuserid", "setuserid", None),
        ("POST", "/TR1/setUserId", "setuserid", None),
        ("POST", "/TR1/register", "register", None),
        ("POST", "/TR1/unregister", "unregister", None),
        ("POST", "/TR1/removeUserId", "removeuserid", None),
        ("POST", "/TR1/profileupdate", "profileupdate", None),
        ("POST", "/TR1/deliveryupdate", "deliveryupdate", None),
        ("POST", "/TR1/message", "message", None),
        ("POST", "/TR1/removeCustomerId", "removecustomerid", None),
        ("POST", "/TR1/setCustomerId", "setcustomerid", None),
        ("POST", "/TR1/mo", "mo", None),
        ("POST", "/TR1/user/u1/generatemedia", "generatemedia", Some("u1")),
        ("GET", "/apps/TR1/user/u1/threads", "threads", Some("u1")),
        ("POST", "/apps/TR1/user/a/b/threads", "threads", Some("a/b")),
        ("PUT", "/apps/TR1/user/u1/threads/t1", "threads", Some("u1")),
        ("GET", "/apps/TR1/user/WwopGf/Q==/threads/t1/messages", "threads", Some("WwopGf/Q==")),
        ("GET", "/apps/TR1/user/u1/unreadthreads", "unreadthreads", Some("u1")),
        ("GET", "/apps/TR1/user/u1/topics", "user-topics", Some("u1")),
        ("POST", "/apps/TR1/threads", "app-threads", None),
        ("POST", "/apps/TR1/segments", "app-segments", None),
        ("POST", "/apps/TR1/segments/s1", "app-segments", None),
        ("POST", "/apps/TR1/topics", "app-topics", None),
        ("POST", "/apps/TR1/topics/t1/users", "topic-subscribe", None),
        ("GET", "/apps/TR1/topics/t1/users/u1", "topic-user", Some("u1")),
        ("DELETE", "/apps/TR1/topics/t1/users/a/b", "topic-user", Some("a/b")),
        ("POST", "/media/TR1/upload", "upload", None),
        ("GET", "/apps/TR1/user/a%3D/oauth/token", "oauth-token", Some("a%3D")),
        ("GET", "/TR1/verifyPolicy", "verifypolicy", None),
        ("GET", "/TR1/trackDeliveryRequest", "trackdelivery", None),
        ("GET", "/TR1/trackReadRequest", "trackread", None),
        ("PATCH", "/TR1/somethingNew/at/all", "other", None),
        ("POST", "/apps/TR1/somethingNew", "other", None),
        ("POST", "/app/TR1/somethingNew", "other", None),
        ("POST", "/media/TR1/somethingNew", "other", None),
    ];
    for base in ["/rtmsAPI/api/v1", "/rtmsAPI/api/v4", "/api/v1"] {
        for (method, path, name, user) in calls {
            let path = format!("{base}{path}");
            assert_eq!(table.find(method, &path), Ok((name, Some("TR1"), user)), "{method} {path}");
        }
    }
}

#[test]
fn only_calls_without_a_token_by_construction_are_exempt() {
    let table = Table::new();
    let exempt: Vec<&str> = table.routes.iter().filter(|r| !r.judged).map(|r| r.name.as_str()).collect();
    assert_eq!(exempt, ["verifypolicy", "trackdelivery", "trackread"].repeat(2));
    for route in table.routes.iter().filter(|r| !r.judged) {
        assert!(!route.methods.admits(&Method::POST), "{}", route.name);
    }
}

/// Every call that names somebody, with the part of its path after the app.
const BOUND: [(&str, &str); 18] = [
    ("POST", "setUserId"),
    ("POST", "register"),
    ("POST", "unregister"),
    ("POST", "removeUserId"),
    ("POST", "profileupdate"),
    ("POST", "deliveryupdate"),
    ("POST", "message"),
    ("POST", "removeCustomerId"),
    ("POST", "setCustomerId"),
    ("POST", "mo"),
    ("GET", "user/victim/threads"),
    ("PUT", "user/victim/unreadthreads/1"),
    ("GET", "user/victim/topics"),
    ("GET", "user/victim/oauth/token"),
    ("POST", "user/victim/generatemedia"),
    ("GET", "user/victim"),
    ("PATCH", "user/victim/profile"),
    ("DELETE", "topics/t/users/victim"),
];

#[test]
fn no_call_is_bound_less_by_being_spelled_differently() {
    let table = Table::new();
    for route in table.routes.iter().filter(|r| r.template.as_str().starts_with("/rtmsAPI")) {
        let bare = route.template.as_str().trim_start_matches("/rtmsAPI");
        let twin = table.routes.iter().find(|r| r.template.as_str() == bare).unwrap_or_else(|| panic!("{bare}"));
        assert_eq!(
            (&twin.places, twin.judged, twin.vouch, &twin.methods),
            (&route.places, route.judged, route.vouch, &route.methods),
            "{bare}"
        );
    }
    for (method, call) in BOUND {
        let bound = table.route(method, &format!("/rtmsAPI/api/v1/TR1/{call}"));
        assert_ne!(bound.places, Places::default(), "{call}");
        for base in ["/rtmsAPI/api/v1", "/api/v9"] {
            for prefix in ["", "app/", "apps/"] {
                for spelling in [call.to_uppercase(), format!("{call}/"), call.to_owned()] {
                    let path = format!("{base}/{prefix}TR1/{spelling}");
                    let found = table.route(method, &path);
                    assert_eq!((&found.places, found.vouch), (&bound.places, bound.vouch), "{path}");
                }
            }
        }
    }
    for (method, path) in [
        ("PUT", "/rtmsAPI/api/v1/TR1/setCustomerId"),
        ("GET", "/rtmsAPI/api/v1/app/TR1/setuserid"),
        ("DELETE", "/rtmsAPI/api/v1/apps/TR1/user/u/threads"),
        ("POST", "/rtmsAPI/api/v1/apps/TR1/topics/t/users/u"),
        ("POST", "/rtmsAPI/api/v1/TR1/verifyPolicy"),
    ] {
        assert_eq!(table.find(method, path), Err(Reason::MethodNotAllowed), "{method} {path}");
    }
    let beneath = table.find("GET", "/rtmsAPI/api/v1/apps/TR1/user/u/threads/t/messages/m/more").unwrap();
    assert_eq!(beneath, ("threads", Some("TR1"), Some("u")));
}

#[test]
fn prefixes_are_never_taken_for_an_app() {
    let table = Table::new();
    for prefix in ["app", "apps", "media"] {
        for path in [format!("/rtmsAPI/api/v1/{prefix}/TR1"), format!("/rtmsAPI/api/v1/{prefix}/TR1/x/y")] {
            assert_eq!(table.find("POST", &path), Ok(("other", Some("TR1"), None)), "{path}");
        }
        let path = format!("/rtmsAPI/api/v1/{prefix}/verifyPolicy");
        assert_eq!(table.find("GET", &path), Ok(("other", Some("verifyPolicy"), None)), "{path}");
    }
    for path in ["/", "/rtmsAPI", "/rtmsAPI/api/v1", "/oauth/token", "/rtmsAPI2/api/v1/TR1/register"] {
        assert_eq!(table.find("POST", path), Err(Reason::RouteUnknown), "{path}");
    }
}
