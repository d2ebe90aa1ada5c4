//! How upgrades end for a process, in one word each.

/// What came of an upgrade, as one of the two processes saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeResult {
    /// The old one's: a new process serves in its place.
    HandedOver,
    /// The new one's: it serves in the place of another.
    TakenOver,
    /// The old one's: it was asked to hand over, and serves on.
    Failed,
}

impl UpgradeResult {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::HandedOver, Self::TakenOver, Self::Failed];

    /// The label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HandedOver => "handed_over",
            Self::TakenOver => "taken_over",
            Self::Failed => "failed",
        }
    }
}
