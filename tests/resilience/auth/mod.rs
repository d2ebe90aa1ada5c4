//! Databases that ask who is there: SCRAM, TLS, X.509, and the options people write into connection strings. What is
//! secret in those is never told. These need servers of their own, whatever `MONGODB_URI` says.

mod guarded;

use mongodb::bson::doc;

use self::guarded::{Guarded, PASSWORD, encoded, says_nothing_of, user};
use crate::support::gateway::Gateway;
use crate::support::tls::Authority;
use crate::support::{APP, poll, tokens};

async fn serves(gateway: &Gateway) {
    poll::until_true("ready by itself", async || gateway.readyz().await.0 == 200).await;
    assert_eq!(gateway.verdict(APP, &tokens::good()).await, (200, "0".into()));
}

async fn not_ready_because(gateway: &Gateway, words: &str) {
    poll::until_true(&format!("a reason with {words:?}"), async || {
        let (status, reason) = gateway.readyz().await;
        status == 503 && reason.to_lowercase().contains(words)
    })
    .await;
}

async fn refused(gateway: &Gateway) {
    not_ready_because(gateway, "authentication failed").await;
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.count("rtms_apps_alarm", &[("kind", "unauthorised")]), 1);
}

#[tokio::test]
async fn a_database_with_passwords_is_followed() {
    let database = Guarded::plain().await;
    let uri = database.uri(Some(("gateway", PASSWORD)), "authSource=admin");
    let gateway = database.gateway(&uri).start().await;
    serves(&gateway).await;
    database.follows(&gateway, "a change").await;
    says_nothing_of(&gateway, &[PASSWORD]).await;
}

#[tokio::test]
async fn a_wrong_password_is_a_reason_not_to_be_ready_until_it_is_the_right_one() {
    const OTHER: &str = "an0ther/p@ssword";
    let database = Guarded::plain().await;
    let uri = database.uri(Some(("gateway", OTHER)), "authSource=admin&authMechanism=SCRAM-SHA-256");
    let gateway = database.gateway(&uri).launch().await;
    refused(&gateway).await;
    database.mongo.admin(doc! { "updateUser": "gateway", "pwd": OTHER }).await;
    serves(&gateway).await;
    database.follows(&gateway, "a change").await;
    poll::until_true("no alarm", async || gateway.metrics().await.sum("rtms_apps_alarm", &[]) < 0.5).await;
    says_nothing_of(&gateway, &[PASSWORD, OTHER]).await;
}

#[tokio::test]
async fn an_unknown_user_is_a_reason_not_to_be_ready_until_there_is_one() {
    let database = Guarded::plain().await;
    let gateway = database.gateway(&database.uri(Some(("newcomer", PASSWORD)), "authSource=admin")).launch().await;
    refused(&gateway).await;
    let role = doc! { "role": "read", "db": database.mongo.database() };
    database.mongo.admin(user("newcomer", PASSWORD, &role)).await;
    serves(&gateway).await;
    says_nothing_of(&gateway, &[PASSWORD]).await;
}

#[tokio::test]
async fn a_user_without_rights_is_a_reason_not_to_be_ready_until_it_has_them() {
    let mut database = Guarded::plain().await;
    database.mongo.admin(user("guest", PASSWORD, &doc! { "role": "read", "db": "elsewhere" })).await;
    let gateway = database.gateway(&database.uri(Some(("guest", PASSWORD)), "authSource=admin")).launch().await;
    not_ready_because(&gateway, "the server answered 13").await;
    let role = doc! { "role": "read", "db": database.mongo.database() };
    database.mongo.admin(doc! { "grantRolesToUser": "guest", "roles": [role] }).await;
    // Not every server gives the new rights to a connection that is logged in already.
    database.mongo.terminate().await;
    database.mongo.restart().await;
    serves(&gateway).await;
    says_nothing_of(&gateway, &[PASSWORD]).await;
}

#[tokio::test]
async fn a_database_behind_tls_is_followed_if_its_authority_is_trusted() {
    let database = Guarded::tls(&[]).await;
    let uri = database.uri(Some(("gateway", PASSWORD)), "authSource=admin");
    let gateway = database.gateway(&uri).start().await;
    serves(&gateway).await;
    database.follows(&gateway, "a change over TLS").await;
    says_nothing_of(&gateway, &[PASSWORD]).await;

    let other = database.file("other.crt", Authority::new("another authority").pem());
    let (ours, theirs) = ("ca.crt", other.file_name().and_then(|name| name.to_str()).expect("a name"));
    let uri = uri.replace(&encoded(ours), &encoded(theirs));
    let stranger = database.gateway(&uri).launch().await;
    not_ready_because(&stranger, "certificate").await;
    says_nothing_of(&stranger, &[PASSWORD]).await;
}

#[tokio::test]
async fn a_gateway_may_name_itself_by_a_certificate() {
    let role = doc! { "role": "readAnyDatabase", "db": "admin" };
    let user = doc! { "createUser": "CN=gateway", "roles": [role], "mechanisms": ["MONGODB-X509"] };
    let database = Guarded::tls(&[user]).await;
    let uri = |name: &str, authority: &Authority| {
        let identity = authority.subject(name);
        let file = database.file(&format!("{name}.pem"), &(identity.key + &identity.cert));
        let file = encoded(file.to_str().expect("UTF-8"));
        database.uri(None, &format!("authMechanism=MONGODB-X509&authSource=%24external&tlsCertificateKeyFile={file}"))
    };
    let gateway = database.gateway(&uri("gateway", &database.authority)).start().await;
    serves(&gateway).await;
    database.follows(&gateway, "a change").await;
    let stranger = database.gateway(&uri("stranger", &database.authority)).launch().await;
    refused(&stranger).await;
}

#[tokio::test]
async fn options_that_people_write_into_connection_strings_do_no_harm() {
    let database = Guarded::plain().await;
    for options in [
        "authSource=admin&readPreference=secondaryPreferred",
        "authSource=admin&retryReads=true&retryWrites=true&w=majority&readConcernLevel=majority",
        "authSource=admin&retryReads=false",
        "authSource=admin&appName=my%20gateway&maxPoolSize=10&minPoolSize=1&maxIdleTimeMS=60000",
        "authSource=admin&serverSelectionTimeoutMS=2000&connectTimeoutMS=1000&socketTimeoutMS=30000",
        "authSource=admin&heartbeatFrequencyMS=1000&localThresholdMS=20&waitQueueTimeoutMS=2000",
        "authSource=admin&authMechanism=SCRAM-SHA-256&tls=false",
        "authSource=admin&compressors=zstd,zlib,snappy",
        "authSource=admin&journal=true&wtimeoutMS=1000&maxStalenessSeconds=120&readPreference=nearest",
    ] {
        let gateway = database.gateway(&database.uri(Some(("gateway", PASSWORD)), options)).start().await;
        assert_eq!(gateway.verdict(APP, &tokens::good()).await, (200, "0".into()), "{options}");
        database.follows(&gateway, options).await;
        says_nothing_of(&gateway, &[PASSWORD]).await;
    }
    let direct = database.uri(Some(("gateway", PASSWORD)), "authSource=admin");
    let direct = direct.replace("replicaSet=secantus", "directConnection=true");
    let gateway = database.gateway(&direct).start().await;
    database.follows(&gateway, "a direct connection").await;
}
