//! A table of requests, and what must come of each of them, over HTTP/1.1 and over HTTP/2.
//!
//! Every row goes over connections of its own. Whatever was not to be forwarded must not have reached the upstream,
//! not even in part; whatever was forwarded must be free of the word `evil` in its head: rows plant it where a spoofed
//! or smuggled value would show. What came of each row is written down in `docs/security.md`.

mod page;
mod wires;

use serde_json::json;

use self::wires::{Came, Http2};
pub use crate::support::client::Field;
use crate::support::client::Request;
use crate::support::gateway::{Builder, Gateway, gateway};
use crate::support::tls::Authority;
use crate::support::upstream::{Recorded, Upstream};

/// What must come of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Exactly one request reaches the upstream, whole, and its answer comes back.
    Forwarded,
    /// The gateway answers itself: status and code.
    Answer(u16, &'static str),
    /// 400: of the gateway's own, or the bare one of the server, which refuses some heads before anybody judges them.
    Bad,
    /// The request is malformed: a bare error, or none, and the end of the connection (HTTP/2: at least of the stream).
    /// Over HTTP/2 a part may have reached the upstream that is never followed by the rest.
    Refused,
}

/// 401 with code 38.
pub const INVALID: Expect = Expect::Answer(401, "38");
/// 401 with code 39.
pub const MISSING: Expect = Expect::Answer(401, "39");
/// 401 with code 40.
pub const EXPIRED: Expect = Expect::Answer(401, "40");
/// 400 with code 4.
pub const AMBIGUOUS: Expect = Expect::Answer(400, "4");

/// A field of text.
pub fn field(name: &str, value: impl AsRef<[u8]>) -> Field {
    (name.as_bytes().to_vec(), value.as_ref().to_vec())
}

/// One row: what goes over either protocol, where it can be said there, and what must come of it.
pub struct Row {
    name: String,
    http_1: Option<(Vec<u8>, Expect)>,
    http_2: Option<(Http2, Expect)>,
}

impl Row {
    /// Goes over HTTP/2 as well, with these header fields and no body; what must come of it there.
    pub fn and_framed(mut self, fields: Vec<Field>, expect: Expect) -> Self {
        self.http_2 = Some((Http2 { fields, pieces: Vec::new() }, expect));
        self
    }
}

/// A row of a request in the usual form, over both protocols.
pub fn row(name: impl Into<String>, request: &Request, expect: Expect) -> Row {
    let http_2 = request.fields("gateway.test").map(|(fields, body)| (Http2::new(fields, &body), expect));
    Row { name: name.into(), http_1: Some((request.bytes("gateway.test"), expect)), http_2 }
}

/// A row of bytes, over HTTP/1.1.
pub fn raw(name: impl Into<String>, bytes: impl Into<Vec<u8>>, expect: Expect) -> Row {
    Row { name: name.into(), http_1: Some((bytes.into(), expect)), http_2: None }
}

/// A row of header fields and DATA frames, over HTTP/2.
pub fn framed(name: impl Into<String>, fields: Vec<Field>, pieces: &[&[u8]], expect: Expect) -> Row {
    let pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
    Row { name: name.into(), http_1: None, http_2: Some((Http2 { fields, pieces }, expect)) }
}

/// Runs a table against the customer's app.
pub async fn run(rows: Vec<Row>) {
    let upstream = Upstream::start().await;
    run_on(gateway(&upstream).customer(), &upstream, rows).await;
}

/// Runs a table against any gateway; reports every row that went wrong, not only the first.
pub async fn run_on(builder: Builder, upstream: &Upstream, rows: Vec<Row>) {
    let authority = Authority::new("a test authority");
    let identity = authority.identity("127.0.0.1");
    let tls = json!({ "cert": "server.pem", "key": "server.key", "http2": true });
    let builder = builder.listener(json!({ "tls": tls }));
    let gateway = builder.file("server.pem", identity.cert).file("server.key", identity.key).start().await;
    let mut wrong = Vec::new();
    let mut page = page::Section::of_this_test();
    for row in &rows {
        let outcome = outcome(row, &gateway, &authority, upstream).await;
        wrong.extend(outcome.problems.iter().map(|problem| format!("{}: {problem}", row.name)));
        page.row(&row.name, &outcome.told);
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    page.compare();
}

/// What came of a row, for the page, and what is wrong with it.
struct Outcome {
    told: [String; 2],
    problems: Vec<String>,
}

async fn outcome(row: &Row, gateway: &Gateway, authority: &Authority, upstream: &Upstream) -> Outcome {
    let mut outcome = Outcome { told: Default::default(), problems: Vec::new() };
    let [http_1, http_2] = &mut outcome.told;
    if let Some((bytes, expect)) = &row.http_1 {
        let came = wires::http_1(gateway, bytes, *expect == Expect::Refused).await;
        let seen = upstream.take();
        let problem = problem(*expect, &came, &seen, seen.is_empty());
        outcome.problems.extend(problem.map(|p| format!("HTTP/1.1: expected {expect:?}, {p}")));
        *http_1 = told(*expect, &came);
    }
    if let Some((request, expect)) = &row.http_2 {
        let came = wires::http_2(gateway, authority, request).await;
        let seen = upstream.take();
        let problem = problem(*expect, &came, &seen, seen.iter().all(|request| !request.complete));
        outcome.problems.extend(problem.map(|p| format!("HTTP/2: expected {expect:?}, {p}")));
        *http_2 = told(*expect, &came);
    }
    outcome
}

/// What came, in the words of the page.
fn told(expect: Expect, came: &Came) -> String {
    match (expect, came.as_slice()) {
        (Expect::Forwarded, _) => "forwarded".into(),
        // Whether a malformed head gets a bare error or none is a race with the end of the connection.
        (Expect::Refused, _) => "refused".into(),
        (_, [(status, code)]) if code.is_empty() => status.to_string(),
        (_, [(status, code)]) => format!("{status}, code {code}"),
        _ => "no answer".into(),
    }
}

fn problem(expect: Expect, came: &Came, seen: &[Recorded], nothing_arrived: bool) -> Option<String> {
    let right = match (expect, came.as_slice()) {
        (Expect::Forwarded, [(200, code)]) => code == "0",
        (Expect::Answer(status, code), [(got, text)]) => *got == status && text == code,
        (Expect::Bad, [(status, code)]) => *status == 400 && matches!(code.as_str(), "4" | ""),
        (Expect::Refused, [(status, _)]) => matches!(status, 400 | 405 | 413 | 414 | 431 | 501 | 505),
        (Expect::Refused, []) => true,
        _ => false,
    };
    if !right {
        return Some(format!("got {came:?}; the upstream saw {}", heads(seen)));
    }
    let arrived = match expect {
        Expect::Forwarded => seen.len() == 1 && seen.iter().all(|request| request.complete),
        Expect::Refused => nothing_arrived,
        _ => seen.is_empty(),
    };
    if !arrived {
        return Some(format!("the upstream saw {} requests: {}", seen.len(), heads(seen)));
    }
    let evil = seen.iter().any(|r| String::from_utf8_lossy(&r.head.bytes).to_lowercase().contains("evil"));
    evil.then(|| format!("a planted value arrived: {}", heads(seen)))
}

fn heads(seen: &[Recorded]) -> String {
    let heads = seen.iter().map(|request| String::from_utf8_lossy(&request.head.bytes).into_owned());
    format!("{:?}", heads.collect::<Vec<_>>())
}
