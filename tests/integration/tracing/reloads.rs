//! Traces are switched on, changed and off by a reload, and go on after an upgrade.

use std::time::Duration;

use serde_json::{Value, json};

use super::collector::{Collector, Manner};
use super::{all, caller, good, told, traced};
use crate::support::gateway::gateway;
use crate::support::poll;
use crate::support::upstream::Upstream;

#[tokio::test]
async fn a_reload_switches_traces_on_over_and_off() {
    let (upstream, first, second) = (Upstream::start().await, Collector::start().await, Collector::start().await);
    let gateway = gateway(&upstream).customer().start().await;
    let mut kept = gateway.connect().await;
    kept.ask(&good("before").header(caller("01"))).await;
    assert_eq!(upstream.only().head.get("traceparent"), caller("01").split_once(": ").map(|p| p.1));
    gateway.reload(&[("/telemetry/tracing", all(&first))], "ok").await;
    kept.ask(&good("on")).await;
    assert_eq!(told(&upstream.only())[2], "01");
    // What the old one still holds is sent, though another one takes its place at once.
    gateway.reload(&[("/telemetry/tracing", all(&second))], "ok").await;
    kept.ask(&good("over")).await;
    first.request("on").await;
    second.request("over").await;
    gateway.reload(&[("/telemetry/tracing", Value::Null)], "ok").await;
    upstream.take();
    kept.ask(&good("off").header(caller("01"))).await;
    assert_eq!(upstream.only().head.get("traceparent"), caller("01").split_once(": ").map(|p| p.1));
    assert_eq!((first.spans().len(), second.spans().len()), (3, 3));
}

#[tokio::test]
async fn a_reload_does_not_wait_for_a_collector_that_hangs_and_leaves_nothing_behind() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    collector.is(Manner::Hangs);
    let tracing =
        |n: u32| json!({ "otlp_endpoint": collector.url(), "sample": 1.0, "timeout": format!("{}ms", 500 + n) });
    let gateway = traced(&upstream, tracing(0)).start().await;
    let tasks = || std::fs::read_dir(format!("/proc/{}/task", gateway.pid())).unwrap().filter_map(Result::ok);
    let name = |task: &std::path::Path| std::fs::read_to_string(task.join("comm")).unwrap_or_default();
    let threads = || tasks().filter(|task| name(&task.path()).trim() == "traces").count();
    assert_eq!(threads(), 1);
    for n in 1..10 {
        gateway.ask(&good("hangs")).await;
        gateway.reload(&[("/telemetry/tracing", tracing(n))], "ok").await;
    }
    poll::until_true("the old ones' threads are gone", async || threads() == 1).await;
}

#[tokio::test]
async fn a_reload_of_something_else_leaves_the_exporter_as_it_is() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let gateway = traced(&upstream, all(&collector)).start().await;
    gateway.ask(&good("one")).await;
    gateway.reload(&[("/auth/leeway", json!("1s"))], "ok").await;
    gateway.ask(&good("two")).await;
    collector.request("one").await;
    let instance = collector.resource()["service.instance.id"].clone();
    collector.request("two").await;
    assert_eq!(collector.resource()["service.instance.id"], instance);
}

#[tokio::test]
async fn a_new_process_that_takes_over_traces_on_and_the_old_one_sends_its_last_spans() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let builder = traced(&upstream, all(&collector)).set("/server/upgrade_socket", json!("upgrade.sock"));
    let mut old = builder.set("/server/drain", json!("1s")).start().await;
    old.ask(&good("old")).await;
    let new = old.successor();
    old.hand_over(&new).await;
    assert_eq!(old.ends(Duration::from_secs(20)).await.code(), Some(0));
    collector.request("old").await;
    let before = collector.resource()["service.instance.id"].clone();
    new.ask(&good("new")).await;
    assert_eq!(collector.request("new").await.len(), 3);
    assert_ne!(collector.resource()["service.instance.id"], before, "it is another instance");
}

#[tokio::test]
async fn a_bad_endpoint_is_refused_whole() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let gateway = traced(&upstream, all(&collector)).start().await;
    gateway.reload(&[("/telemetry/tracing/otlp_endpoint", json!("nowhere"))], "invalid").await;
    gateway.ask(&good("as-before")).await;
    collector.request("as-before").await;
}
