//! How reloads of the configuration end, in one word each.

/// What came of a reload of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadResult {
    /// It is in force.
    Ok,
    /// It has mistakes, or could not be put in force; the one before it stays.
    Invalid,
    /// It changes what only a restart can; the one before it stays.
    RestartNeeded,
}

impl ReloadResult {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Invalid, Self::RestartNeeded];

    /// The label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Invalid => "invalid",
            Self::RestartNeeded => "restart_needed",
        }
    }
}
