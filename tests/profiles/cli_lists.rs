//! `rtms-gateway apps list`: what people see.

use super::cli::{apps, apps_with, run};
use crate::support::gateway::gateway;
use crate::support::gateway::profiles::WRITER;
use crate::support::mongo::Mongo;
use crate::support::upstream::Upstream;
use crate::support::{USER, tokens};

const SECRET: &str = "a-secret-of-at-least-32-bytes-length";

#[tokio::test]
async fn a_table_shows_until_when_the_secret_before_is_good_and_whether_it_is_used() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    apps_with(&gateway, "create TR1 --name Shop --secret-stdin --wait", SECRET.as_bytes()).await.good();
    apps(&gateway, "rotate TR1 --generate --overlap 1h --wait").await.good();
    assert_eq!(gateway.verdict("TR1", &tokens::of("TR1", USER, SECRET)).await.0, 200);
    apps(&gateway, "create TR2 --open --wait").await.good();

    let profile = apps(&gateway, "get TR1 --json").await.json();
    let text = |field: &str| profile[field].as_str().expect("a string").to_owned();
    let (print, until, used) = (text("fingerprint"), text("previous_expires_at"), text("previous_last_used"));
    let table = apps(&gateway, "list").await.good();
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
    let rotated = ["TR1", "Shop", "jwt", "43", &print, &until, &used, "true"];
    assert_eq!(rows, [&rotated, &["TR2", "-", "open", "-", "-", "-", "-", "true"]], "{table}");
}

#[tokio::test]
async fn an_id_that_others_wrote_may_be_anything() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    let odd = "A b&limit=1#%+\u{e9}\u{1b}[2J";
    mongo.insert_app(odd, SECRET).await;
    mongo.insert_app("TR1", SECRET).await;
    let url = format!("http://{}", gateway.profiles());
    let args = ["apps", "list", "--json", "--after", odd, "--url", &url];
    let rest = run(&args, &[("RTMS_PROFILES_TOKEN", WRITER)], b"").await.json();
    assert_eq!((rest["apps"].as_array().map(Vec::len), rest["apps"][0]["appId"].as_str()), (Some(1), Some("TR1")));
    let table = apps(&gateway, "list").await.good();
    assert!(table.contains("unusable") && table.contains("\\u{1b}[2J") && !table.contains('\u{1b}'), "{table}");
}
