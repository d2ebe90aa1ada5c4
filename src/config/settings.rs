//! The normal form of a configuration: what the rest of the program reads.
//!
//! Everything here is already checked and complete: defaults filled in, paths absolute, names resolved to
//! indices. A value of these types can be put in force without another question.

mod differences;
mod telemetry;
mod tracing;
mod upstream;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use self::differences::FIXED;
pub use self::telemetry::{AccessLog, CountedApps, PerApp, Telemetry};
pub use self::tracing::Tracing;
pub use self::upstream::{Balance, ClientIdentity, Ejection, HealthCheck, Peer, Timeouts, Upstream, UpstreamTls};
use crate::apps::feed::CacheKey;
use crate::auth::binding::Vouch;
use crate::auth::rejection::Form;
use crate::limit::Rate;
use crate::profiles::{Digest, Scope};
use crate::request::identities::Places;
use crate::routing::{MethodSet, Template};

/// A whole configuration, ready to be put in force.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What tells this file from another, or from itself before an edit: the first 16 digits of its SHA-256. Variables
    /// aren't expanded in it, and other files that it names aren't part of it.
    pub fingerprint: String,
    /// Where clients connect; at least one.
    pub listeners: Vec<Listener>,
    /// Address of `/metrics`, `/livez`, `/readyz` and `/status`; `None`: off.
    pub admin: Option<SocketAddr>,
    /// The app profiles API; `None`: off.
    pub profiles: Option<Profiles>,
    /// Where the app documents come from.
    pub apps: Apps,
    /// How tokens are judged.
    pub auth: Auth,
    /// The upstreams, ordered by name; routes refer to them by index.
    pub upstreams: Vec<Upstream>,
    /// The routes, in the order of the file.
    pub routes: Vec<Route>,
    /// Sizes and times a client may use.
    pub limits: Limits,
    /// Who may read the gateway's own answers from a page of another origin; `None`: nobody.
    pub cors: Option<Cors>,
    /// What the gateway tells about requests.
    pub telemetry: Telemetry,
    /// The process.
    pub server: Server,
}

/// One listening address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Address and port.
    pub address: SocketAddr,
    /// TLS on this address; `None`: plain HTTP.
    pub tls: Option<ListenerTls>,
    /// Without TLS: a connection that begins with the preface is HTTP/2.
    pub h2c: bool,
    /// Every connection begins with a PROXY header; then `server.trusted_proxies` isn't empty.
    pub proxy_protocol: bool,
}

/// TLS of a listener; the files were readable and matched when the configuration was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTls {
    /// PEM chain, leaf first.
    pub cert: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
    /// Offer HTTP/2 by ALPN.
    pub http2: bool,
    /// Client certificates; `None`: not asked for.
    pub client_auth: Option<ClientAuth>,
}

/// Client certificates on a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// PEM file of the authorities that sign client certificates.
    pub ca: PathBuf,
    /// True: a connection without a good certificate is refused.
    pub required: bool,
}

/// The app profiles API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profiles {
    /// Address and port.
    pub address: SocketAddr,
    /// TLS on this address; `None`: plain HTTP.
    pub tls: Option<ListenerTls>,
    /// Who may use it; at least one.
    pub tokens: Vec<AdminToken>,
    /// The least length of a secret that is written, in bytes once decoded; 0: any.
    pub min_secret_bytes: usize,
}

/// A bearer token of the app profiles API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminToken {
    /// Whose it is.
    pub name: String,
    /// What tells it from others; the token itself isn't kept.
    pub digest: Digest,
    /// What it is good for.
    pub scope: Scope,
}

/// Where app documents come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apps {
    /// The source in use.
    pub source: AppsSource,
    /// Longer without contact counts as stale.
    pub max_staleness: Duration,
    /// Stale: reject every judged request (`true`) or serve the last known secrets (`false`).
    pub reject_when_stale: bool,
    /// A full reload waits a random time up to this.
    pub resync_delay: Duration,
    /// The least time between two full reloads.
    pub resync_min_interval: Duration,
    /// How often the whole collection is compared, jittered.
    pub reconcile_every: Duration,
    /// The last good state on disk; `None`: none is kept.
    pub cache: Option<AppsCache>,
}

/// The last good state of the apps on disk.
#[derive(Clone, PartialEq, Eq)]
pub struct AppsCache {
    /// The file.
    pub path: PathBuf,
    /// What it is encrypted with.
    pub key: CacheKey,
}

