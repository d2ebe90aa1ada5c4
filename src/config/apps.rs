//! `apps`: where the app documents come from, and what happens when they can't be kept current.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::apps_cache::Cache;
use super::apps_file;
use super::auth::words;
use super::expand::{self, Env};
use super::mistakes::Check;
use super::settings;
use super::values::Span;
use super::yaml_path::YamlPath;
use crate::apps::feed::{UriFault, check_uri};
use crate::apps::{SecretEncoding, list};

/// Where the app documents come from.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Apps {
    /// Which source is in use; the other one's section may stay in the file.
    #[schemars(required)]
    source: Option<Source>,
    /// The MongoDB source: a replica set or a sharded cluster, as change streams need one.
    mongodb: MongoDb,
    /// The file source.
    file: File,
    /// Longer than this without contact to the source (for a file: longer unlike the file on disk) counts as stale.
    /// Example: `5m`.
    max_staleness: Span,
    /// What happens to requests while the apps are stale.
    when_stale: WhenStale,
    /// Full reloads of the collection, after the feed lost its place.
    resync: Resync,
    /// How often the whole collection is compared with what is in force, give or take some. Example: `1h`.
    reconcile_every: Span,
    /// The last good state on disk, encrypted: with it a gateway starts, and judges requests, while its database is down
    /// (docs/feed.md). Only with `source: mongodb`. Absent: none is kept.
    cache: Option<Cache>,
}

words! {
    /// A source of app documents.
    Source {
        /// A MongoDB collection, followed by its change stream.
        Mongodb,
        /// A file with a list of app documents, reloaded when it changes.
        File,
    }
}

words! {
    /// What happens while the apps are stale.
    WhenStale {
        /// The last known secrets stay in force.
        Serve,
        /// Every request on an `auth: jwt` route is answered 503, and so is `/readyz`.
        Reject,
    }
}

/// The MongoDB source.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct MongoDb {
    /// Connection string; never logged. Example: `mongodb://gateway:${MONGODB_PASSWORD}@db1,db2/?replicaSet=rs0`.
    uri: String,
    /// Name of the database.
    database: String,
    /// Name of the collection.
    collection: String,
}

/// The file source.
#[derive(Clone, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// A list of app documents; `.json` is read as JSON, everything else as YAML. Changes are noticed within a second,
    /// by rename or symlink swap too. Required with `source: file`. Example: `apps.yaml`.
    path: Option<String>,
}

/// Full reloads.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resync {
    /// A full reload waits a random time up to this, so that many gateways don't load at once. Example: `30s`.
    delay: Span,
    /// The least time between two full reloads. Example: `10s`.
    min_interval: Span,
}

impl Default for Apps {
    fn default() -> Self {
        Self {
            source: None,
            mongodb: MongoDb::default(),
            file: File::default(),
            max_staleness: Span::seconds(60),
            when_stale: WhenStale::Serve,
            resync: Resync::default(),
            reconcile_every: Span::seconds(15 * 60),
            cache: None,
        }
    }
}

impl Default for MongoDb {
    fn default() -> Self {
        Self {
            uri: "${MONGODB_URI:-mongodb://127.0.0.1:27017/?replicaSet=rs0}".to_owned(),
            database: "rtms".to_owned(),
            collection: "apps".to_owned(),
        }
    }
}

impl Default for Resync {
    fn default() -> Self {
        Self { delay: Span::seconds(5), min_interval: Span::seconds(1) }
    }
}

