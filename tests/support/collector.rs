//! An OpenTelemetry collector: a real OTLP/gRPC server that keeps what it is sent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span as Sent;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::support::poll;

/// What it does with an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Takes it.
    Takes,
    /// Is too busy for it.
    Refuses,
    /// Never answers.
    Hangs,
}

/// A span as it arrived.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its name.
    pub name: String,
    /// `SERVER`, `CLIENT` or `INTERNAL`.
    pub kind: &'static str,
    /// The trace's id in hex.
    pub trace: String,
    /// Its own.
    pub id: String,
    /// Its parent's; empty: none.
    pub parent: String,
    /// Its attributes as text.
    pub attributes: BTreeMap<String, String>,
    /// Whether its status is an error.
    pub failed: bool,
    /// When it began and ended, in nanoseconds since 1970.
    pub time: (u64, u64),
}

impl Span {
    /// An attribute; empty: it has none of the name.
    pub fn of(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }
}

#[derive(Default)]
struct Kept {
    spans: Vec<Span>,
    /// Attributes of the resource.
    resource: BTreeMap<String, String>,
    /// Everything that came, in Rust's words, headers included.
    everything: String,
}

#[derive(Clone)]
struct Service {
    kept: Arc<Mutex<Kept>>,
    manner: Arc<Mutex<Manner>>,
}

/// The collector; stops when dropped.
pub struct Collector {
    address: SocketAddr,
    service: Service,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Collector {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), None).await
    }

    /// Starts one on an address of the test's choice, with TLS if it is given a certificate and its key.
    pub async fn at(address: SocketAddr, tls: Option<(&str, &str)>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free address");
        let address = listener.local_addr().expect("a bound socket");
        let service = Service { kept: Arc::default(), manner: Arc::new(Mutex::new(Manner::Takes)) };
        let mut server = Server::builder();
        if let Some((cert, key)) = tls {
            let tls = ServerTlsConfig::new().identity(Identity::from_pem(cert, key));
            server = server.tls_config(tls).expect("a good certificate");
        }
        let router = server.add_service(TraceServiceServer::new(service.clone()));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let until = async {
                let _ = stopped.await;
            };
            let _ = router.serve_with_incoming_shutdown(TcpIncoming::from(listener), until).await;
        });
        Self { address, service, stop: Some(stop), task }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes what it does with the exports to come.
    pub fn is(&self, manner: Manner) {
        *self.service.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// Closes its socket and its connections.
    pub async fn stops(mut self) {
        drop(self.stop.take());
        poll::bounded("the collector ends", &mut self.task).await.expect("no panic");
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.kept(|kept| kept.spans.clone())
    }

    /// Attributes of the resource that sent the last ones.
    pub fn resource(&self) -> BTreeMap<String, String> {
        self.kept(|kept| kept.resource.clone())
    }

    /// Everything that came, headers included, as text.
    pub fn everything(&self) -> String {
        self.kept(|kept| kept.everything.clone())
    }

    /// Waits for the trace of a request; its spans in the order they are sent in: the server's first.
    pub async fn request(&self, id: &str) -> Vec<Span> {
        poll::until(&format!("the spans of request {id}"), async || {
            let spans = self.spans();
            let server = spans.iter().find(|span| span.of("rtms.request_id") == id)?.clone();
            let of_it = |span: &Span| span.parent == server.id && span.trace == server.trace;
            Some(std::iter::once(server.clone()).chain(spans.iter().filter(|s| of_it(s)).cloned()).collect())
        })
        .await
    }

    fn kept<T>(&self, of: impl Fn(&Kept) -> T) -> T {
        of(&self.service.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let manner = *self.manner.lock().unwrap_or_else(PoisonError::into_inner);
        match manner {
            Manner::Takes => {}
            Manner::Refuses => return Err(Status::unavailable("busy")),
            Manner::Hangs => std::future::pending().await,
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = write!(kept.everything, "{:?} {:?}", request.metadata().clone().into_headers(), request.get_ref());
        for (name, value) in request.metadata().clone().into_headers() {
            // The debug form of a sensitive value says nothing.
            let _ = write!(kept.everything, " {name:?}={}", value.as_bytes().escape_ascii());
        }
        for resource in request.into_inner().resource_spans {
            kept.resource = texts(&resource.resource.unwrap_or_default().attributes);
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            kept.spans.extend(spans.map(|span| read(&span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn read(span: &Sent) -> Span {
    Span {
        name: span.name.clone(),
        kind: span.kind().as_str_name().trim_start_matches("SPAN_KIND_"),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        attributes: texts(&span.attributes),
        failed: span.status.as_ref().is_some_and(|status| status.code().as_str_name() == "STATUS_CODE_ERROR"),
        time: (span.start_time_unix_nano, span.end_time_unix_nano),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: Option<&AnyValue>| match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|kv| (kv.key.clone(), text(kv.value.as_ref()))).collect()
}
