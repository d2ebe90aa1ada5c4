//! A gateway that starts while its database is down, from what it left on disk. These take servers of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use mongodb::bson::doc;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::get;
use crate::support::gateway::{Builder, Gateway, gateway};
use crate::support::mongo::Mongo;
use crate::support::upstream::Upstream;
use crate::support::{APP, SECRET, USER, plain, poll, tokens};

const KEY: &str = "8e1c0a4f5b6d7e8f90123456789abcdef0e1d2c3b4a5968778695a4b3c2d1e0f";
const OTHER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// A database, and a folder that outlives gateways.
struct Place {
    upstream: Upstream,
    mongo: Mongo,
    folder: TempDir,
}

impl Place {
    async fn new() -> Self {
        let mongo = Mongo::own().await;
        mongo.insert_app(APP, SECRET).await;
        mongo.insert_app("TR_OTHER", "other").await;
        Self { upstream: Upstream::start().await, mongo, folder: TempDir::new().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("apps.cache")
    }

    fn gateway(&self, key: &str) -> Builder {
        gateway(&self.upstream).mongo(&self.mongo).set("/apps/cache", json!({ "path": self.file(), "key": key }))
    }

    /// A gateway has run and stopped, and the database is down.
    async fn deserted() -> Self {
        let mut place = Self::new().await;
        stop(place.gateway(KEY).start().await).await;
        place.mongo.kill();
        place
    }
}

async fn stop(mut gateway: Gateway) {
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.ends(poll::DEADLINE).await.code(), Some(0), "{}", gateway.printed());
}

async fn alarms(gateway: &Gateway) -> Value {
    gateway.status().await["apps"]["alarms"].clone()
}

async fn until_well(gateway: &Gateway) {
    poll::until_true("no alarm", async || alarms(gateway).await == json!([])).await;
}

