//! `traceparent` and `tracestate`: what the upstream is told, and who may have a request recorded.

use serde_json::json;

use super::collector::Collector;
use super::{CALLER, TRACE, all, caller, good, told, traced};
use crate::support::client::Request;
use crate::support::gateway::gateway;
use crate::support::poll;
use crate::support::upstream::Upstream;

#[tokio::test]
async fn a_callers_trace_goes_on_and_without_one_a_new_one_begins() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let gateway = traced(&upstream, all(&collector)).start().await;
    for state in ["vendor=opaque,other=1", "vendor=opaque"] {
        gateway.ask(&good("goes-on").header(caller("01")).header(format!("tracestate: {state}"))).await;
        let seen = upstream.only();
        let [trace, parent, flags] = told(&seen);
        assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "01"));
        assert_ne!(parent, CALLER, "the upstream's parent is a span of ours");
        assert_eq!(seen.head.all("tracestate"), [state]);
        assert_eq!(seen.head.all("traceparent").len(), 1);
    }
    gateway.ask(&good("new")).await;
    let [first, ..] = told(&upstream.only());
    gateway.ask(&good("newer")).await;
    let [second, _, flags] = told(&upstream.only());
    assert!(first != second && first != TRACE, "{first} {second}");
    assert_eq!(flags, "01");
}

#[tokio::test]
async fn a_malformed_or_doubled_traceparent_is_as_good_as_none() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let gateway = traced(&upstream, all(&collector)).start().await;
    let good_one = caller("01");
    let bad = [
        vec!["traceparent: ".to_owned()],
        vec![good_one.to_uppercase().replace("TRACEPARENT", "traceparent")],
        vec![format!("traceparent: 00-{}-{CALLER}-01", "0".repeat(32))],
        vec![format!("traceparent: 00-{TRACE}-{}-01", "0".repeat(16))],
        vec![format!("{good_one}-more")],
        vec![good_one.replace("00-", "ff-")],
        vec![good_one.clone(), good_one.clone()],
    ];
    for lines in bad {
        let request = lines.iter().cloned().fold(good("bad"), Request::header);
        gateway.ask(&request.header("tracestate: vendor=opaque")).await;
        let seen = upstream.only();
        let [trace, ..] = told(&seen);
        assert!(!trace.eq_ignore_ascii_case(TRACE), "{lines:?}");
        assert_eq!(seen.head.get("tracestate"), None, "it belongs to a trace that can't be told: {lines:?}");
        assert_eq!(seen.head.all("traceparent").len(), 1);
    }
    let future = caller("01").replace("00-", "cc-") + "-what-the-future-will-be-like";
    gateway.ask(&good("future").header(future)).await;
    assert_eq!(told(&upstream.only())[0], TRACE);
}

#[tokio::test]
async fn without_tracing_both_headers_pass_byte_for_byte() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    for lines in
        [vec![caller("01")], vec!["traceparent: nonsense".to_owned()], vec![caller("00"), caller("01")], vec![]]
    {
        let request = lines.iter().cloned().fold(good("off"), Request::header);
        gateway.ask(&request.header("tracestate: a=1 ,b=2")).await;
        let seen = upstream.only();
        let sent: Vec<&str> = lines.iter().filter_map(|line| Some(line.split_once(": ")?.1)).collect();
        assert_eq!(seen.head.all("traceparent"), sent);
        assert_eq!(seen.head.all("tracestate"), ["a=1 ,b=2"]);
    }
    assert_eq!(gateway.metrics().await.count("rtms_spans_total", &[]), 0);
}

#[tokio::test]
async fn a_strangers_flag_decides_nothing_and_a_trusted_proxys_everything() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let none = json!({ "otlp_endpoint": collector.url(), "sample": 0 });
    let strict = traced(&upstream, none.clone()).start().await;
    strict.ask(&good("stranger").header(caller("01"))).await;
    let [trace, parent, flags] = told(&upstream.only());
    assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "00"), "the trace goes on unrecorded");
    assert_ne!(parent, CALLER);
    let eager = traced(&upstream, all(&collector)).start().await;
    eager.ask(&good("eager").header(caller("00"))).await;
    assert_eq!(told(&upstream.only())[2], "01");

    let proxies = json!(["127.0.0.0/8"]);
    let trusting = traced(&upstream, none).set("/server/trusted_proxies", proxies.clone()).start().await;
    trusting.ask(&good("trusted").header(caller("01"))).await;
    assert_eq!(told(&upstream.only())[2], "01");
    trusting.ask(&good("unrecorded").header(caller("00"))).await;
    assert_eq!(told(&upstream.only())[2], "00");
    trusting.ask(&good("no-caller")).await;
    assert_eq!(told(&upstream.only())[2], "00", "without a caller's word the share decides");
    let both = traced(&upstream, all(&collector)).set("/server/trusted_proxies", proxies).start().await;
    both.ask(&good("told-not-to").header(caller("00"))).await;
    assert_eq!(told(&upstream.only())[2], "00");

    collector.request("trusted").await;
    collector.request("eager").await;
    let ids: Vec<String> = collector.spans().iter().map(|span| span.of("rtms.request_id").to_owned()).collect();
    for id in ["stranger", "unrecorded", "no-caller", "told-not-to"] {
        assert!(!ids.contains(&id.to_owned()), "{id} in {ids:?}");
    }
}

#[tokio::test]
async fn the_sample_is_a_share_of_requests_and_the_upstream_is_told_which() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let half = json!({ "otlp_endpoint": collector.url(), "sample": 0.5 });
    let gateway = traced(&upstream, half).start().await;
    let mut client = gateway.connect().await;
    for _ in 0..400 {
        assert_eq!(client.ask(&good("share")).await.status, 200);
    }
    let seen = upstream.take();
    let sampled: Vec<String> =
        seen.iter().map(told).filter(|told| told[2] == "01").map(|told| told[1].clone()).collect();
    // Six standard deviations either way.
    assert!((140..=260).contains(&sampled.len()), "{}", sampled.len());
    let servers = || collector.spans().iter().filter(|span| span.kind == "SERVER").count();
    poll::until_true("their spans", async || servers() == sampled.len()).await;
    let clients: Vec<String> =
        collector.spans().into_iter().filter(|span| span.kind == "CLIENT").map(|span| span.id).collect();
    assert_eq!(clients.len(), sampled.len());
    assert!(sampled.iter().all(|parent| clients.contains(parent)));
}
