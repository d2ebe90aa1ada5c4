//! Which limit a request was turned away by, in one word each.

use prometheus::{IntCounter, IntCounterVec};

/// A limit that answers 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Limit {
    /// `limits.requests_per_app`
    RequestsPerApp,
    /// `limits.rejections_per_address`
    RejectionsPerAddress,
    /// `limits.concurrent_requests`
    ConcurrentRequests,
    /// `limits.concurrent_requests_per_app`
    ConcurrentRequestsPerApp,
}

impl Limit {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] =
        [Self::RequestsPerApp, Self::RejectionsPerAddress, Self::ConcurrentRequests, Self::ConcurrentRequestsPerApp];

    /// The label: the setting's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestsPerApp => "requests_per_app",
            Self::RejectionsPerAddress => "rejections_per_address",
            Self::ConcurrentRequests => "concurrent_requests",
            Self::ConcurrentRequestsPerApp => "concurrent_requests_per_app",
        }
    }
}

/// The counters of all limits, found by number.
pub struct Limited([IntCounter; Limit::ALL.len()]);

impl Limited {
    /// The series of every limit, at zero from the start.
    #[must_use]
    pub fn new(family: &IntCounterVec) -> Self {
        Self(Limit::ALL.map(|limit| family.with_label_values(&[limit.as_str()])))
    }

    /// Counts a request that was turned away by `limit`.
    pub fn count(&self, limit: Limit) {
        if let Some(counter) = self.0.get(usize::from(limit as u8)) {
            counter.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_numbered_in_the_order_of_their_list() {
        for (at, limit) in Limit::ALL.iter().enumerate() {
            assert_eq!(usize::from(*limit as u8), at, "{}", limit.as_str());
        }
    }
}
