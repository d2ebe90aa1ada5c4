//! What is known about a request when it ends, as the access log tells it: one closed list of fields.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use super::limited::Limit;
use crate::reason::Reason;

/// What is known about a request when it ends; an absent value leaves its field out.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// `time`: when the request's head had arrived; RFC 3339, UTC, milliseconds.
    pub time: SystemTime,
    /// `request_id`: as in `X-Request-Id`.
    pub request_id: &'a str,
    /// `trace_id`: of the trace that the request belongs to.
    pub trace_id: Option<&'a str>,
    /// `client`: address and port of the connection's other end.
    pub client: Option<SocketAddr>,
    /// `method`
    pub method: &'a str,
    /// `path`: as received and without its query; bytes that are not UTF-8 as `\xHH`.
    pub path: &'a [u8],
    /// `protocol`: `HTTP/1.1` and the like.
    pub protocol: &'a str,
    /// `status`: as sent; 499: the client left before it was.
    pub status: u16,
    /// `route`: the metric label.
    pub route: Option<&'a str>,
    /// `reason` and `code`: why the request was not forwarded or not answered by its upstream.
    pub reason: Option<Reason>,
    /// `limit`: which one it was over, where it was answered with 429.
    pub limit: Option<Limit>,
    /// `app`: the appId in the path.
    pub app: Option<&'a str>,
    /// `user`: the verified token's; told as the log is set to.
    pub user: Option<&'a str>,
    /// `key`: whether the previous secret signed the token.
    pub previous_key: Option<bool>,
    /// `duration_ms`: from the head to the end of the answer.
    pub duration: Duration,
    /// `auth_ms`: time to judge, without waiting for the body.
    pub auth: Option<Duration>,
    /// `upstream`: its name.
    pub upstream: Option<&'a str>,
    /// `peer`: the address tried last.
    pub peer: Option<&'a str>,
    /// `attempts`: how often forwarding was tried; left out where it never was.
    pub attempts: u32,
    /// `upstream_ms`: from the first attempt to the head of the upstream's answer.
    pub answered_after: Option<Duration>,
    /// `bytes_in`: of the request's body.
    pub bytes_in: u64,
    /// `bytes_out`: of the answer's body.
    pub bytes_out: u64,
}

macro_rules! fields {
    ($($variant:ident = $word:literal,)*) => {
        /// What a line can tell.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Field { $(#[doc = concat!("`", $word, "`")] $variant,)* }

        impl Field {
            /// All of them: those of a JSON line in its order, then those that only a format can name.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $word,)* } }
        }
    };
}

fields! {
    Time = "time",
    RequestId = "request_id",
    TraceId = "trace_id",
    Client = "client",
    Method = "method",
    Path = "path",
    Protocol = "protocol",
    Status = "status",
    Route = "route",
    Reason = "reason",
    Code = "code",
    Limit = "limit",
    App = "app",
    User = "user",
    Key = "key",
    DurationMs = "duration_ms",
    AuthMs = "auth_ms",
    Upstream = "upstream",
    Peer = "peer",
    Attempts = "attempts",
    UpstreamMs = "upstream_ms",
    BytesIn = "bytes_in",
    BytesOut = "bytes_out",
    ClientIp = "client_ip",
    TimeLocal = "time_local",
}

impl Field {
    /// The fields of a JSON line, in its order.
    pub(super) fn of_json() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|field| !matches!(field, Self::ClientIp | Self::TimeLocal))
    }
}

/// What a field holds.
pub(super) enum Value<'e> {
    /// Anything, a client's text included.
    Text(&'e [u8]),
    /// The user of a token.
    User(&'e str),
    Client(SocketAddr),
    ClientIp(SocketAddr),
    Time(SystemTime),
    TimeLocal(SystemTime),
    Number(u64),
    Milliseconds(Duration),
}

impl<'e> Entry<'e> {
    /// What it says about a field; `None`: nothing.
    pub(super) fn value(&self, field: Field) -> Option<Value<'e>> {
        let text = |text: &'e str| Value::Text(text.as_bytes());
        Some(match field {
            Field::Time => Value::Time(self.time),
            Field::TimeLocal => Value::TimeLocal(self.time),
            Field::RequestId => text(self.request_id),
            Field::TraceId => text(self.trace_id?),
            Field::Client => Value::Client(self.client?),
            Field::ClientIp => Value::ClientIp(self.client?),
            Field::Method => text(self.method),
            Field::Path => Value::Text(loggable(self.path)),
            Field::Protocol => text(self.protocol),
            Field::Status => Value::Number(self.status.into()),
            Field::Route => text(self.route?),
            Field::Reason => text(self.reason?.as_str()),
            Field::Code => text(self.reason?.code().as_str()),
            Field::Limit => text(self.limit?.as_str()),
            Field::App => text(self.app?),
            Field::User => Value::User(self.user?),
            Field::Key => text(if self.previous_key? { "previous" } else { "current" }),
            Field::DurationMs => Value::Milliseconds(self.duration),
            Field::AuthMs => Value::Milliseconds(self.auth?),
            Field::Upstream => text(self.upstream?),
            Field::Peer => text(self.peer?),
            Field::Attempts => Value::Number((self.attempts > 0).then_some(self.attempts.into())?),
            Field::UpstreamMs => Value::Milliseconds(self.answered_after?),
            Field::BytesIn => Value::Number(self.bytes_in),
            Field::BytesOut => Value::Number(self.bytes_out),
        })
    }
}

/// The part of a target that may be logged: its path, without query, fragment, and an authority, which may hold a
/// user and a password.
fn loggable(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(target.len());
    let target = target.get(..end).unwrap_or_default();
    match target.windows(3).position(|w| w == b"://") {
        Some(scheme) if !target.starts_with(b"/") => {
            let rest = target.get(scheme + 3..).unwrap_or_default();
            let path = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
            rest.get(path..).unwrap_or_default()
        }
        _ => target,
    }
}
