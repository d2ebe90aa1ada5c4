//! A database that asks who is there, with TLS or without; and the search for what no page or log may say.

use std::path::{Path, PathBuf};

use mongodb::bson::{Document, doc};
use tempfile::TempDir;

use crate::support::gateway::{Builder, Gateway, gateway};
use crate::support::mongo::Mongo;
use crate::support::tls::{Authority, Identity};
use crate::support::upstream::Upstream;
use crate::support::{APP, SECRET, poll, tokens};

/// A password with everything in it that has to be percent-encoded.
pub(super) const PASSWORD: &str = "s3cr/t:p@ss%w0rd?#&= ü";
const ROOT: &str = "a root password";

/// Percent-encodes all but letters and digits.
pub(super) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// A database with users.
pub(super) struct Guarded {
    pub(super) mongo: Mongo,
    pub(super) upstream: Upstream,
    /// The authority's certificate, where there is TLS.
    pub(super) authority: Authority,
    files: TempDir,
    tls: bool,
}

impl Guarded {
    /// One that speaks plain TCP.
    pub(super) async fn plain() -> Self {
        Self::start(false, &[]).await
    }

    /// One that speaks TLS and asks for, but doesn't insist on, certificates of its authority.
    pub(super) async fn tls(users: &[Document]) -> Self {
        Self::start(true, users).await
    }

    async fn start(tls: bool, users: &[Document]) -> Self {
        let authority = Authority::new("the database's authority");
        let files = TempDir::new().expect("a temporary directory");
        let mongo = Mongo::own().await;
        let gateway = user("gateway", PASSWORD, &doc! { "role": "read", "db": mongo.database() });
        let root = user("root", ROOT, &doc! { "role": "root", "db": "admin" });
        for user in [root, gateway] {
            mongo.admin(user).await;
        }
        for user in users {
            mongo.client().database("$external").run_command(user.clone()).await.expect("a user");
        }
        mongo.insert_app(APP, SECRET).await;
        let guarded = Self { upstream: Upstream::start().await, authority, files, tls, mongo };
        guarded.guard().await
    }

    /// Starts the server again, with its doors shut.
    async fn guard(mut self) -> Self {
        let Identity { cert, key } = self.authority.identity("127.0.0.1");
        let [cert, key] = [("server.crt", cert), ("server.key", key)].map(|(name, text)| self.file(name, &text));
        let ca = self.file("ca.crt", self.authority.pem());
        let mut arguments = vec!["--auth"];
        let files = [cert, key, ca].map(|path| path.to_str().expect("UTF-8").to_owned());
        if self.tls {
            arguments.extend(["--tls-cert-file", &files[0], "--tls-key-file", &files[1], "--tls-ca-file", &files[2]]);
        }
        let uri = self.uri(Some(("root", ROOT)), "authSource=admin");
        self.mongo.restart_as(&arguments, uri).await;
        self
    }

    /// A connection string to it.
    pub(super) fn uri(&self, who: Option<(&str, &str)>, options: &str) -> String {
        let who = who.map(|(user, password)| format!("{user}:{}@", encoded(password))).unwrap_or_default();
        let tls = if self.tls {
            format!("&tls=true&tlsCAFile={}", encoded(self.path("ca.crt").to_str().expect("UTF-8")))
        } else {
            String::new()
        };
        format!("mongodb://{who}{}/?replicaSet=secantus&{options}{tls}", self.mongo.address())
    }

    /// Writes a file for a connection string to name.
    pub(super) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a directory of ours");
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.files.path()).join(name)
    }

    /// A gateway that speaks to it by this connection string, and logs as much as it can.
    pub(super) fn gateway(&self, uri: &str) -> Builder {
        gateway(&self.upstream).mongo_at(uri, &self.mongo).variable("RTMS_LOG", "debug")
    }

    /// Changes arrive.
    pub(super) async fn follows(&self, gateway: &Gateway, what: &str) {
        let app = format!("TR{}", self.mongo.apps().count_documents(doc! {}).await.expect("a count"));
        self.mongo.insert_app(&app, "s").await;
        let token = tokens::of(&app, crate::support::USER, "s");
        poll::until_true(what, async || gateway.verdict(&app, &token).await.0 == 200).await;
    }
}

/// The command that makes a user.
pub(super) fn user(name: &str, password: &str, role: &Document) -> Document {
    doc! { "createUser": name, "pwd": password, "roles": [role.clone()], "mechanisms": ["SCRAM-SHA-256"] }
}

/// Fails the test if a page or a log says any of this, as it is or encoded.
pub(super) async fn says_nothing_of(gateway: &Gateway, secrets: &[&str]) {
    let mut texts = vec![("the log", gateway.printed())];
    for page in ["/readyz", "/livez", "/status", "/metrics"] {
        texts.push((page, gateway.page(page).await.text()));
    }
    for (place, text) in texts {
        for secret in secrets.iter().copied().flat_map(pieces) {
            assert!(!text.contains(&secret), "{place} says {secret:?}: {text}");
        }
    }
}

/// A secret in every spelling, and the parts that a parser may have cut it into.
fn pieces(secret: &str) -> Vec<String> {
    let long = |part: &&str| part.len() >= 4;
    let parts = secret.split(['/', ':', '@', '?', '#', '%', '&', '=']).filter(long).map(str::to_owned);
    let json = serde_json::to_string(secret).expect("text").trim_matches('"').to_owned();
    [secret.to_owned(), encoded(secret), encoded(secret).to_lowercase(), json].into_iter().chain(parts).collect()
}
