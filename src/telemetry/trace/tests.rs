use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroU128};
use std::sync::Mutex;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use http::Method;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::SpanExporter;
use prometheus::{IntCounterVec, Opts};

use super::*;
use crate::reason::Reason;
use crate::request::traceparent::SpanId;
use crate::telemetry::{Limit, Outcome};

const TRACE: TraceId = TraceId(NonZeroU128::new(7).unwrap());
const SPAN: SpanId = SpanId(NonZeroU64::new(8).unwrap());

fn counts() -> SpanCounts {
    SpanCounts::new(&IntCounterVec::new(Opts::new("spans", "spans"), &["result"]).unwrap())
}

fn request(began: Instant, method: &Method) -> Request<'_> {
    Request {
        trace: TRACE,
        parent: None,
        span: SPAN,
        began: (began, UNIX_EPOCH + Duration::from_secs(1000)),
        duration: Duration::from_millis(30),
        method,
        version: "1.1",
        tls: false,
        route: Some(("plain", "/{appId}/plain")),
        status: 200,
        reason: None,
        limit: None,
        app: Some("TR1"),
        id: "r-1",
        client: None,
        bytes: (1, 2),
    }
}

fn spans() -> Spans {
    Spans::new(&request(Instant::now(), &Method::GET), 0)
}

fn told(span: &SpanData) -> HashMap<&str, String> {
    span.attributes.iter().map(|kv| (kv.key.as_str(), kv.value.to_string())).collect()
}

#[test]
fn a_forwarded_request_is_a_server_span_with_a_client_span_for_each_attempt() {
    let began = Instant::now();
    let request = Request { parent: Some(SpanId(NonZeroU64::new(5).unwrap())), ..request(began, &Method::POST) };
    let at = |ms| began + Duration::from_millis(ms);
    let mut spans = Spans::new(&request, 3);
    spans.stage(&request, Stage::Judge, Interval { from: at(1), to: at(2) }, None);
    let first = Attempt {
        span: SpanId(NonZeroU64::new(9).unwrap()),
        time: Interval { from: at(2), to: at(12) },
        upstream: "rtms",
        peer: "[::1]:80",
        outcome: Some(Outcome::Reset),
        status: None,
        resent: 0,
    };
    spans.attempt(&request, &first);
    let second = Attempt { outcome: Some(Outcome::Ok), status: Some(200), resent: 1, ..first };
    spans.attempt(&request, &second);
    let [server, judge, first, second] = spans.0.as_slice() else { panic!("{spans:?}") };
    assert_eq!((&*server.name, &server.span_kind), ("POST plain", &SpanKind::Server));
    assert_eq!((server.parent_span_id, server.parent_span_is_remote), (5.into(), true));
    assert_eq!(server.start_time, UNIX_EPOCH + Duration::from_secs(1000));
    assert_eq!(server.end_time, server.start_time + Duration::from_millis(30));
    let of = told(server);
    assert_eq!((of["http.route"].as_str(), of["rtms.route"].as_str()), ("/{appId}/plain", "plain"));
    assert_eq!((of["rtms.app"].as_str(), of["http.response.status_code"].as_str()), ("TR1", "200"));
    assert!(!of.contains_key("client.address") && !of.contains_key("url.path") && !of.contains_key("rtms.reason"));
    assert_eq!((&*judge.name, judge.parent_span_id, &judge.span_kind), ("judge", 8.into(), &SpanKind::Internal));
    assert_eq!(judge.start_time, server.start_time + Duration::from_millis(1));
    assert_eq!(first.span_context.span_id(), 9.into());
    assert_eq!((first.parent_span_id, &first.span_kind), (8.into(), &SpanKind::Client));
    assert_eq!(first.status, Status::error("reset"));
    let of = told(first);
    assert_eq!((of["server.address"].as_str(), of["server.port"].as_str()), ("::1", "80"));
    assert!(!of.contains_key("http.request.resend_count"));
    assert_eq!((told(second)["http.request.resend_count"].as_str(), &second.status), ("1", &Status::Unset));
    assert!(spans.0.iter().all(|span| span.span_context.trace_id() == 7.into() && span.span_context.is_sampled()));
}

