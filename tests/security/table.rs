//! A table of requests, and what must come of each of them.
//!
//! Every row goes over a connection of its own. Whatever was not to be forwarded must not have reached the upstream,
//! not even in part; whatever was forwarded must be free of the word `evil` in its head: rows plant it where a spoofed
//! or smuggled value would show.

use crate::support::client::{Client, Last, Request};
use crate::support::gateway::{Gateway, gateway};
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
    /// The head is malformed: a bare error, or none, and the end of the connection.
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

/// One row.
pub struct Row {
    name: String,
    bytes: Vec<u8>,
    expect: Expect,
}

/// A row of a request in the usual form.
pub fn row(name: impl Into<String>, request: &Request, expect: Expect) -> Row {
    raw(name, request.bytes("gateway.test"), expect)
}

/// A row of bytes.
pub fn raw(name: impl Into<String>, bytes: impl Into<Vec<u8>>, expect: Expect) -> Row {
    Row { name: name.into(), bytes: bytes.into(), expect }
}

/// Runs a table against the customer's app.
pub async fn run(rows: Vec<Row>) {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    run_on(&gateway, &upstream, rows).await;
}

/// Runs a table against any gateway; reports every row that went wrong, not only the first.
pub async fn run_on(gateway: &Gateway, upstream: &Upstream, rows: Vec<Row>) {
    let total = rows.len();
    let mut wrong = Vec::new();
    for Row { name, bytes, expect } in rows {
        let came = send(gateway, &bytes, expect).await;
        let seen = upstream.take();
        if let Some(problem) = problem(expect, &came, &seen) {
            wrong.push(format!("{name}: expected {expect:?}, {problem}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {total} rows:\n{}", wrong.len(), wrong.join("\n"));
}

/// The answers that came back: status and code of each. None: the connection ended without one.
type Came = Vec<(u16, String)>;

/// Stands for an answer where the connection should have ended, and didn't.
const LEFT_OPEN: u16 = 0;

async fn send(gateway: &Gateway, bytes: &[u8], expect: Expect) -> Came {
    let mut client: Client = gateway.connect().await;
    client.send(bytes).await;
    let mut came = Came::new();
    // Where a head can't be trusted, nothing after it can: the connection must end after the answer.
    for _ in 0..=usize::from(expect == Expect::Refused) {
        match client.last().await {
            Last::Answer(answer) => came.push(answer.verdict()),
            Last::Closed => break,
            Last::Open => came.push((LEFT_OPEN, "left open".into())),
        }
    }
    came
}

fn problem(expect: Expect, came: &Came, seen: &[Recorded]) -> Option<String> {
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
    let arrived = usize::from(expect == Expect::Forwarded);
    if seen.len() != arrived || seen.iter().any(|request| !request.complete) {
        return Some(format!("the upstream saw {} requests: {}", seen.len(), heads(seen)));
    }
    let evil = seen.iter().any(|r| String::from_utf8_lossy(&r.head.bytes).to_lowercase().contains("evil"));
    evil.then(|| format!("a planted value arrived: {}", heads(seen)))
}

fn heads(seen: &[Recorded]) -> String {
    let heads = seen.iter().map(|request| String::from_utf8_lossy(&request.head.bytes).into_owned());
    format!("{:?}", heads.collect::<Vec<_>>())
}
