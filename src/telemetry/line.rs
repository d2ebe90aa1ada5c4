//! One line of the access log: a flat JSON object in plain ASCII.
//!
//! Whatever a client sends is escaped, control characters and everything beyond ASCII, so that no request can forge
//! a line or move a terminal's cursor. The query is cut off here once more, and so are credentials in front of a
//! host: neither is ever written.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

use super::limited::Limit;
use crate::reason::Reason;

/// Text of a client's own is cut to this many bytes, and marked.
const LONGEST_TEXT: usize = 2048;

/// What is known about a request when it ends; an absent value leaves its field out.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// `time`: when the request's head had arrived; RFC 3339, UTC, milliseconds.
    pub time: SystemTime,
    /// `request_id`: as in `X-Request-Id`.
    pub request_id: &'a str,
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
    /// `bytes_in`: of the request's body.
    pub bytes_in: u64,
    /// `bytes_out`: of the answer's body.
    pub bytes_out: u64,
}

impl Entry<'_> {
    /// The line, with its end.
    pub(super) fn line(&self) -> Vec<u8> {
        let mut line = Line(Vec::with_capacity(512));
        line.0.push(b'{');
        line.time(self.time);
        line.text("request_id", self.request_id.as_bytes());
        if let Some(client) = self.client {
            line.display("client", format_args!("\"{client}\""));
        }
        line.text("method", self.method.as_bytes());
        line.text("path", loggable(self.path));
        line.text("protocol", self.protocol.as_bytes());
        line.display("status", format_args!("{}", self.status));
        line.optional("route", self.route);
        line.optional("reason", self.reason.map(Reason::as_str));
        line.optional("code", self.reason.map(|r| r.code().as_str()));
        line.optional("limit", self.limit.map(Limit::as_str));
        line.optional("app", self.app);
        line.milliseconds("duration_ms", self.duration);
        if let Some(auth) = self.auth {
            line.milliseconds("auth_ms", auth);
        }
        line.optional("upstream", self.upstream);
        line.optional("peer", self.peer);
        if self.attempts > 0 {
            line.display("attempts", format_args!("{}", self.attempts));
        }
        line.display("bytes_in", format_args!("{}", self.bytes_in));
        line.display("bytes_out", format_args!("{}", self.bytes_out));
        line.0.extend_from_slice(b"}\n");
        line.0
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

/// A JSON object in the making. Writing to a `Vec` can't fail, so the results of `write!` are dropped.
struct Line(Vec<u8>);

impl Line {
    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn display(&mut self, name: &str, value: std::fmt::Arguments<'_>) {
        self.name(name);
        let _ = self.0.write_fmt(value);
    }

    fn milliseconds(&mut self, name: &str, value: Duration) {
        let micros = value.as_micros();
        self.display(name, format_args!("{}.{:03}", micros / 1000, micros % 1000));
    }

    fn time(&mut self, time: SystemTime) {
        let t = OffsetDateTime::from(time);
        let (date, clock) = ((t.year(), u8::from(t.month()), t.day()), t.time());
        self.display(
            "time",
            format_args!(
                "\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z\"",
                date.0,
                date.1,
                date.2,
                clock.hour(),
                clock.minute(),
                clock.second(),
                clock.millisecond()
            ),
        );
    }

    fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value.as_bytes());
        }
    }

    fn text(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.0.push(b'"');
        let kept = value.get(..LONGEST_TEXT).unwrap_or(value);
        for chunk in kept.utf8_chunks() {
            self.escaped(chunk.valid());
            for byte in chunk.invalid() {
                let _ = write!(self.0, "\\\\x{byte:02X}");
            }
        }
        if kept.len() < value.len() {
            self.0.extend_from_slice(b"...");
        }
        self.0.push(b'"');
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '"' | '\\' => self.0.extend_from_slice(&[b'\\', c as u8]),
                ' '..='~' => self.0.push(c as u8),
                _ => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let _ = write!(self.0, "\\u{unit:04x}");
                    }
                }
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::{Value, json};

    use super::*;

    pub fn entry() -> Entry<'static> {
        Entry {
            time: UNIX_EPOCH + Duration::from_millis(1_584_525_821_007),
            request_id: "r-1",
            client: Some(SocketAddr::from(([10, 0, 0, 9], 4321))),
            method: "POST",
            path: b"/rtmsAPI/api/v1/app/TR1/setuserid",
            protocol: "HTTP/1.1",
            status: 401,
            route: Some("setuserid"),
            reason: Some(Reason::TokenMissing),
            limit: None,
            app: Some("TR1"),
            duration: Duration::from_micros(12_034),
            auth: Some(Duration::from_nanos(4_500)),
            upstream: None,
            peer: None,
            attempts: 0,
            bytes_in: 0,
            bytes_out: 93,
        }
    }

    fn parsed(entry: Entry<'_>) -> Value {
        let line = entry.line();
        assert!(line.ends_with(b"}\n") && line.is_ascii());
        assert_eq!(line.iter().filter(|b| **b < b' ').count(), 1, "one control character: the line's end");
        serde_json::from_slice(&line).unwrap()
    }

    fn path(bytes: &[u8]) -> Value {
        parsed(Entry { path: bytes, ..entry() })["path"].clone()
    }

    #[test]
    fn a_rejected_request_is_one_flat_object_without_what_it_never_had() {
        let expected = json!({
            "time": "2020-03-18T10:03:41.007Z", "request_id": "r-1", "client": "10.0.0.9:4321", "method": "POST",
            "path": "/rtmsAPI/api/v1/app/TR1/setuserid", "protocol": "HTTP/1.1", "status": 401, "route": "setuserid",
            "reason": "token_missing", "code": "39", "app": "TR1", "duration_ms": 12.034, "auth_ms": 0.004,
            "bytes_in": 0, "bytes_out": 93,
        });
        assert_eq!(parsed(entry()), expected);
    }

    #[test]
    fn a_forwarded_request_names_its_peer() {
        let forwarded = Entry {
            reason: None,
            status: 200,
            upstream: Some("rtms"),
            peer: Some("10.0.0.1:80"),
            attempts: 2,
            ..entry()
        };
        let line = parsed(forwarded);
        assert_eq!(
            (&line["upstream"], &line["peer"], &line["attempts"]),
            (&json!("rtms"), &json!("10.0.0.1:80"), &json!(2))
        );
        assert!(line.get("reason").is_none() && line.get("code").is_none());
    }

    #[test]
    fn every_reason_stands_in_the_log_as_its_one_word() {
        for reason in Reason::ALL {
            let line = parsed(Entry { reason: Some(*reason), ..entry() });
            assert_eq!(line["reason"], reason.as_str());
            assert_eq!(line["code"], reason.code().as_str());
        }
    }

    #[test]
    fn the_query_and_credentials_are_never_written() {
        assert_eq!(path(b"/a/b?token=s3cret"), "/a/b");
        assert_eq!(path(b"/a#b"), "/a");
        assert_eq!(path(b"http://user:pw@host/a?b"), "/a");
        assert_eq!(path(b"http://user:pw@host"), "");
        assert_eq!(path(b"/a://b/c"), "/a://b/c");
        assert_eq!(path(b"*"), "*");
    }

    #[test]
    fn no_byte_of_a_path_can_forge_a_line() {
        assert_eq!(path(b"/a\n{\"status\":200}\r"), "/a\n{\"status\":200}\r");
        assert_eq!(path("/\u{1b}[2J\u{9b}\u{2028}ü🦀\\".as_bytes()), "/\u{1b}[2J\u{9b}\u{2028}ü🦀\\");
        assert_eq!(path(b"/\xff\xc3/\xed\xa0\x80"), "/\\xFF\\xC3/\\xED\\xA0\\x80");
        assert_eq!(path(&[b'a'; LONGEST_TEXT + 1]).as_str().unwrap().len(), LONGEST_TEXT + 3);
        let any: Vec<u8> = (0..=255).filter(|b| !b"?#".contains(b)).collect();
        assert!(path(&any).is_string());
    }
}