impl Apps {
    /// The normal form.
    #[must_use]
    pub fn settle(
        self,
        at: &YamlPath,
        env: Env<'_>,
        encoding: SecretEncoding,
        check: &mut Check,
    ) -> Option<settings::Apps> {
        let resync_at = at.key("resync");
        let max_staleness = check.some_time(&at.key("max_staleness"), self.max_staleness);
        let reconcile_every = check.some_time(&at.key("reconcile_every"), self.reconcile_every);
        for (key, span) in [("delay", &self.resync.delay), ("min_interval", &self.resync.min_interval)] {
            if *span > Span::seconds(3600) {
                check.refuse(&resync_at.key(key), "is over 1h, for which no app would be current; write some seconds");
            }
        }
        let source = match self.source {
            Some(Source::Mongodb) => Some(self.mongodb.settle(&at.key("mongodb"), env, check)),
            Some(Source::File) => self.file.settle(&at.key("file"), encoding, check),
            None => {
                check.missing(&at.key("source"), "write `mongodb` or `file`");
                None
            }
        };
        let cache = self.cache.and_then(|cache| cache.settle(&at.key("cache"), check));
        if cache.is_some() && self.source == Some(Source::File) {
            check.refuse(
                &at.key("cache"),
                "works with `source: mongodb` only: an apps file is on disk already; take it out",
            );
        }
        Some(settings::Apps {
            source: source?,
            max_staleness,
            reject_when_stale: self.when_stale == WhenStale::Reject,
            resync_delay: self.resync.delay.0,
            resync_min_interval: self.resync.min_interval.0,
            reconcile_every,
            cache,
        })
    }
}

/// The server's own databases: nobody can follow what changes in them.
const WITHOUT_STREAMS: [&str; 3] = ["admin", "config", "local"];

impl MongoDb {
    fn settle(self, at: &YamlPath, env: Env<'_>, check: &mut Check) -> settings::AppsSource {
        let Self { uri, database, collection } = self;
        // The default is an expression too.
        let uri = if uri == Self::default().uri { expand::scalar(&uri, env).text } else { uri };
        match check_uri(&uri) {
            Ok(()) => {}
            // The driver's message may quote the text, and with it the password.
            Err(UriFault::Form(_)) => check.refuse(
                &at.key("uri"),
                "is no MongoDB connection string; write `mongodb://USER:PASSWORD@HOST:27017/?replicaSet=NAME` (or \
                 `mongodb+srv://..`), with special characters in user and password percent-encoded",
            ),
            Err(UriFault::Option(problem)) => {
                check.refuse(&at.key("uri"), format!("can't be connected with: {problem}; change that option"));
            }
        }
        let database_at = at.key("database");
        if WITHOUT_STREAMS.contains(&database.as_str()) {
            let shown = check.show(&database_at, &database);
            check.refuse(&database_at, format!("{shown} has no change stream; write a name such as `rtms`"));
        }
        if database.is_empty() || database.len() > 63 || database.contains(['/', '\\', '.', ' ', '"', '$', '\0']) {
            let shown = check.show(&database_at, &database);
            check.refuse(&database_at, format!("{shown} can't name a database; write a name such as `rtms`"));
        }
        let collection_at = at.key("collection");
        if collection.is_empty() || collection.starts_with("system.") || collection.contains(['$', '\0']) {
            let shown = check.show(&collection_at, &collection);
            check.refuse(&collection_at, format!("{shown} can't name a collection; write a name such as `apps`"));
        }
        settings::AppsSource::MongoDb { uri, database, collection }
    }
}

impl File {
    fn settle(self, at: &YamlPath, encoding: SecretEncoding, check: &mut Check) -> Option<settings::AppsSource> {
        let at = at.key("path");
        let Some(name) = self.path else {
            check.missing(&at, "name the apps file, as in `apps.yaml`");
            return None;
        };
        let path = check.file(&name);
        if name.is_empty() || path.is_dir() {
            check.refuse(&at, format!("{} is no file name; name the apps file", check.show(&at, &name)));
            return None;
        }
        match std::fs::read(&path) {
            Ok(text) => check.warn_of(&name, apps_file::faults(&text, list::is_json(&path), encoding)),
            // It is read as soon as it is there.
            Err(error) => check.warn(&at, &check.unreadable(&at, &name, &error)),
        }
        Some(settings::AppsSource::File { path })
    }
}
