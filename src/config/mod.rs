//! The configuration: a YAML file, read strictly, checked in full, and put into one normal form.
//!
//! Every section has a *twin*, a struct that looks like its YAML (one file each); [`settings`] is what comes out.
//! The way there collects every mistake with its path instead of stopping at the first: duplicate keys, variables
//! ([`expand`]), unknown keys and wrong types ([`shape`]), and then what
//! each section knows about its values. Nothing is dialled; certificates and the apps file are read.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

mod address;
pub mod admin;
pub mod apps;
pub mod apps_cache;
mod apps_file;
pub mod auth;
pub mod cors;
pub mod difference;
pub mod expand;
pub mod identities;
pub mod limits;
pub mod list;
pub mod listeners;
pub mod mistakes;
mod nearest;
mod pem;
pub mod profiles;
mod reader;
pub mod routes;
pub mod server;
pub mod settings;
pub mod shape;
pub mod telemetry;
pub mod tracing;
mod tree;
pub mod upstreams;
pub mod values;
mod yaml_path;

pub use difference::Difference;
pub use mistakes::{Mistake, Mistakes};
pub use settings::Settings;
pub use values::duration;

use expand::Env;
use list::List;
use mistakes::Check;
use tree::Node;
use yaml_path::YamlPath;

/// The shipped routes: the whole rtmsAPI.
const SHIPPED_ROUTES: &str = include_str!("../../conf/rtms.yaml");

/// A configuration file. Values are defaults where they aren't required.
#[derive(Clone, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where clients connect. At least one; every listener serves every route.
    #[schemars(required)]
    listeners: Option<List<listeners::Listener>>,
    /// The admin address: `/metrics`, `/livez`, `/readyz` and `/status`. Absent: off.
    admin: Option<admin::Admin>,
    /// The app profiles API (docs/profiles-api.md): apps are listed, created, changed and deleted, and their secrets
    /// rotated. Writes need `apps.source: mongodb` and a database user that may write. Absent: off.
    profiles: Option<profiles::Profiles>,
    /// Where the app documents come from.
    #[schemars(required)]
    apps: apps::Apps,
    /// How tokens are judged. `rejection`, `open_apps` and `forward_token` may also be set on a route, for that route.
    auth: auth::Auth,
    /// The servers that requests are forwarded to, by a name of your choice. At least one.
    #[schemars(required)]
    upstreams: Option<BTreeMap<String, upstreams::Upstream>>,
    /// Which requests go where. The most specific path template wins, segment by segment, whatever the order and the
    /// method. Absent: the shipped rtmsAPI table (conf/rtms.yaml) towards the only upstream.
    routes: Option<List<routes::Route>>,
    /// Sizes and times a client may use.
    limits: limits::Limits,
    /// Which pages of other origins may read the gateway's own answers. Absent: off.
    cors: Option<cors::Cors>,
    /// What is told about requests.
    telemetry: telemetry::Telemetry,
    /// The process.
    server: server::Server,
}

/// A configuration that can be put in force.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The normal form.
    pub settings: Settings,
    /// What is wrong with the apps file: the gateway starts all the same, but not ready or with unusable apps. A check
    /// treats these as mistakes.
    pub warnings: Mistakes,
    /// Certificates that have expired or will before long. A check tells of them; the running gateway logs them by itself.
    pub advice: Mistakes,
}

/// Reads a configuration file, with the certificates and the apps file it names.
///
/// # Errors
/// Every mistake there is, in the order of the file, and what is wrong with the apps file; at least one.
pub fn load(path: &Path, env: Env<'_>) -> Result<Loaded, Mistakes> {
    parse(&bytes_of(path)?, path, env)
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Mistakes> {
    std::fs::read(path).map_err(|error| whole(path, "", &format!("can't be read ({}); name a YAML file", error.kind())))
}

/// Reads the bytes of a configuration file that is named `path`.
///
/// # Errors
/// As [`load`].
pub fn parse(bytes: &[u8], path: &Path, env: Env<'_>) -> Result<Loaded, Mistakes> {
    expanded(bytes, path, env).map(|(loaded, _)| loaded)
}

/// The configuration, and the document it is made of, variables expanded.
fn expanded(bytes: &[u8], path: &Path, env: Env<'_>) -> Result<(Loaded, Node), Mistakes> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes.iter().take(error.valid_up_to()).filter(|b| **b == b'\n').count() + 1;
        whole(path, &format!("line {line}"), "is not UTF-8; save the file as UTF-8")
    })?;
    let mut document = tree::parse(text).map_err(|tree::Syntax { at, problem }| {
        let at = at.map(|(line, column)| format!("line {line}, column {column}")).unwrap_or_default();
        whole(path, &at, &problem)
    })?;
    let original = document.clone();
    let mut check = Check::new(path);
    let settings = read(&mut document, env, &mut check);
    let settings = settings.map(|settings| Settings { fingerprint: fingerprint(bytes), ..settings });
    let advice = check.take_advice().into();
    let (mut mistakes, warnings) = check.finish(&original);
    match settings {
        Some(settings) if mistakes.is_empty() => Ok((Loaded { settings, warnings: warnings.into(), advice }, document)),
        // Whatever couldn't be settled was refused; this is for the compiler.
        None if mistakes.is_empty() => Err(whole(path, "", "can't be used; see the reference")),
        _ => {
            mistakes.extend(warnings);
            Err(mistakes.into())
        }
    }
}

