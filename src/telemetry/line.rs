//! One line of the access log, in plain ASCII: a flat JSON object, or as a format says.
//!
//! Whatever a client sends is escaped, control characters and everything beyond ASCII, so that no request can forge
//! a line, break out of quotes or move a terminal's cursor. The query is cut off once more, and so are credentials in
//! front of a host: neither is ever written.

use std::fmt::Arguments;
use std::io::Write as _;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

use super::entry::{Entry, Field, Value};
use super::format::{Format, Piece};
use super::user::ShownUser;

/// Text of a client's own is cut to this many bytes, and marked.
const LONGEST_TEXT: usize = 2048;
/// What stands in a format's place for something absent.
const ABSENT: u8 = b'-';
/// What may stand beside letters and digits where no quotes say where a text ends.
const PLAIN: &[u8] = b"-._~/:%+@=";

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// How lines look.
pub(super) struct Form {
    pub format: Format,
    pub user: ShownUser,
}

impl Form {
    /// The line, with its end.
    pub(super) fn line(&self, entry: &Entry<'_>) -> Vec<u8> {
        let mut line = Line { out: Vec::with_capacity(512), quoted: true };
        match &self.format {
            Format::Json => self.json(entry, &mut line),
            Format::Text(pieces) => self.text(entry, pieces, &mut line),
        }
        line.out.push(b'\n');
        line.out
    }

    fn json(&self, entry: &Entry<'_>, line: &mut Line) {
        let mut before = b'{';
        for field in Field::of_json() {
            let Some(value) = self.value(entry, field) else { continue };
            line.out.extend_from_slice(&[before, b'"']);
            line.out.extend_from_slice(field.as_str().as_bytes());
            line.out.extend_from_slice(b"\":");
            let quotes: &[u8] = if matches!(value, Value::Number(_) | Value::Milliseconds(_)) { b"" } else { b"\"" };
            line.out.extend_from_slice(quotes);
            self.write(&value, line);
            line.out.extend_from_slice(quotes);
            before = b',';
        }
        line.out.push(b'}');
    }

    fn text(&self, entry: &Entry<'_>, pieces: &[Piece], line: &mut Line) {
        for piece in pieces {
            match piece {
                Piece::Literal(text) => line.out.extend_from_slice(text.as_bytes()),
                Piece::Field { field, quoted } => {
                    line.quoted = *quoted;
                    let start = line.out.len();
                    if let Some(value) = self.value(entry, *field) {
                        self.write(&value, line);
                    }
                    if line.out.len() == start {
                        line.out.push(ABSENT);
                    }
                }
            }
        }
    }

    fn value<'e>(&self, entry: &Entry<'e>, field: Field) -> Option<Value<'e>> {
        entry.value(field).filter(|value| !matches!((value, &self.user), (Value::User(_), ShownUser::Off)))
    }

    fn write(&self, value: &Value<'_>, line: &mut Line) {
        match value {
            Value::Text(text) => line.text(text),
            Value::User(user) => match &self.user {
                ShownUser::Off => {}
                ShownUser::Plain => line.text(user.as_bytes()),
                ShownUser::Hashed(key) => line.display(format_args!("{:016x}", key.hash(user))),
            },
            Value::Client(client) => line.display(format_args!("{client}")),
            Value::ClientIp(client) => line.display(format_args!("{}", client.ip())),
            Value::Time(time) => line.time(*time),
            Value::TimeLocal(time) => line.time_local(*time),
            Value::Number(number) => line.display(format_args!("{number}")),
            Value::Milliseconds(time) => line.milliseconds(*time),
        }
    }
}

/// A line in the making. Writing to a `Vec` can't fail, so the results of `write!` are dropped.
struct Line {
    out: Vec<u8>,
    /// Quotes say where the text ends.
    quoted: bool,
}

impl Line {
    fn display(&mut self, value: Arguments<'_>) {
        let _ = self.out.write_fmt(value);
    }

    fn milliseconds(&mut self, value: Duration) {
        let micros = value.as_micros();
        self.display(format_args!("{}.{:03}", micros / 1000, micros % 1000));
    }

    /// RFC 3339.
    fn time(&mut self, time: SystemTime) {
        let t = OffsetDateTime::from(time);
        self.display(format_args!("{:04}-{:02}-{:02}T", t.year(), u8::from(t.month()), t.day()));
        self.display(format_args!("{:02}:{:02}:{:02}.{:03}Z", t.hour(), t.minute(), t.second(), t.millisecond()));
    }

    /// As the servers of old write it; in UTC all the same.
    fn time_local(&mut self, time: SystemTime) {
        let t = OffsetDateTime::from(time);
        let month = MONTHS.get(usize::from(u8::from(t.month())).saturating_sub(1)).copied().unwrap_or_default();
        self.display(format_args!("{:02}/{month}/{:04}:", t.day(), t.year()));
        self.display(format_args!("{:02}:{:02}:{:02} +0000", t.hour(), t.minute(), t.second()));
    }

    fn text(&mut self, value: &[u8]) {
        let kept = value.get(..LONGEST_TEXT).unwrap_or(value);
        for chunk in kept.utf8_chunks() {
            self.escaped(chunk.valid());
            for byte in chunk.invalid() {
                let _ = write!(self.out, "\\\\x{byte:02X}");
            }
        }
        if kept.len() < value.len() {
            self.out.extend_from_slice(b"...");
        }
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '"' | '\\' if self.quoted => self.out.extend_from_slice(&[b'\\', c as u8]),
                ' '..='~' if self.quoted || c.is_ascii_alphanumeric() || PLAIN.contains(&(c as u8)) => {
                    self.out.push(c as u8);
                }
                _ => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let _ = write!(self.out, "\\u{unit:04x}");
                    }
                }
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
