//! A gateway's life in short, under the eyes of Prometheus: traffic, changes of apps, a peer that dies, a database that
//! stands still, good and bad reloads, an app whose signatures fail, an upgrade.

use std::time::Duration;

use mongodb::bson::{DateTime, doc};
use serde_json::json;
use tokio::time::{Instant, interval};

use crate::server::{Prometheus, now};
use crate::support::gateway::profiles::{READER, call, call_with};
use crate::support::gateway::{Gateway, to_peers};
use crate::support::mongo::Mongo;
use crate::support::tls::Authority;
use crate::support::upstream::{Behaviour, Upstream};
use crate::support::{APP, SECRET, client, poll, ports};
use crate::traffic::{CROWD, GREEDY, ODD, ROTATED, Traffic};

/// What is left of a run: everything still runs.
pub struct Run {
    /// What watched it.
    pub prometheus: Prometheus,
    /// The gateway that serves now.
    pub gateway: Gateway,
    /// When it began, in seconds since the epoch.
    pub from: f64,
    /// When it was over.
    pub to: f64,
    _others: (Gateway, Mongo, Stage, Traffic),
}

/// The upstreams.
struct Stage {
    first: Upstream,
    second: Option<Upstream>,
    slow: Upstream,
}

/// Lives through it in about this time.
pub async fn run(length: Duration) -> Run {
    let mut mongo = Mongo::own().await;
    fill(&mongo).await;
    let mut stage =
        Stage { first: Upstream::start().await, second: Some(Upstream::start().await), slow: Upstream::start().await };
    stage.slow.behave(Behaviour::Hang);
    let gateway = start(&mongo, &stage, length).await;
    let prometheus = Prometheus::scraping(gateway.admin()).await;
    poll::until_true("the first scrape", async || {
        prometheus.instant("rtms_apps", now()).await.is_ok_and(|series| !series.is_empty())
    })
    .await;
    let from = now();
    let traffic = Traffic::start(gateway.address(), gateway.second_address());
    let step = length / 12;
    days(&gateway, &mongo, step * 2).await;
    lose_a_peer(&gateway, &mongo, &mut stage, step).await;
    gateway.reload(&[("/limits/tarpit", json!("1ms"))], "ok").await;
    traffic.sign_wrongly(true);
    days(&gateway, &mongo, step * 2).await;
    freeze(&mut mongo, step).await;
    traffic.sign_wrongly(false);
    gateway.reload(&[("/limits/tarpit", json!("soon"))], "invalid").await;
    days(&gateway, &mongo, step).await;
    gateway.reload(&[("/limits/tarpit", json!("0s"))], "ok").await;
    days(&gateway, &mongo, step).await;
    let next = gateway.successor();
    gateway.hand_over(&next).await;
    days(&next, &mongo, step * 3).await;
    Run { prometheus, gateway: next, from, to: now(), _others: (gateway, mongo, stage, traffic) }
}

/// A gateway with everything on.
async fn start(mongo: &Mongo, stage: &Stage, length: Duration) -> Gateway {
    let server = Authority::new("tests").identity("127.0.0.1");
    let second = stage.second.as_ref().expect("not lost yet").address();
    let route =
        |name: &str| json!({ "name": name, "path": format!("/{name}/{{rest*}}"), "upstream": name, "auth": "none" });
    let mut routes = crate::support::config::routes();
    routes.as_array_mut().expect("a list of ours").extend([route("broken"), route("slow")]);
    let peers = |address: std::net::SocketAddr| json!([{ "address": address.to_string() }]);
    let health = json!({ "path": "/health", "interval": "500ms", "timeout": "400ms" });
    to_peers(&[stage.first.address(), second])
        .mongo(mongo)
        // The process that takes over has none of the first one's variables.
        .set("/apps/mongodb/uri", json!(mongo.uri()))
        .set("/apps/max_staleness", json!(format!("{}ms", length.as_millis() / 30)))
        .set("/apps/reconcile_every", json!("5s"))
        .set("/apps/cache", json!({ "path": "apps.cache", "key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" }))
        .set("/routes", routes)
        .set("/upstreams/rtms/health_check", health.clone())
        .set("/upstreams/broken", json!({ "peers": peers(ports::free()), "health_check": health }))
        .set("/upstreams/slow", json!({ "peers": peers(stage.slow.address()), "timeouts": { "read": "700ms" } }))
        .set("/limits/body_read_timeout", json!("200ms"))
        .set("/limits/requests_per_app", json!({ "rate": 30, "burst": 30 }))
        .set("/telemetry/per_app", json!("all"))
        .set("/server/upgrade_socket", json!("upgrade.sock"))
        .set("/server/drain", json!("1s"))
        .file("server.pem", server.cert)
        .file("server.key", server.key)
        .listener(json!({ "tls": { "cert": "server.pem", "key": "server.key" } }))
        .profiles()
        .start_indexed()
        .await
}

