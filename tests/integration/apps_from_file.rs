//! An apps file that changes under a running gateway.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::apps_file::{self, app};
use crate::support::client::get;
use crate::support::gateway::gateway;
use crate::support::metrics::Metrics;
use crate::support::upstream::Upstream;
use crate::support::{APP, SECRET, USER, plain, poll, tokens};

/// The customer's app and one more document.
fn with(document: Value) -> String {
    apps_file::text(&[app(APP, SECRET), document])
}

/// One walk through the life of an app, by one way of changing a file.
async fn walk(write: impl Fn(&Path, &str)) {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let path = gateway.apps_file();
    let first = tokens::of("TR_NEW", USER, "first");
    let second = tokens::of("TR_NEW", USER, "second");
    assert_eq!(gateway.verdict("TR_NEW", &first).await, (401, "38".into()));

    write(&path, &with(app("TR_NEW", "first")));
    gateway.becomes("an app that was added", "TR_NEW", &first, (200, "0")).await;
    write(&path, &with(app("TR_NEW", "second")));
    gateway.becomes("a secret that was changed", "TR_NEW", &second, (200, "0")).await;
    assert_eq!(gateway.verdict("TR_NEW", &first).await, (401, "38".into()));
    write(&path, &with(json!({ "appId": "TR_NEW" })));
    gateway.becomes("a secret that was removed", "TR_NEW", &first, (200, "0")).await;
    write(&path, &with(json!({ "appId": "TR_NEW", "jwt_secretkey": true })));
    gateway.becomes("a document that lost its sense", "TR_NEW", &first, (401, "38")).await;
    write(&path, &with(app("TR_NEW", "first")));
    gateway.becomes("a secret that was added", "TR_NEW", &first, (200, "0")).await;
    assert_eq!(gateway.ask(&get(plain("TR_NEW"))).await.verdict(), (401, "39".into()));
    write(&path, &apps_file::text(&[app(APP, SECRET)]));
    gateway.becomes("an app that was removed", "TR_NEW", &first, (401, "38")).await;
}

#[tokio::test]
async fn a_file_that_is_replaced_by_a_rename_is_noticed() {
    walk(apps_file::replace).await;
}

#[tokio::test]
async fn a_file_that_is_written_in_place_is_noticed() {
    walk(|path, text| std::fs::write(path, text).unwrap()).await;
}

#[tokio::test]
async fn a_symbolic_link_that_is_swapped_is_noticed() {
    let swaps = std::cell::Cell::new(0);
    walk(|path, text| {
        swaps.set(swaps.get() + 1);
        apps_file::swap_link(path, &format!("version-{}", swaps.get()), text);
    })
    .await;
}

fn reloads(metrics: &Metrics) -> f64 {
    metrics.sum("rtms_apps_reloads_total", &[])
}

#[tokio::test]
async fn a_broken_file_changes_nothing_is_counted_and_mended_again() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().app("TR_TWO", "two").start().await;
    let path = gateway.apps_file();
    let two = tokens::of("TR_TWO", USER, "two");
    for broken in ["- appId: [", "appId: TR_TWO", "\"a string\"", "", "\u{0}"] {
        let before = reloads(&gateway.metrics().await);
        apps_file::replace(&path, broken);
        poll::until_true("the broken file is counted", async || reloads(&gateway.metrics().await) > before).await;
        assert_eq!(gateway.verdict("TR_TWO", &two).await, (200, "0".into()), "{broken:?}");
        assert_eq!(gateway.verdict(APP, &tokens::good()).await, (200, "0".into()), "{broken:?}");
        assert_eq!(gateway.verdict("TR_NOBODY", &two).await, (401, "38".into()), "{broken:?}");
        assert_eq!(gateway.readyz().await.0, 200, "{broken:?}");
    }
    // Nor does a file that is gone.
    std::fs::remove_file(&path).unwrap();
    assert_eq!(gateway.verdict("TR_TWO", &two).await, (200, "0".into()));
    apps_file::replace(&path, &with(app("TR_TWO", "other")));
    let other = tokens::of("TR_TWO", USER, "other");
    gateway.becomes("a mended file", "TR_TWO", &other, (200, "0")).await;
}

#[tokio::test]
async fn an_apps_file_may_be_json() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream)
        .set("/apps/file/path", "more.json".into())
        .file("more.json", apps_file::text(&[app("TR_JSON", "s")]))
        .start()
        .await;
    assert_eq!(gateway.verdict("TR_JSON", &tokens::of("TR_JSON", USER, "s")).await, (200, "0".into()));
}

#[tokio::test]
async fn a_gateway_without_a_sound_apps_file_is_not_ready_until_there_is_one() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).set("/apps/file/path", "other.yaml".into()).file("other.yaml", "- appId: [");
    let gateway = gateway.launch().await;
    let (status, reason) = gateway.readyz().await;
    assert_eq!(status, 503, "{reason}");
    assert!(tokio::net::TcpStream::connect(gateway.address()).await.is_err(), "the listeners are closed");
    apps_file::replace(&gateway.dir().join("other.yaml"), &apps_file::text(&[app(APP, SECRET)]));
    poll::until_true("ready by itself", async || gateway.readyz().await.0 == 200).await;
    assert_eq!(gateway.verdict(APP, &tokens::good()).await, (200, "0".into()));
}