/// See [`Settings::fingerprint`].
fn fingerprint(bytes: &[u8]) -> String {
    let first: [u8; 8] = std::array::from_fn({
        let digest = Sha256::digest(bytes);
        move |at| digest.get(at).copied().unwrap_or_default()
    });
    format!("{:016x}", u64::from_be_bytes(first))
}

/// What would change if `new` took the place of `old`.
///
/// # Errors
/// The mistakes of either file.
pub fn differences(old: &Path, new: &Path, env: Env<'_>) -> Result<Vec<Difference>, Mistakes> {
    let (_, new) = expanded(&bytes_of(new)?, new, env)?;
    let (_, old) = expanded(&bytes_of(old)?, old, env)?;
    Ok(difference::between(&old, &new))
}

/// The one mistake of a file that can't be read any further.
fn whole(file: &Path, path: &str, problem: &str) -> Mistakes {
    vec![Mistake::new(file, path, problem)].into()
}

fn read(document: &mut Node, env: Env<'_>, check: &mut Check) -> Option<Settings> {
    // An empty file is one in which everything is missing.
    if *document == Node::Null {
        *document = Node::Map(Vec::new());
    }
    document.drop_duplicates(&YamlPath::default(), check);
    expand::expand(document, env, check);
    shape::read::<Config>(document, check)?.settle(env, check)
}

/// The routes of `conf/rtms.yaml`.
fn shipped_routes(check: &mut Check) -> Option<List<routes::Route>> {
    #[derive(Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Fragment {
        routes: List<routes::Route>,
    }
    let mut document = tree::parse(SHIPPED_ROUTES).ok()?;
    shape::read::<Fragment>(&mut document, check).map(|fragment| fragment.routes)
}

impl Config {
    fn settle(self, env: Env<'_>, check: &mut Check) -> Option<Settings> {
        let root = YamlPath::default();
        let admin = self.admin.and_then(|admin| admin.settle(&root.key("admin"), check));
        let around = listeners::Around { admin, proxies: self.server.names_proxies() };
        let listeners = listeners::settle(self.listeners, around, &root.key("listeners"), check);
        let profiles = self.profiles.and_then(|profiles| {
            let taken = taken(&listeners, admin);
            profiles.settle(&taken, &root.key("profiles"), check)
        });
        let defaults = self.auth.route_defaults();
        let auth = self.auth.settle(&root.key("auth"), check);
        let apps = self.apps.settle(&root.key("apps"), env, auth.secret_encoding, check);
        let upstreams = upstreams::settle(self.upstreams, &root.key("upstreams"), check);
        let names: Vec<String> = upstreams.iter().map(|u| u.name.clone()).collect();
        let around = routes::Around { upstreams: &names, defaults };
        let routes = settle_routes(self.routes, around, check);
        let limits = self.limits.settle(&root.key("limits"), check);
        let cors = self.cors.map(|cors| cors.settle(&root.key("cors"), check));
        let telemetry = self.telemetry.settle(&root.key("telemetry"), check);
        let server = self.server.settle(&root.key("server"), check);
        Some(Settings {
            fingerprint: String::new(),
            listeners,
            admin,
            profiles,
            apps: apps?,
            auth,
            upstreams,
            routes,
            limits,
            cors,
            telemetry,
            server,
        })
    }
}

/// The addresses that are bound, and what they are called in messages.
fn taken(listeners: &[settings::Listener], admin: Option<SocketAddr>) -> Vec<(String, SocketAddr)> {
    let admin = admin.map(|address| ("admin.address".to_owned(), address));
    let listeners = listeners.iter().map(|l| (format!("the listener {}", l.address), l.address));
    listeners.chain(admin).collect()
}

fn settle_routes(
    routes: Option<List<routes::Route>>,
    around: routes::Around<'_>,
    check: &mut Check,
) -> Vec<settings::Route> {
    let at = YamlPath::default().key("routes");
    let routes = match routes {
        Some(routes) => routes,
        None if check.refused(&at) => return Vec::new(),
        None if around.upstreams.len() > 1 => {
            check.missing(&at, "the shipped table needs exactly one upstream: list the routes, or keep one upstream");
            return Vec::new();
        }
        None => shipped_routes(check).unwrap_or_default(),
    };
    routes::settle(routes, around, &at, check)
}

/// The JSON schema of a configuration file, from which the reference is generated.
#[must_use]
pub fn schema() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<Config>().to_value()
}
