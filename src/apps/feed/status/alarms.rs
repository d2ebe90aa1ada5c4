//! What needs somebody's hands.

use std::sync::atomic::Ordering;

use super::Status;
use crate::apps::feed::words::Alarm;

impl Status {
    /// Whether this alarm stands.
    #[must_use]
    pub fn alarm(&self, alarm: Alarm) -> bool {
        self.alarms.load(Ordering::Relaxed) & bit(alarm) != 0
    }

    /// All alarms that stand.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        Alarm::ALL.iter().copied().filter(|a| self.alarm(*a)).collect()
    }

    pub(in crate::apps::feed) fn raise(&self, alarm: Alarm) {
        self.alarms.fetch_or(bit(alarm), Ordering::Relaxed);
    }

    pub(in crate::apps::feed) fn clear(&self, alarm: Alarm) {
        self.alarms.fetch_and(!bit(alarm), Ordering::Relaxed);
    }
}

const fn bit(alarm: Alarm) -> u8 {
    1 << alarm as u8
}
