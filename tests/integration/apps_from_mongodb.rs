//! Apps in a database, changed by ordinary clients under a running gateway.

use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, doc};

use crate::support::client::get;
use crate::support::gateway::{Gateway, gateway};
use crate::support::mongo::Mongo;
use crate::support::upstream::Upstream;
use crate::support::{APP, SECRET, USER, plain, poll, tokens};

async fn with_customer(upstream: &Upstream) -> (Mongo, Gateway) {
    let mongo = Mongo::start().await;
    mongo.insert_app(APP, SECRET).await;
    let gateway = gateway(upstream).mongo(&mongo).start().await;
    (mongo, gateway)
}

const GOOD: (u16, &str) = (200, "0");
const INVALID: (u16, &str) = (401, "38");

#[tokio::test]
async fn an_app_is_enforced_as_soon_as_it_is_written_changed_or_removed() {
    let upstream = Upstream::start().await;
    let (mongo, gateway) = with_customer(&upstream).await;
    let app = "TR_NEW";
    let first = tokens::of(app, USER, "first");
    let second = tokens::of(app, USER, "second");
    assert_eq!(gateway.verdict(app, &first).await, (401, "38".into()));

    mongo.insert_app(app, "first").await;
    gateway.becomes("an insert", app, &first, GOOD).await;
    mongo.set_secret(app, "second").await;
    gateway.becomes("a changed secret", app, &second, GOOD).await;
    gateway.becomes("the old secret", app, &first, INVALID).await;
    mongo.unset(app, "jwt_secretkey").await;
    gateway.becomes("a removed secret", app, &first, GOOD).await;
    assert_eq!(gateway.ask(&get(plain(app))).await.verdict(), (200, "0".into()));
    mongo.set(app, doc! { "disabled": true }).await;
    gateway.becomes("a disabled app", app, &second, INVALID).await;
    mongo.apps().replace_one(doc! { "appId": app }, doc! { "appId": app, "jwt_secretkey": "second" }).await.unwrap();
    gateway.becomes("a replaced document", app, &second, GOOD).await;
    mongo.set(app, doc! { "tokens_valid_after": DateTime::now() }).await;
    gateway.becomes("revoked tokens", app, &second, INVALID).await;
    mongo.unset(app, "tokens_valid_after").await;
    gateway.becomes("no revocation", app, &second, GOOD).await;
    mongo.delete(app).await;
    gateway.becomes("a deleted app", app, &second, INVALID).await;

    let metrics = gateway.metrics().await;
    assert!(metrics.count("rtms_apps_changes_total", &[]) >= 8);
    assert!(metrics.count("rtms_apps_propagation_seconds_count", &[]) >= 8);
}

#[tokio::test]
async fn a_senseless_document_makes_only_its_app_unusable() {
    let upstream = Upstream::start().await;
    let (mongo, gateway) = with_customer(&upstream).await;
    let app = "TR_ODD";
    let token = tokens::of(app, USER, "s");
    let binary = Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: b"s".to_vec() });
    for senseless in [
        doc! { "jwt_secretkey": binary },
        doc! { "jwt_secretkey": "" },
        doc! { "jwt_secretkey": 7 },
        doc! { "jwtSecretKey": "s" },
        doc! { "disabled": "no" },
        doc! { "tokens_valid_after": "2026-01-01T00:00:00Z" },
    ] {
        mongo.insert_app(app, "s").await;
        gateway.becomes("a good document", app, &token, GOOD).await;
        mongo.set(app, senseless.clone()).await;
        gateway.becomes(&senseless.to_string(), app, &token, INVALID).await;
        assert_eq!(gateway.ask(&get(plain(app))).await.verdict(), (401, "38".into()), "{senseless}: never open");
        mongo.delete(app).await;
    }
    poll::until_true("no app is unusable any more", async || {
        gateway.metrics().await.count("rtms_apps", &[("state", "unusable")]) == 0
    })
    .await;
}

#[tokio::test]
async fn a_document_without_an_app_id_harms_nobody() {
    let upstream = Upstream::start().await;
    let (mongo, gateway) = with_customer(&upstream).await;
    mongo.insert(doc! { "_id": "a document of its own", "jwt_secretkey": "s" }).await;
    mongo.insert(doc! { "appId": 7 }).await;
    mongo.insert_app("TR_AFTER", "s").await;
    gateway.becomes("a later app", "TR_AFTER", &tokens::of("TR_AFTER", USER, "s"), GOOD).await;
    assert_eq!(gateway.metrics().await.count("rtms_apps", &[("state", "unusable")]), 2);
}

