//! Collectors that are gone, slow or hang: no request notices, and every span is counted as something.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::collector::{Collector, Manner};
use super::{all, good, spans, traced};
use crate::support::gateway::Gateway;
use crate::support::tls::Authority;
use crate::support::upstream::Upstream;
use crate::support::{poll, ports};

/// Exports end soon, whatever comes of them.
fn hasty(url: &str) -> Value {
    json!({ "otlp_endpoint": url, "sample": 1.0, "timeout": "300ms" })
}

/// Asks so many times; none of the answers waits for anything.
async fn ask(gateway: &Gateway, times: usize) {
    let mut client = gateway.connect().await;
    for n in 0..times {
        let asked = Instant::now();
        assert_eq!(client.ask(&good(&format!("n-{n}"))).await.status, 200);
        assert!(asked.elapsed() < Duration::from_secs(5), "request {n}");
    }
}

/// Waits until this many spans came to this.
async fn count(gateway: &Gateway, result: &str, wanted: u64) {
    poll::until_true(&format!("{wanted} spans {result}"), async || spans(gateway, result).await == wanted).await;
}

#[tokio::test]
async fn a_collector_that_is_down_costs_spans_and_one_warning() {
    let upstream = Upstream::start().await;
    let gateway = traced(&upstream, hasty(&format!("http://{}", ports::free()))).start().await;
    ask(&gateway, 20).await;
    count(&gateway, "failed", 60).await;
    ask(&gateway, 1).await;
    count(&gateway, "failed", 63).await;
    assert_eq!((spans(&gateway, "exported").await, spans(&gateway, "dropped").await), (0, 0));
    assert_eq!(gateway.printed().matches("traces don't reach their collector").count(), 1, "{}", gateway.printed());
    assert_eq!(gateway.access_log().len(), 21);
}

#[tokio::test]
async fn a_collector_that_hangs_or_is_too_busy_costs_nothing_but_its_spans() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let gateway = traced(&upstream, hasty(&collector.url())).start().await;
    collector.is(Manner::Hangs);
    ask(&gateway, 10).await;
    count(&gateway, "failed", 30).await;
    collector.is(Manner::Refuses);
    ask(&gateway, 10).await;
    count(&gateway, "failed", 60).await;
    collector.is(Manner::Takes);
    ask(&gateway, 10).await;
    count(&gateway, "exported", 30).await;
    assert_eq!(collector.spans().len(), 30);
    let printed = gateway.printed();
    assert_eq!(printed.matches("traces don't reach").count(), 1, "{printed}");
    assert_eq!(printed.matches("traces reach their collector again").count(), 1, "{printed}");
}

#[tokio::test]
async fn more_spans_than_may_wait_are_dropped_and_counted() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let slow = json!({ "otlp_endpoint": collector.url(), "sample": 1.0, "timeout": "1m" });
    let gateway = traced(&upstream, slow).start().await;
    collector.is(Manner::Hangs);
    // A rejection is two spans; 4096 requests may wait, and a batch is under way.
    let mut client = gateway.connect().await;
    let request = crate::support::client::get(crate::support::plain(crate::support::APP));
    let mut asked = 0;
    while spans(&gateway, "dropped").await == 0 {
        for _ in 0..500 {
            assert_eq!(client.ask(&request).await.status, 401);
        }
        asked += 500;
        assert!(asked < 20_000, "nothing is ever dropped");
    }
    assert!(asked > 4096, "{asked}");
}

#[tokio::test]
async fn a_collector_that_was_restarted_gets_what_comes_and_what_waited() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let gateway = traced(&upstream, all(&collector)).start().await;
    ask(&gateway, 1).await;
    count(&gateway, "exported", 3).await;
    let address = collector.address();
    collector.stops().await;
    ask(&gateway, 5).await;
    let collector = Collector::at(address, None).await;
    count(&gateway, "exported", 18).await;
    assert_eq!((collector.spans().len(), spans(&gateway, "failed").await), (15, 0), "nothing was lost");
}

#[tokio::test]
async fn what_waits_is_sent_when_the_process_stops() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let mut gateway = traced(&upstream, all(&collector)).set("/server/drain", json!("0s")).start().await;
    ask(&gateway, 3).await;
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.ends(Duration::from_secs(20)).await.code(), Some(0));
    assert_eq!(collector.spans().len(), 9);
}

#[tokio::test]
async fn a_collector_that_hangs_does_not_keep_the_process() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    collector.is(Manner::Hangs);
    let slow = json!({ "otlp_endpoint": collector.url(), "sample": 1.0, "timeout": "1m" });
    let mut gateway = traced(&upstream, slow).set("/server/drain", json!("0s")).start().await;
    ask(&gateway, 3).await;
    let asked = Instant::now();
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.ends(Duration::from_secs(20)).await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_collector_behind_tls_is_verified() {
    let (upstream, authority) = (Upstream::start().await, Authority::new("a test authority"));
    let identity = authority.identity("localhost");
    let collector = Collector::at(([127, 0, 0, 1], 0).into(), Some((&identity.cert, &identity.key))).await;
    let url = format!("https://localhost:{}", collector.address().port());
    let mut tracing = hasty(&url);
    tracing["timeout"] = json!("5s");
    tracing["ca"] = json!("ca.pem");
    let gateway = traced(&upstream, tracing.clone()).file("ca.pem", authority.pem()).start().await;
    ask(&gateway, 1).await;
    count(&gateway, "exported", 3).await;
    // Another authority's word isn't good enough, nor is nobody's.
    let stranger = Authority::new("a stranger");
    tracing["timeout"] = json!("300ms");
    let gateway = traced(&upstream, tracing).file("ca.pem", stranger.pem()).start().await;
    ask(&gateway, 1).await;
    count(&gateway, "failed", 3).await;
    let gateway = traced(&upstream, hasty(&url)).start().await;
    ask(&gateway, 1).await;
    count(&gateway, "failed", 3).await;
    assert_eq!(collector.spans().len(), 3);
}
