//! A database that dies, comes back, or isn't there yet. These take servers of their own: they kill them.

use tokio::net::TcpStream;

use crate::support::client::get;
use crate::support::flow::{Flow, case};
use crate::support::gateway::gateway;
use crate::support::mongo::Mongo;
use crate::support::upstream::Upstream;
use crate::support::{APP, SECRET, USER, plain, poll, tokens};

/// The database goes away by `stop` and comes back, while requests flow.
async fn restarted(stop: impl AsyncFnOnce(&mut Mongo)) {
    let upstream = Upstream::start().await;
    let mut mongo = Mongo::own().await;
    mongo.insert_app(APP, SECRET).await;
    mongo.insert_app("TR_OTHER", "other").await;
    let gateway = gateway(&upstream).mongo(&mongo).start().await;
    let good = tokens::of("TR_OTHER", USER, "other");
    let flow = Flow::start(
        &gateway,
        &[
            case(APP, tokens::good(), (200, "0")),
            case(APP, tokens::of(APP, USER, "wrong"), (401, "38")),
            case("TR_NOBODY", tokens::good(), (401, "38")),
            case(APP, tokens::expired(), (401, "40")),
        ],
    )
    .await;
    flow.goes_on("requests while the database is up").await;
    stop(&mut mongo).await;
    flow.goes_on("requests while the database is down").await;
    assert_eq!(gateway.readyz().await.0, 200, "a database that is down is no reason to take no more requests");
    mongo.restart().await;
    flow.goes_on("requests after the database came back").await;
    assert_eq!(gateway.verdict("TR_OTHER", &good).await, (200, "0".into()));
    mongo.set_secret("TR_OTHER", "changed").await;
    let changed = tokens::of("TR_OTHER", USER, "changed");
    poll::until_true("a change after the restart", async || gateway.verdict("TR_OTHER", &changed).await.0 == 200).await;
    assert_eq!(gateway.verdict("TR_OTHER", &good).await, (401, "38".into()));
    assert!(flow.end().await.wrong.is_empty());
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.count("rtms_errors_total", &[]), 0);
    for status in ["500", "502", "503", "504"] {
        assert_eq!(metrics.count("rtms_requests_total", &[("status", status)]), 0, "{status}");
    }
}

#[tokio::test]
async fn a_database_that_is_killed_and_restarted_costs_no_request() {
    restarted(async |mongo| mongo.kill()).await;
}

#[tokio::test]
async fn a_database_that_is_stopped_and_restarted_costs_no_request() {
    restarted(async |mongo| mongo.terminate().await).await;
}

#[tokio::test]
async fn staleness_grows_while_the_database_is_down_and_falls_when_it_is_back() {
    let upstream = Upstream::start().await;
    let mut mongo = Mongo::own().await;
    mongo.insert_app(APP, SECRET).await;
    let gateway = gateway(&upstream).mongo(&mongo).start().await;
    let staleness = async || gateway.metrics().await.sum("rtms_apps_staleness_seconds", &[]);
    mongo.kill();
    poll::until_true("staleness grows", async || staleness().await > 3.0).await;
    assert_eq!(gateway.verdict(APP, &tokens::good()).await, (200, "0".into()));
    mongo.restart().await;
    poll::until_true("staleness falls", async || staleness().await < 3.0).await;
}

#[tokio::test]
async fn a_gateway_that_starts_before_its_database_says_why_it_is_not_ready_and_then_is() {
    let upstream = Upstream::start().await;
    let mut mongo = Mongo::down().await;
    let gateway = gateway(&upstream).mongo(&mongo).launch().await;
    let (status, reason) = gateway.readyz().await;
    assert_eq!(status, 503);
    assert!(reason.trim().len() > 10, "a reason for people: {reason:?}");
    assert_eq!(gateway.page("/livez").await.status, 200);
    assert!(TcpStream::connect(gateway.address()).await.is_err(), "the listeners are closed");
    assert_eq!(gateway.page("/metrics").await.status, 200);

    mongo.restart().await;
    mongo.insert_app(APP, SECRET).await;
    poll::until_true("ready by itself", async || gateway.readyz().await.0 == 200).await;
    poll::until_true("the app is enforced", async || gateway.verdict(APP, &tokens::good()).await.0 == 200).await;
    assert_eq!(gateway.ask(&get(plain(APP))).await.verdict(), (401, "39".into()));
}