#[test]
fn failures_of_the_gateway_or_its_upstream_are_errors_and_rejections_are_none() {
    let began = Instant::now();
    let status = |status, reason| {
        let request =
            Request { status, reason, limit: Some(Limit::ConcurrentRequests), ..request(began, &Method::GET) };
        let server = Spans::new(&request, 0).0.remove(0);
        (server.status.clone(), told(&server).get("error.type").cloned())
    };
    assert_eq!(status(401, Some(Reason::TokenMissing)), (Status::Unset, None));
    assert_eq!(status(499, Some(Reason::ClientClosed)), (Status::Unset, None));
    assert_eq!(status(404, None), (Status::Unset, None));
    assert_eq!(status(500, None), (Status::error(""), Some("500".to_owned())));
    for reason in Reason::ALL.iter().filter(|reason| reason.status() >= 500) {
        let word = reason.as_str();
        assert_eq!(status(reason.status(), Some(*reason)), (Status::error(word), Some(word.to_owned())));
    }
}

#[test]
fn names_have_few_values_and_what_a_client_wrote_is_not_among_them() {
    let began = Instant::now();
    let odd = Method::from_bytes(b"SECRET").unwrap();
    let request = Request { route: None, app: Some("a b"), ..request(began, &odd) };
    let server = Spans::new(&request, 0).0.remove(0);
    assert_eq!((&*server.name, told(&server)["http.request.method"].as_str()), ("HTTP", "_OTHER"));
    assert!(!format!("{server:?}").contains("SECRET") && !told(&server).contains_key("rtms.app"));
}

#[test]
fn the_clients_address_is_told_where_it_is_given() {
    let client = Some(SocketAddr::from(([10, 0, 0, 9], 4321)));
    let server = Spans::new(&Request { client, ..request(Instant::now(), &Method::GET) }, 0).0.remove(0);
    assert_eq!((told(&server)["client.address"].as_str(), told(&server)["client.port"].as_str()), ("10.0.0.9", "4321"));
}

#[test]
fn the_sample_is_a_share_of_traces_and_one_trace_is_in_it_or_not() {
    let ids = || (1..=2000).map(|id| TraceId(NonZeroU128::new(id).unwrap()));
    let half = Sample::new(0.5);
    let held = ids().filter(|id| half.holds(*id)).count();
    // Six standard deviations either way.
    assert!((866..=1134).contains(&held), "{held}");
    assert_eq!(ids().filter(|id| half.holds(*id)).count(), held);
    assert!(ids().all(|id| Sample::new(1.0).holds(id)));
    assert!(!ids().any(|id| Sample::new(0.0).holds(id)));
    let other = Sample::new(0.5);
    assert!(ids().any(|id| half.holds(id) != other.holds(id)), "nobody outside can tell which");
}

/// What an exporter does with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Take,
    Fail,
    Hang,
}

/// Notes the sizes of batches.
#[derive(Clone, Debug)]
struct Fake(Arc<Mutex<(Does, Vec<usize>)>>);

impl Fake {
    fn new(does: Does) -> Self {
        Self(Arc::new(Mutex::new((does, Vec::new()))))
    }

    fn batches(&self) -> Vec<usize> {
        self.0.lock().unwrap().1.clone()
    }
}

impl SpanExporter for Fake {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let does = {
            let mut seen = self.0.lock().unwrap();
            seen.1.push(batch.len());
            seen.0
        };
        match does {
            Does::Take => Ok(()),
            Does::Fail => Err(OTelSdkError::InternalFailure("down".to_owned())),
            Does::Hang => std::future::pending().await,
        }
    }
}

/// A handle, and the worker at the other end.
fn pair() -> (Tracing, Worker) {
    let ((queue, inbox), (flush, flushes)) = (mpsc::channel(WAITING), mpsc::channel(1));
    let (crowded, counts) = (Arc::new(Notify::new()), counts());
    let worker = Worker { inbox, crowded: Arc::clone(&crowded), flushes, counts: counts.clone() };
    (Tracing { queue, crowded, flush, counts, sample: Sample::new(1.0), client_address: false }, worker)
}