#[tokio::test]
async fn two_documents_with_one_app_id_are_both_unusable_until_one_is_gone() {
    let upstream = Upstream::start().await;
    let (mongo, gateway) = with_customer(&upstream).await;
    let app = "TR_TWICE";
    let [one, two] = ["one", "two"].map(|secret| tokens::of(app, USER, secret));
    mongo.insert(doc! { "_id": 1, "appId": app, "jwt_secretkey": "one" }).await;
    gateway.becomes("the first", app, &one, GOOD).await;
    mongo.insert(doc! { "_id": 2, "appId": app, "jwt_secretkey": "two" }).await;
    gateway.becomes("a second one", app, &one, INVALID).await;
    assert_eq!(gateway.verdict(app, &two).await, (401, "38".into()));
    mongo.apps().delete_one(doc! { "_id": 1 }).await.unwrap();
    gateway.becomes("the second alone", app, &two, GOOD).await;
    assert_eq!(gateway.verdict(app, &one).await, (401, "38".into()));
}

#[tokio::test]
async fn an_app_may_move_to_another_document_in_one_transactionless_step() {
    let upstream = Upstream::start().await;
    let (mongo, gateway) = with_customer(&upstream).await;
    mongo.insert(doc! { "_id": 1, "appId": "TR_A", "jwt_secretkey": "a" }).await;
    mongo.insert(doc! { "_id": 2, "appId": "TR_B", "jwt_secretkey": "b" }).await;
    gateway.becomes("both are there", "TR_B", &tokens::of("TR_B", USER, "b"), GOOD).await;
    // The two documents swap their appIds: for a moment, one is claimed twice.
    mongo.apps().update_one(doc! { "_id": 1 }, doc! { "$set": { "appId": "TR_B" } }).await.unwrap();
    mongo.apps().update_one(doc! { "_id": 2 }, doc! { "$set": { "appId": "TR_A" } }).await.unwrap();
    gateway.becomes("the swap", "TR_B", &tokens::of("TR_B", USER, "a"), GOOD).await;
    gateway.becomes("the swap", "TR_A", &tokens::of("TR_A", USER, "b"), GOOD).await;
    assert_eq!(gateway.verdict("TR_A", &tokens::of("TR_A", USER, "a")).await, (401, "38".into()));
}

#[tokio::test]
async fn a_collection_that_is_dropped_or_renamed_away_and_back_is_followed() {
    let upstream = Upstream::start().await;
    let (mongo, gateway) = with_customer(&upstream).await;
    let verdict = async |wanted: (u16, &str), what: &str| {
        let wanted = (wanted.0, wanted.1.to_owned());
        poll::until_true(what, async || gateway.verdict(APP, &tokens::good()).await == wanted).await;
    };
    mongo.drop_collection().await;
    verdict(INVALID, "a dropped collection").await;
    mongo.insert_app(APP, SECRET).await;
    verdict(GOOD, "a collection made anew").await;
    mongo.rename("apps", "elsewhere").await;
    verdict(INVALID, "a collection renamed away").await;
    mongo.rename("elsewhere", "apps").await;
    verdict(GOOD, "a collection renamed back").await;
    mongo.set_secret(APP, "another").await;
    let other = tokens::of(APP, USER, "another");
    poll::until_true("changes are still followed", async || gateway.verdict(APP, &other).await.0 == 200).await;
    assert_eq!(gateway.readyz().await.0, 200);
}

#[tokio::test]
async fn an_empty_collection_and_other_collections_are_no_trouble() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).start().await;
    assert_eq!(gateway.verdict(APP, &tokens::good()).await, (401, "38".into()));
    let elsewhere = mongo.client().database(mongo.database()).collection("profiles");
    elsewhere.insert_one(doc! { "appId": APP }).await.unwrap();
    mongo.insert_app(APP, SECRET).await;
    poll::until_true("the first app", async || gateway.verdict(APP, &tokens::good()).await.0 == 200).await;
    assert_eq!(gateway.ask(&get(plain(APP))).await.verdict(), (401, "39".into()), "another collection opens nothing");
    let status = gateway.status().await;
    assert!(!status.to_string().contains(SECRET));
    assert!(!gateway.printed().contains(mongo.uri()), "the connection string may carry a password");
}