/// The apps at the beginning.
async fn fill(mongo: &Mongo) {
    for app in CROWD.iter().chain([&APP, &GREEDY]) {
        mongo.insert_app(app, SECRET).await;
    }
    let until = DateTime::from_millis(DateTime::now().timestamp_millis() + 3_600_000);
    let new = "the-new-secret-of-a-rotation-in-progress";
    let [open, disabled, broken, revoked] = ODD;
    for document in [
        doc! { "appId": ROTATED, "jwt_secretkey": new, "jwt_secretkey_previous": SECRET, "previous_expires_at": until },
        doc! { "appId": open },
        doc! { "appId": disabled, "jwt_secretkey": SECRET, "disabled": true },
        doc! { "appId": broken, "jwt_secretkey": "" },
        doc! { "appId": revoked, "jwt_secretkey": SECRET, "tokens_valid_after": DateTime::now() },
        doc! { "appId": "TR_WEAK", "jwt_secretkey": "short" },
    ] {
        mongo.insert(document).await;
    }
}

/// Ordinary life: apps come, change and go, and people use the API.
async fn days(gateway: &Gateway, mongo: &Mongo, length: Duration) {
    let end = Instant::now() + length;
    let mut pace = interval(Duration::from_millis(400));
    while Instant::now() < end {
        mongo.insert_app("TR_NEW", SECRET).await;
        pace.tick().await;
        mongo.set("TR_NEW", doc! { "jwt_secretkey": "another-secret-that-is-long-enough-for-it" }).await;
        mongo.set("TR_NEW", doc! { "note": DateTime::now() }).await;
        pace.tick().await;
        mongo.delete("TR_NEW").await;
        pace.tick().await;
        gateway.call(&call("GET", "apps")).await;
        gateway.call(&call("GET", "apps/TR_NOBODY")).await;
        let made = json!({ "appId": "TR_MADE", "jwt_secretkey": SECRET });
        gateway.call(&call_with("POST", "apps", &made)).await;
        gateway.call(&call("DELETE", "apps/TR_MADE")).await;
        for _ in 0..3 {
            client::once(gateway.profiles(), &client::get("/api/v1/apps/TR_WEAK").method("DELETE").token(READER)).await;
        }
    }
}

/// A peer dies and comes back; an app without a secret comes and goes meanwhile.
async fn lose_a_peer(gateway: &Gateway, mongo: &Mongo, stage: &mut Stage, length: Duration) {
    let address = stage.second.take().expect("not lost yet").address();
    mongo.insert(doc! { "appId": "TR_OPEN_TOO" }).await;
    days(gateway, mongo, length).await;
    mongo.delete("TR_OPEN_TOO").await;
    stage.second = Some(Upstream::at(address).await);
}

/// The database answers nothing for a while.
async fn freeze(mongo: &mut Mongo, length: Duration) {
    mongo.freeze();
    tokio::time::sleep(length).await;
    mongo.thaw();
}
