//! A database for a test: `SecantusDB` of its own, or a database of its own on the server of `MONGODB_URI`.
//!
//! A missing server is a failing test, never a skipped one. `SecantusDB` is a program of its own, found in the private
//! Python environment that `make setup` puts into the build folder, or named by `RTMS_SECANTUS`.

mod faults;
mod server;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Once;

use mongodb::bson::{Bson, Document, doc};
use mongodb::{Client, Collection};

use self::server::Server;
use super::poll;
use super::ports;

/// A database; its server is killed, or the database dropped, with this.
pub struct Mongo {
    uri: String,
    database: String,
    client: Client,
    own: Option<Server>,
}

impl Mongo {
    /// The server of `MONGODB_URI` if that is set, else one of its own.
    pub async fn start() -> Self {
        match std::env::var("MONGODB_URI") {
            Ok(uri) if !uri.is_empty() => Self::on(uri, None).await,
            _ => Self::own().await,
        }
    }

    /// A server of its own, which may be killed and restarted.
    pub async fn own() -> Self {
        let mut mongo = Self::down().await;
        mongo.restart().await;
        mongo
    }

    /// A server of its own that isn't started yet: see [`Mongo::restart`].
    pub async fn down() -> Self {
        let server = Server::down();
        let uri = format!("mongodb://{}/?replicaSet=secantus&serverSelectionTimeoutMS=5000", server.address());
        Self::on(uri, Some(server)).await
    }

    /// A server of its own with more arguments.
    pub async fn with(arguments: &[&str]) -> Self {
        let mut mongo = Self::down().await;
        mongo.server_mut().arguments(arguments);
        mongo.restart().await;
        mongo
    }

    async fn on(uri: String, own: Option<Server>) -> Self {
        let client = Client::with_uri_str(&uri).await.expect("MONGODB_URI is a connection string");
        let database = format!("rtms_test_{}_{}", std::process::id(), ports::free().port());
        let mongo = Self { uri, database, client, own };
        if mongo.own.is_none() {
            mongo.announce().await;
        }
        mongo
    }

    /// The connection string.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The name of the test's own database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The driver, for what the helpers here don't do.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The collection of the apps.
    pub fn apps(&self) -> Collection<Document> {
        self.client.database(&self.database).collection("apps")
    }

    /// Writes a document.
    pub async fn insert(&self, document: Document) {
        self.apps().insert_one(document).await.expect("an insert");
    }

    /// Writes an app with a secret.
    pub async fn insert_app(&self, app: &str, secret: &str) {
        self.insert(doc! { "appId": app, "jwt_secretkey": secret }).await;
    }

    /// Sets fields of an app's document.
    pub async fn set(&self, app: &str, fields: Document) {
        self.update(app, doc! { "$set": fields }).await;
    }

    /// Gives an app another secret.
    pub async fn set_secret(&self, app: &str, secret: &str) {
        self.set(app, doc! { "jwt_secretkey": secret }).await;
    }

    /// Removes a field of an app's document.
    pub async fn unset(&self, app: &str, field: &str) {
        let mut fields = Document::new();
        fields.insert(field, Bson::String(String::new()));
        self.update(app, doc! { "$unset": fields }).await;
    }

    async fn update(&self, app: &str, update: Document) {
        let done = self.apps().update_one(doc! { "appId": app }, update).await.expect("an update");
        assert_eq!(done.matched_count, 1, "{app} is there");
    }

    /// Removes an app's document.
    pub async fn delete(&self, app: &str) {
        self.apps().delete_one(doc! { "appId": app }).await.expect("a delete");
    }

    /// Drops the collection.
    pub async fn drop_collection(&self) {
        self.apps().drop().await.expect("a drop");
    }

    /// Renames a collection of the test's database.
    pub async fn rename(&self, from: &str, to: &str) {
        let name = |collection: &str| format!("{}.{collection}", self.database);
        let command = doc! { "renameCollection": name(from), "to": name(to) };
        self.client.database("admin").run_command(command).await.expect("a rename");
    }

    /// Starts the server again, on the same port and storage.
    pub async fn restart(&mut self) {
        self.server_mut().start();
        let ping = doc! { "ping": 1 };
        poll::until_true("the database answers", async || {
            self.client.database("admin").run_command(ping.clone()).await.is_ok()
        })
        .await;
        self.announce().await;
    }

    /// Starts the server again with other arguments, spoken to by another connection string from now on.
    pub async fn restart_as(&mut self, arguments: &[&str], uri: String) {
        self.server_mut().terminate().await;
        self.server_mut().arguments(arguments);
        self.client = Client::with_uri_str(&uri).await.expect("a connection string");
        self.uri = uri;
        self.restart().await;
    }

    /// The address of a server of the test's own.
    pub fn address(&self) -> SocketAddr {
        self.server().address()
    }

    fn server(&self) -> &Server {
        self.own.as_ref().expect("a server of the test's own")
    }

    fn server_mut(&mut self) -> &mut Server {
        self.own.as_mut().expect("a server of the test's own")
    }

    /// Says once for the whole run which server it is; straight to standard error, which is not captured.
    async fn announce(&self) {
        static OWN: Once = Once::new();
        static GIVEN: Once = Once::new();
        let info = self.client.database("admin").run_command(doc! { "buildInfo": 1 }).await;
        let info = info.unwrap_or_else(|error| panic!("no database at MONGODB_URI: {error}"));
        let named = |key: &str| info.get_str(key).unwrap_or_default().to_owned();
        let what = match info.get_str("secantusVersion") {
            Ok(version) => format!("SecantusDB {version}, speaking as MongoDB {}", named("version")),
            Err(_) => format!("MongoDB {}", named("version")),
        };
        let (once, whose) = match &self.own {
            Some(_) => (&OWN, "of the tests' own"),
            None => (&GIVEN, "of MONGODB_URI; tests that break their server run on one of their own"),
        };
        once.call_once(|| {
            let _ = writeln!(std::io::stderr(), "database: {what}, {whose}");
        });
    }
}

impl Drop for Mongo {
    fn drop(&mut self) {
        if self.own.is_some() {
            return;
        }
        // Somebody's server: leave nothing behind. The test's runtime may be ending, so this one has its own.
        let (uri, database) = (self.uri.clone(), self.database.clone());
        let _ = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                if let Ok(client) = Client::with_uri_str(&uri).await {
                    let _ = client.database(&database).drop().await;
                }
            });
            std::io::Result::Ok(())
        })
        .join();
    }
}
