//! What became of spans.

use prometheus::{IntCounter, IntCounterVec};

/// What became of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanResult {
    /// The collector took it.
    Exported,
    /// It was given up unsent, as too many waited already.
    Dropped,
    /// It was sent, or tried to be, and the collector didn't take it in time.
    Failed,
}

impl SpanResult {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Exported, Self::Dropped, Self::Failed];

    /// The label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exported => "exported",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
        }
    }
}

/// Counts spans by what became of them.
#[derive(Clone)]
pub struct SpanCounts([IntCounter; 3]);

impl SpanCounts {
    /// The series of a family; all exist from then on.
    #[must_use]
    pub fn new(family: &IntCounterVec) -> Self {
        Self(SpanResult::ALL.map(|result| family.with_label_values(&[result.as_str()])))
    }

    pub(super) fn add(&self, result: SpanResult, count: u64) {
        if let Some(counter) = self.0.get(result as usize) {
            counter.inc_by(count);
        }
    }

    #[cfg(test)]
    pub(super) fn get(&self, result: SpanResult) -> u64 {
        self.0[result as usize].get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_numbered_in_the_order_of_their_list() {
        for (at, result) in SpanResult::ALL.iter().enumerate() {
            assert_eq!(*result as usize, at, "{result:?}");
        }
    }
}
