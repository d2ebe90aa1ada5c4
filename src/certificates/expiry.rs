//! When a certificate ceases to be good, and how that is said.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How long before its end a certificate is warned of.
const SOON: i64 = 14 * DAY;
const DAY: i64 = 24 * 60 * 60;

/// The moment after which a certificate is refused, in seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry(pub i64);

impl Expiry {
    /// RFC 3339 in UTC.
    #[must_use]
    pub fn date(self) -> Option<String> {
        OffsetDateTime::from_unix_timestamp(self.0).ok()?.format(&Rfc3339).ok()
    }

    /// What there is to say where the certificate has expired, or will within two weeks.
    #[must_use]
    pub fn warning(self, now: SystemTime) -> Option<String> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let left = self.0.saturating_sub_unsigned(now);
        let date = self.date().unwrap_or_else(|| self.0.to_string());
        match left {
            ..0 => Some(format!("the certificate expired at {date}; issue it anew")),
            0..SOON => Some(format!("the certificate expires at {date}, in {} days; renew it", left / DAY)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_weeks_and_what_is_over_are_warned_of() {
        let end = Expiry(1_800_000_000);
        let at = |before: i64| UNIX_EPOCH + Duration::from_secs(u64::try_from(end.0 - before).unwrap());
        assert_eq!(end.warning(at(SOON)), None);
        assert_eq!(
            end.warning(at(SOON - 1)).unwrap(),
            "the certificate expires at 2027-01-15T08:00:00Z, in 13 days; renew it"
        );
        assert!(end.warning(at(0)).unwrap().contains("in 0 days"));
        assert_eq!(end.warning(at(-1)).unwrap(), "the certificate expired at 2027-01-15T08:00:00Z; issue it anew");
    }
}
