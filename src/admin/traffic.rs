//! The part of `/status` about requests: how many since the start, and their course over the last minutes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::recent::{Recent, STEP, STEPS};
use crate::reason::{Kind, Reason};
use crate::telemetry::{Limit, Metrics, Totals};

/// Counts since the start of the process; what never occurred is left out.
#[derive(Serialize)]
pub(super) struct TrafficPage {
    requests: u64,
    by_status: BTreeMap<String, u64>,
    /// Rejections by the answer's code.
    by_code: BTreeMap<&'static str, u64>,
    rejections: BTreeMap<&'static str, RejectionPage>,
    errors: BTreeMap<&'static str, u64>,
    limited: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct RejectionPage {
    code: &'static str,
    total: u64,
}

/// Counts by step, oldest first; the last one is under way. Words that didn't occur are left out.
#[derive(Serialize)]
pub(super) struct RecentPage {
    window_seconds: u64,
    step_seconds: u64,
    requests: Vec<u64>,
    rejections: BTreeMap<&'static str, Vec<u64>>,
    errors: BTreeMap<&'static str, Vec<u64>>,
    limited: BTreeMap<&'static str, Vec<u64>>,
}

/// Both at this moment.
pub(super) fn pages(metrics: &Metrics, recent: &Recent) -> (TrafficPage, RecentPage) {
    let totals = metrics.totals();
    (TrafficPage::new(metrics, &totals), RecentPage::new(&recent.steps(&totals)))
}

fn reasons(kind: Kind) -> impl Iterator<Item = (usize, Reason)> {
    Reason::ALL.iter().copied().enumerate().filter(move |(_, reason)| reason.kind() == kind)
}

impl TrafficPage {
    fn new(metrics: &Metrics, totals: &Totals) -> Self {
        let counted = |kind| {
            let count = |(at, reason)| Some((reason, *totals.reasons.get(at).filter(|n| **n > 0)?));
            reasons(kind).filter_map(count)
        };
        let mut by_code = BTreeMap::new();
        for (reason, n) in counted(Kind::Rejection) {
            *by_code.entry(reason.code().as_str()).or_default() += n;
        }
        let rejection =
            |(reason, total): (Reason, u64)| (reason.as_str(), RejectionPage { code: reason.code().as_str(), total });
        let limits = Limit::ALL.iter().map(|limit| limit.as_str()).zip(totals.limited);
        Self {
            requests: totals.requests,
            by_status: metrics.by_status(),
            by_code,
            rejections: counted(Kind::Rejection).map(rejection).collect(),
            errors: counted(Kind::Error).map(|(reason, n)| (reason.as_str(), n)).collect(),
            limited: limits.filter(|(_, n)| *n > 0).collect(),
        }
    }
}

impl RecentPage {
    fn new(steps: &[Totals]) -> Self {
        let course = |count: &dyn Fn(&Totals) -> Option<u64>| -> Option<Vec<u64>> {
            let counts: Vec<u64> = steps.iter().map(|step| count(step).unwrap_or_default()).collect();
            counts.iter().any(|n| *n > 0).then_some(counts)
        };
        let of = |kind| {
            let one =
                |(at, reason): (usize, Reason)| Some((reason.as_str(), course(&|step| step.reasons.get(at).copied())?));
            reasons(kind).filter_map(one).collect()
        };
        let limits = Limit::ALL.iter().enumerate();
        let limits = limits.filter_map(|(at, l)| Some((l.as_str(), course(&|step| step.limited.get(at).copied())?)));
        Self {
            window_seconds: STEP.as_secs() * STEPS as u64,
            step_seconds: STEP.as_secs(),
            requests: steps.iter().map(|step| step.requests).collect(),
            rejections: of(Kind::Rejection),
            errors: of(Kind::Error),
            limited: limits.collect(),
        }
    }
}
