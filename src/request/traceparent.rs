//! `traceparent` of W3C Trace Context: which trace a request belongs to, and who called.
//!
//! Read by the letter: one field, version 00 with nothing after its four parts, lower-case hex, no id of zeros. A higher
//! version is read by its first four parts, as the standard asks. Anything else is as good as no field at all: a trace
//! that can't be told for sure is not continued.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

/// Bytes of a version 00 field.
const LENGTH: usize = 55;
/// The flag of a trace that the caller records.
const SAMPLED: u8 = 0x01;
/// The flag of a trace id whose last 7 bytes are random (level 2): kept for those behind.
const RANDOM: u8 = 0x02;

/// The id of a trace; displayed as 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(pub NonZeroU128);

/// The id of a span; displayed as 16 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(pub NonZeroU64);

/// What a `traceparent` field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent {
    /// The trace.
    pub trace: TraceId,
    /// The span that the request belongs to.
    pub span: SpanId,
    /// The caller records the trace.
    pub sampled: bool,
    /// The caller says that the trace's id is random.
    pub random: bool,
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Traceparent {
    /// Reads the values of all `traceparent` fields of a request; `None`: it begins a trace of its own.
    pub fn read<'v>(mut values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
        let one = values.next()?;
        if values.next().is_some() { None } else { Self::parse(one) }
    }

    /// Reads one value.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (fields, rest) = value.split_at_checked(LENGTH)?;
        let [v1, v0, b'-', rest_of_fields @ ..] = fields else { return None };
        let version = number(&[*v1, *v0])?;
        match (version, rest) {
            (0xff, _) | (0, [_, ..]) => return None,
            (0, []) | (_, [] | [b'-', ..]) => {}
            _ => return None,
        }
        let (trace, rest) = rest_of_fields.split_at_checked(32)?;
        let (span, flags) = rest.strip_prefix(b"-")?.split_at_checked(16)?;
        let flags = number(flags.strip_prefix(b"-")?)?;
        Some(Self {
            trace: TraceId(NonZeroU128::new(number(trace)?)?),
            span: SpanId(NonZeroU64::new(u64::try_from(number(span)?).ok()?)?),
            sampled: flags & u128::from(SAMPLED) != 0,
            random: flags & u128::from(RANDOM) != 0,
        })
    }

    /// The field's value, as version 00.
    #[must_use]
    pub fn write(&self) -> [u8; LENGTH] {
        let flags = if self.sampled { SAMPLED } else { 0 } | if self.random { RANDOM } else { 0 };
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let (fields, flag) = text.split_at_mut(LENGTH - 2);
        hex(fields.get_mut(3..35).unwrap_or_default(), &self.trace.0.get().to_be_bytes());
        hex(fields.get_mut(36..52).unwrap_or_default(), &self.span.0.get().to_be_bytes());
        hex(flag, &[flags]);
        text
    }
}

/// Lower-case hex digits, at most 32 of them, and nothing else.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

/// Writes two digits for each byte.
fn hex(place: &mut [u8], bytes: &[u8]) {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    for (pair, byte) in place.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
}

#[cfg(test)]
mod tests;
