//! Values with a form of their own: durations, sizes, percentages, and a count of threads.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

/// The longest duration: far beyond any use, and safe to add to a clock.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

/// A duration: `250ms`, `5s`, `10m`, `1h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// A duration of whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

/// Reads a duration as it stands in a configuration or on the command line.
///
/// # Errors
/// What is wrong with it; the text itself isn't repeated.
pub fn duration(text: &str) -> Result<Duration, String> {
    const FORM: &str = "is no duration; write a whole number and a unit, as in `250ms`, `5s`, `10m` or `1h`";
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or(FORM)?;
    let number: u64 = number.parse().map_err(|_| FORM)?;
    let duration = match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        "" if number == 0 => Some(Duration::ZERO),
        "" => return Err("has no unit; write `250ms`, `5s`, `10m` or `1h`".to_owned()),
        _ => return Err(FORM.to_owned()),
    };
    duration.filter(|d| *d <= LONGEST).ok_or_else(|| "is over 100 years; write less".to_owned())
}

/// A duration in the largest unit that states it exactly.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    match (seconds, millis) {
        (_, 1..) => format!("{}ms", duration.as_millis()),
        (1.., 0) if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        (60.., 0) if seconds.is_multiple_of(60) && seconds > 60 => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

/// A size in bytes: `65536`, `64KiB`, `1MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// Reads a size as it stands in a configuration.
///
/// # Errors
/// What is wrong with it; the text itself isn't repeated.
pub fn size(text: &str) -> Result<u64, String> {
    const FORM: &str = "is no size; write bytes, or a whole number and a unit, as in `64KiB` or `1MiB`";
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or(FORM)?;
    let number: u64 = number.parse().map_err(|_| FORM)?;
    let factor = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(FORM.to_owned()),
    };
    number.checked_mul(factor).ok_or_else(|| "is more than any size can be; write less".to_owned())
}

/// A size in the largest unit that states it exactly.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    match bytes {
        1.. if bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        1.. if bytes.is_multiple_of(1 << 10) => format!("{}KiB", bytes >> 10),
        _ => bytes.to_string(),
    }
}

/// A share in whole percent: `50%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u32);

fn percent(text: &str) -> Result<Percent, String> {
    const FORM: &str = "is no percentage; write a whole number and the sign, as in `50%`";
    let digits = text.strip_suffix('%').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).map(Percent).ok_or_else(|| FORM.to_owned())
}

/// How many threads: `auto`, or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// As many as the machine has for this process.
    Auto,
    /// This many.
    Count(u64),
}

/// What a scalar of one of the types above is read with.
struct ScalarVisitor<T> {
    expecting: &'static str,
    number: fn(u64) -> Result<T, String>,
    text: fn(&str) -> Result<T, String>,
}

impl<T> Visitor<'_> for ScalarVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        (self.number)(number).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.text)(text).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor {
            expecting: "a duration such as `250ms`, `5s`, `10m` or `1h`",
            number: |n| duration(&n.to_string()).map(Span),
            text: |text| duration(text).map(Span),
        })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor {
            expecting: "a size in bytes, or such as `64KiB` or `1MiB`",
            number: |n| Ok(Size(n)),
            text: |text| size(text).map(Size),
        })
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor {
            expecting: "a percentage such as `50%`",
            number: |n| percent(&n.to_string()),
            text: percent,
        })
    }
}

impl<'de> Deserialize<'de> for Threads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor {
            expecting: "`auto` or a whole number",
            number: |n| Ok(Threads::Count(n)),
            text: |text| match text {
                "auto" => Ok(Threads::Auto),
                _ => text.parse().map(Threads::Count).map_err(|_| "must be `auto` or a whole number".to_owned()),
            },
        })
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&show_duration(self.0))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&show_size(self.0))
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{}%", self.0))
    }
}

impl Serialize for Threads {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Count(n) => serializer.serialize_u64(*n),
        }
    }
}

macro_rules! scalar_schema {
    ($type:ty, $name:literal, $schema:expr) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

scalar_schema!(Span, "Duration", json_schema!({"type": "string", "format": "duration"}));
scalar_schema!(Size, "Size", json_schema!({"type": ["integer", "string"], "format": "size"}));
scalar_schema!(Percent, "Percent", json_schema!({"type": "string", "format": "percentage"}));
scalar_schema!(Threads, "Threads", json_schema!({"type": ["integer", "string"], "format": "`auto` or number"}));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, millis) in [("250ms", 250), ("5s", 5_000), ("10m", 600_000), ("1h", 3_600_000), ("0s", 0), ("0", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in
            ["", "s", "5", "5 s", "1.5s", "-1s", "5S", "5sec", "1h30m", "1d", "99999999999999999999s", "9999999999999h"]
        {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(duration("5").unwrap_err().starts_with("has no unit"));
    }

    #[test]
    fn sizes_are_bytes_or_powers_of_1024() {
        for (text, bytes) in [("0", 0), ("65536", 65536), ("64KiB", 65536), ("1MiB", 1 << 20), ("2GiB", 2 << 30)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "KiB", "64KB", "64kib", "64 KiB", "1.5MiB", "-1", "99999999999999999999", "99999999999GiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn percentages_have_their_sign() {
        for (text, share) in [("50%", 50), ("0%", 0), ("100%", 100), ("007%", 7)] {
            assert_eq!(percent(text), Ok(Percent(share)), "{text}");
        }
        for bad in ["", "%", "50", "0.5", "-1%", "+5%", "1.5%", "50 %", "99999999999%"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_are_shown_as_they_can_be_written() {
        for text in ["250ms", "1500ms", "5s", "60s", "10m", "1h", "24h", "0s"] {
            assert_eq!(show_duration(duration(text).unwrap()), text);
        }
        for text in ["0", "100", "64KiB", "1MiB", "1025"] {
            assert_eq!(show_size(size(text).unwrap()), text);
        }
    }
}