impl std::fmt::Debug for AppsCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cache {}", self.path.display())
    }
}

/// The source of app documents.
#[derive(Clone, PartialEq, Eq)]
pub enum AppsSource {
    /// A MongoDB collection, followed by its change stream.
    MongoDb {
        /// Connection string; may carry a password, so it is never logged.
        uri: String,
        /// Database name.
        database: String,
        /// Collection name.
        collection: String,
    },
    /// A file with a list of app documents.
    File {
        /// The file; `.json` is read as JSON, everything else as YAML.
        path: PathBuf,
    },
}

impl std::fmt::Debug for AppsSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MongoDb { database, collection, .. } => write!(f, "mongodb {database}.{collection}"),
            Self::File { path } => write!(f, "file {}", path.display()),
        }
    }
}

/// How tokens are judged, gateway-wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Tolerance for `exp` and `nbf`.
    pub leeway: Duration,
    /// The furthest `exp` may lie ahead; `None`: no bound.
    pub max_lifetime: Option<Duration>,
    /// How secrets stand in app documents that do not say so themselves.
    pub secret_encoding: crate::apps::SecretEncoding,
    /// A token must name a user or a customer.
    pub require_user_claim: bool,
    /// The form of answers where no route speaks for itself: before one is found.
    pub rejection: Form,
    /// Bodies of the form `{"encrypted": ".."}`: `false` refuses them where the route lists body places.
    pub allow_encrypted_bodies: bool,
}

/// One route.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Metric label.
    pub name: String,
    /// The path template.
    pub template: Template,
    /// Methods this route takes.
    pub methods: MethodSet,
    /// Index into [`Settings::upstreams`].
    pub upstream: usize,
    /// `true`: a token is judged (`auth: jwt`); `false`: forwarded as it is (`auth: none`).
    pub judged: bool,
    /// Where requests name identities.
    pub places: Places,
    /// How many of the named kinds the token must vouch for.
    pub vouch: Vouch,
    /// Bound on the body: of the buffer where places lie in the body, else of the stream; `None`: unbounded.
    pub max_body_bytes: Option<u64>,
    /// Form of the gateway's own answers.
    pub rejection: Form,
    /// Apps without a secret are refused on this route.
    pub reject_open_apps: bool,
    /// The judged token is passed on.
    pub forward_token: bool,
}

/// Sizes and times a client may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bound on a request's head.
    pub max_header_bytes: usize,
    /// Bound on a token.
    pub max_token_bytes: usize,
    /// Time for a request's head, from its first byte to its last.
    pub head_read_timeout: Duration,
    /// Time for a body that is read before forwarding.
    pub body_read_timeout: Duration,
    /// Time until the first byte of a request on a client connection.
    pub client_idle: Duration,
    /// Time for each write towards a client.
    pub write_timeout: Duration,
    /// Verified requests of one app; `None`: no limit.
    pub requests_per_app: Option<Rate>,
    /// Rejected requests of one address; `None`: no limit.
    pub rejections_per_address: Option<Rate>,
    /// How long a 429 is held back; zero: not at all.
    pub tarpit: Duration,
    /// Requests under way; `None`: no limit.
    pub concurrent_requests: Option<usize>,
    /// Verified requests of one app under way; `None`: no limit.
    pub concurrent_requests_per_app: Option<usize>,
    /// Client connections of all listeners; `None`: no limit.
    pub connections: Option<usize>,
    /// Client connections of one address; `None`: no limit.
    pub connections_per_address: Option<usize>,
}

/// Origins whose pages may read the gateway's own answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cors {
    /// All.
    Any,
    /// These, byte for byte.
    Only(Vec<String>),
}

/// The process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Idle connections to upstreams that are kept, by each worker thread.
    pub upstream_pool: usize,
    /// Worker threads.
    pub threads: usize,
    /// How long the listeners keep serving after SIGTERM.
    pub drain: Duration,
    /// How long requests have to finish once they are closed.
    pub finish_requests: Duration,
    /// The same for streams.
    pub finish_streams: Duration,
    /// Where a new process asks for the listening sockets; `None`: nowhere.
    pub upgrade_socket: Option<PathBuf>,
    /// Where the process id is written; `None`: nowhere.
    pub pid_file: Option<PathBuf>,
    /// Addresses whose PROXY headers are believed, and whose `X-Forwarded-*` are believed and appended to.
    pub trusted_proxies: Vec<ipnet::IpNet>,
}
