//! What the counters of requests stand at, summed over routes and methods: for `/status`, which shows their course.
//!
//! Read by whoever looks and every few seconds, never on a request's path: series are collected and labels compared.

use std::collections::BTreeMap;

use prometheus::IntCounterVec;
use prometheus::core::Collector as _;

use super::limited::Limit;
use super::metrics::Metrics;
use super::upstreams::Outcome;
use crate::reason::Reason;

/// How many reasons there are.
pub const REASONS: usize = Reason::ALL.len();
/// How many limits there are.
pub const LIMITS: usize = Limit::ALL.len();

/// Counts since the start of the process, or between two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Requests answered, and those whose client left before.
    pub requests: u64,
    /// Rejections and errors by reason, in the order of [`Reason::ALL`].
    pub reasons: [u64; REASONS],
    /// Requests over a limit, in the order of [`Limit::ALL`].
    pub limited: [u64; LIMITS],
}

impl Default for Totals {
    fn default() -> Self {
        Self { requests: 0, reasons: [0; REASONS], limited: [0; LIMITS] }
    }
}

impl Totals {
    /// What was counted since `before`; counters never fall.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut grown = *self;
        grown.requests = grown.requests.saturating_sub(before.requests);
        for (now, then) in grown.reasons.iter_mut().zip(before.reasons) {
            *now = now.saturating_sub(then);
        }
        for (now, then) in grown.limited.iter_mut().zip(before.limited) {
            *now = now.saturating_sub(then);
        }
        grown
    }
}

impl Metrics {
    /// What was counted since the start, by reason and by limit.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let families = &self.families.requests;
        let reasons = {
            let mut by_word = sums(&families.rejections, "reason");
            by_word.extend(sums(&families.errors, "reason"));
            by_word
        };
        let limits = sums(&families.limited, "limit");
        let of = |sums: &BTreeMap<String, u64>, word: &str| sums.get(word).copied().unwrap_or_default();
        let mut totals = Totals { requests: sums(&families.answered, "status").values().sum(), ..Totals::default() };
        for (place, reason) in totals.reasons.iter_mut().zip(Reason::ALL) {
            *place = of(&reasons, reason.as_str());
        }
        for (place, limit) in totals.limited.iter_mut().zip(Limit::ALL) {
            *place = of(&limits, limit.as_str());
        }
        totals
    }

    /// Requests answered since the start, by status.
    #[must_use]
    pub fn by_status(&self) -> BTreeMap<String, u64> {
        let mut statuses = sums(&self.families.requests.answered, "status");
        statuses.retain(|_, n| *n > 0);
        statuses
    }

    /// Attempts at a peer since the start, by how they ended; outcomes that never occurred are left out.
    #[must_use]
    pub fn attempts(&self, upstream: &str, peer: &str) -> BTreeMap<&'static str, u64> {
        let family = &self.families.upstreams.attempts;
        let count = |o: &Outcome| (o.as_str(), family.with_label_values(&[upstream, peer, o.as_str()]).get());
        Outcome::ALL.iter().map(count).filter(|(_, n)| *n > 0).collect()
    }
}

/// The sums of a family's series by the value of one label.
fn sums(family: &IntCounterVec, label: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for family in family.collect() {
        for series in family.get_metric() {
            let Some(pair) = series.get_label().iter().find(|pair| pair.name() == label) else { continue };
            #[expect(clippy::cast_sign_loss, reason = "counters are whole and never negative")]
            let count = series.get_counter().get_value() as u64;
            *sums.entry(pair.value().to_owned()).or_default() += count;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;
    use std::time::Duration;

    #[test]
    fn routes_and_methods_are_summed_and_every_reason_is_found_under_its_own_place() {
        let metrics = Metrics::new(&["a", "b"], &[("rtms", vec!["10.0.0.1:80"])]).unwrap();
        for (route, method, status) in
            [(Some(0), Method::GET, 200), (Some(1), Method::POST, 200), (None, Method::GET, 404)]
        {
            metrics.request(route, &method, status, Duration::ZERO);
        }
        let before = metrics.totals();
        for (at, reason) in Reason::ALL.iter().enumerate() {
            (0..=at).for_each(|n| metrics.not_forwarded(Some(n % 2), *reason));
        }
        metrics.limited(Limit::ConcurrentRequests);
        metrics.upstream(0, 0, Outcome::Reset, Duration::ZERO);
        let grown = metrics.totals().since(&before);
        assert_eq!((before.requests, grown.requests), (3, 0));
        for (at, (reason, count)) in Reason::ALL.iter().zip(grown.reasons).enumerate() {
            let counted = if *reason == Reason::ClientClosed { 0 } else { at as u64 + 1 };
            assert_eq!(count, counted, "{reason}");
        }
        assert_eq!(grown.limited, [0, 0, 1, 0]);
        assert_eq!(metrics.by_status(), BTreeMap::from([("200".to_owned(), 2), ("404".to_owned(), 1)]));
        assert_eq!(metrics.attempts("rtms", "10.0.0.1:80"), BTreeMap::from([("reset", 1)]));
    }
}
