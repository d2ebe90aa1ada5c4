//! How many documents are in which state.

use crate::apps::app::{App, Policy};

/// How many documents are in which state (`rtms_apps`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// A token is required.
    pub jwt: usize,
    /// No secret: requests pass.
    pub open: usize,
    /// Switched off.
    pub disabled: usize,
    /// Senseless, or one of several with the same appId.
    pub unusable: usize,
    /// Keys under 32 bytes.
    pub short_keys: usize,
    /// Keys that end in NUL.
    pub nul_keys: usize,
}

impl Counts {
    /// All documents.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.jwt + self.open + self.disabled + self.unusable
    }

    /// Counts a document in; `refused`: as unusable, whatever it says itself.
    pub(super) fn add(&mut self, app: &App, refused: bool) {
        self.count(app, refused, 1);
    }

    pub(super) fn remove(&mut self, app: &App, refused: bool) {
        self.count(app, refused, -1);
    }

    fn count(&mut self, app: &App, refused: bool, by: isize) {
        let slot = match &app.policy {
            _ if refused => &mut self.unusable,
            Policy::Jwt(_) => &mut self.jwt,
            Policy::Open => &mut self.open,
            Policy::Disabled => &mut self.disabled,
            Policy::Unusable => &mut self.unusable,
        };
        *slot = slot.saturating_add_signed(by);
        self.short_keys = self.short_keys.saturating_add_signed(by * isize::from(app.weak.short));
        self.nul_keys = self.nul_keys.saturating_add_signed(by * isize::from(app.weak.trailing_nul));
    }
}