const PATIENCE: Duration = Duration::from_secs(10);

fn work(worker: Worker, fake: &Fake) -> tokio::task::JoinHandle<()> {
    let (exporter, anew) = (fake.clone(), fake.clone());
    tokio::spawn(worker.run(exporter, move || Some(anew.clone()), PATIENCE))
}

#[tokio::test(start_paused = true)]
async fn spans_of_a_moment_go_in_one_batch_and_the_last_ones_before_the_end() {
    let (tracing, worker) = pair();
    let (fake, counts) = (Fake::new(Does::Take), tracing.counts.clone());
    let running = work(worker, &fake);
    for _ in 0..3 {
        tracing.record(spans());
    }
    tokio::time::sleep(PATIENCE).await;
    assert_eq!(fake.batches(), [3]);
    tracing.record(spans());
    drop(tracing);
    running.await.unwrap();
    assert_eq!(fake.batches(), [3, 1]);
    assert_eq!(counts.get(SpanResult::Exported), 4);
}

#[tokio::test(start_paused = true)]
async fn more_than_may_wait_is_dropped_and_counted_and_half_of_it_waits_for_nothing() {
    let (tracing, worker) = pair();
    for _ in 0..WAITING + 5 {
        tracing.record(spans());
    }
    assert_eq!(tracing.counts.get(SpanResult::Dropped), 5);
    let fake = Fake::new(Does::Take);
    let start = tokio::time::Instant::now();
    let running = work(worker, &fake);
    while fake.batches().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "a crowd isn't kept waiting");
    let counts = tracing.counts.clone();
    drop(tracing);
    running.await.unwrap();
    assert_eq!(fake.batches().iter().sum::<usize>(), WAITING);
    assert_eq!(counts.get(SpanResult::Exported), WAITING as u64);
}

#[tokio::test(start_paused = true)]
async fn what_the_collector_refuses_is_counted_and_the_next_batch_is_tried() {
    let (tracing, worker) = pair();
    let fake = Fake::new(Does::Fail);
    let _running = work(worker, &fake);
    tracing.record(spans());
    tokio::time::sleep(PATIENCE).await;
    assert_eq!((fake.batches().len(), tracing.counts.get(SpanResult::Failed)), (1, 1));
    fake.0.lock().unwrap().0 = Does::Take;
    tracing.record(spans());
    tokio::time::sleep(PATIENCE).await;
    assert_eq!((tracing.counts.get(SpanResult::Failed), tracing.counts.get(SpanResult::Exported)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_hangs_gets_its_time_and_a_flush_ends_sooner() {
    let (tracing, worker) = pair();
    let fake = Fake::new(Does::Hang);
    let _running = work(worker, &fake);
    tracing.record(spans());
    tokio::time::sleep(PATIENCE * 2).await;
    assert_eq!(tracing.counts.get(SpanResult::Failed), 1);
    tracing.record(spans());
    tokio::time::sleep(PATIENCE / 5).await;
    assert_eq!(fake.batches().len(), 2, "under way");
    let (done, answer) = sync_channel(1);
    tracing.flush.try_send(done).unwrap();
    tokio::time::sleep(PATIENCE / 5).await;
    answer.try_recv().unwrap();
    assert_eq!(tracing.counts.get(SpanResult::Failed), 2);
}

#[test]
fn a_flush_sends_what_waits_and_says_where_that_was_hopeless() {
    let settings = settings::Tracing {
        endpoint: "http://127.0.0.1:1".parse().unwrap(),
        sample: 1.0,
        service_name: "test".to_owned(),
        headers: http::HeaderMap::new(),
        ca: None,
        timeout: Duration::from_millis(100),
        client_address: false,
    };
    let tracing = Tracing::start(&settings, counts()).unwrap();
    tracing.record(spans());
    let asked = SystemTime::now();
    assert!(tracing.flush(Duration::from_secs(20)));
    assert!(asked.elapsed().unwrap() < Duration::from_secs(15));
    assert_eq!(tracing.counts.get(SpanResult::Failed), 1);
}