fn holds(path: &Path, word: &str) -> bool {
    let bytes = fs::read(path).expect("a file");
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

#[tokio::test]
async fn a_gateway_restarted_without_its_database_judges_by_what_it_stopped_with() {
    let mut place = Place::new().await;
    let first = place.gateway(KEY).start().await;
    place.mongo.insert_app("TR_LATE", "late").await;
    let late = tokens::of("TR_LATE", USER, "late");
    poll::until_true("the latest app", async || first.verdict("TR_LATE", &late).await.0 == 200).await;
    stop(first).await;
    place.mongo.kill();

    let file = place.file();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for word in [SECRET, "TR_LATE", "jwt_secretkey", KEY] {
        assert!(!holds(&file, word), "{word}");
    }
    let gateway = place.gateway(KEY).start().await;
    assert_eq!(gateway.verdict(APP, &tokens::good()).await, (200, "0".into()));
    assert_eq!(gateway.verdict("TR_LATE", &late).await, (200, "0".into()));
    assert_eq!(gateway.verdict(APP, &tokens::of(APP, USER, "wrong")).await, (401, "38".into()));
    assert_eq!(gateway.verdict("TR_NOBODY", &tokens::good()).await, (401, "38".into()));
    assert_eq!(gateway.ask(&get(plain(APP))).await.verdict(), (401, "39".into()));
    assert_eq!(alarms(&gateway).await, json!(["from_cache"]));
    let cache = gateway.status().await["apps"]["cache"].clone();
    assert!(cache["in_use_since"].is_string() && cache["written_at"].is_string(), "{cache}");
    let metrics = gateway.metrics().await;
    assert!(metrics.sum("rtms_apps_staleness_seconds", &[]) > 3.0);
    assert!(metrics.sum("rtms_apps_cache_age_seconds", &[]) > 3.0);
    let printed = gateway.printed();
    assert!(![SECRET, KEY, &KEY[..16]].iter().any(|word| printed.contains(word)), "{printed}");
}

#[tokio::test]
async fn what_changed_while_nobody_looked_is_enforced_without_a_full_load() {
    let mut place = Place::deserted().await;
    let gateway = place.gateway(KEY).set("/apps/reconcile_every", "1s".into()).start().await;
    let [before, after] = ["other", "changed"].map(|secret| tokens::of("TR_OTHER", USER, secret));
    assert_eq!(gateway.verdict("TR_OTHER", &before).await, (200, "0".into()));
    place.mongo.restart().await;
    place.mongo.set_secret("TR_OTHER", "changed").await;
    place.mongo.delete(APP).await;
    poll::until_true("a change", async || gateway.verdict("TR_OTHER", &after).await.0 == 200).await;
    assert_eq!(gateway.verdict("TR_OTHER", &before).await, (401, "38".into()));
    poll::until_true("a deletion", async || gateway.verdict(APP, &tokens::good()).await.0 == 401).await;
    until_well(&gateway).await;
    let apps = async || gateway.status().await["apps"].clone();
    poll::until_true("a comparison", async || apps().await["reloads"]["reconcile"].as_u64() > Some(0)).await;
    let mut apps = apps().await;
    apps["reloads"].as_object_mut().unwrap().remove("reconcile");
    assert_eq!(apps["reloads"], json!({ "cache": 1 }), "no full load");
    assert_eq!(gateway.metrics().await.count("rtms_apps_changes_total", &[("kind", "reconciled")]), 0);
    assert!(apps["server"].is_string() && apps["cache"]["in_use_since"].is_null(), "{apps}");
    stop(gateway).await;
}

/// Not ready with a reason, and ready by itself once the database is there; the file is good again afterwards.
async fn refused(mut place: Place, key: &str, reason: &str) {
    let gateway = place.gateway(key).launch().await;
    poll::until_true(reason, async || {
        let (status, text) = gateway.readyz().await;
        assert_eq!(status, 503);
        text.contains(reason)
    })
    .await;
    assert_eq!(alarms(&gateway).await, json!(["cache_broken"]));
    assert!(gateway.printed().contains(reason), "the log says so too");
    assert_eq!(gateway.metrics().await.count("rtms_apps_reloads_total", &[("cause", "cache_refused")]), 1);
    place.mongo.restart().await;
    poll::until_true("ready by itself", async || gateway.readyz().await.0 == 200).await;
    until_well(&gateway).await;
    assert_eq!(gateway.verdict(APP, &tokens::good()).await, (200, "0".into()));
    assert!(!gateway.printed().contains(key));
    stop(gateway).await;
    place.mongo.kill();
    let again = place.gateway(key).start().await;
    assert_eq!(again.verdict(APP, &tokens::good()).await, (200, "0".into()));
}

#[tokio::test]
async fn a_file_of_another_key_is_ignored_with_a_message_until_it_is_overwritten() {
    refused(Place::deserted().await, OTHER_KEY, "was written with another key").await;
}

#[tokio::test]
async fn a_damaged_file_is_ignored_with_a_message_until_it_is_overwritten() {
    let place = Place::deserted().await;
    let mut bytes = fs::read(place.file()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(place.file(), bytes).unwrap();
    refused(place, KEY, "is damaged").await;
}

#[tokio::test]
async fn an_old_cache_answers_nobody_under_when_stale_reject() {
    let place = Place::deserted().await;
    let rules = place.gateway(KEY).set("/apps/when_stale", "reject".into());
    let gateway = rules.set("/apps/max_staleness", "1s".into()).launch().await;
    poll::until_true("not ready, but listening", async || {
        let (status, text) = gateway.readyz().await;
        assert_eq!(status, 503);
        text.contains("stale")
    })
    .await;
    let answer = gateway.ask(&get(plain(APP)).token(tokens::good())).await;
    assert_eq!(answer.verdict(), (503, "1".into()));
    assert_eq!(gateway.ask(&get("/public/x")).await.status, 200);
    gateway.counted("rtms_errors_total", &[("reason", "apps_stale")], 1).await;
}

#[tokio::test]
async fn what_was_revoked_during_a_long_absence_is_never_accepted_under_when_stale_reject() {
    let mut place = Place::new().await;
    stop(place.gateway(KEY).start().await).await;
    // So much that the stream takes a while to come to the revocation.
    let many = (0..4000).map(|n| doc! { "appId": format!("T{n}"), "jwt_secretkey": "s" });
    place.mongo.apps().insert_many(many).await.expect("many apps");
    place.mongo.set_secret(APP, "changed").await;
    place.mongo.kill();
    let rules = place.gateway(KEY).set("/apps/when_stale", "reject".into());
    let gateway = rules.set("/apps/max_staleness", "1s".into()).launch().await;
    poll::until_true("stale", async || gateway.readyz().await.1.contains("stale")).await;
    place.mongo.restart().await;
    poll::until_true("revoked", async || {
        let (status, _) = gateway.verdict(APP, &tokens::good()).await;
        assert!([503, 401].contains(&status), "{status}");
        status == 401
    })
    .await;
}

#[tokio::test]
async fn a_cache_of_another_collection_is_no_cache() {
    let place = Place::deserted().await;
    let gateway = place.gateway(KEY).set("/apps/mongodb/collection", "others".into()).launch().await;
    poll::until_true("the reason", async || gateway.readyz().await.1.contains("holds the apps of another source"))
        .await;
    assert_eq!(gateway.readyz().await.0, 503);
}
