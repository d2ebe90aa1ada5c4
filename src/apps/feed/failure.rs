//! Why the flow from the store broke, as far as the supervisor must know.

/// What a failure means for the token and for the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// A matter of time: keep the token, re-open with back-off.
    Transient,
    /// The cursor is gone, the history is not: keep the token, re-open at once, then with back-off.
    CursorLost,
    /// The token is worth nothing any more: drop it, reload everything.
    HistoryLost,
    /// Not authorised: keep the token, keep serving, try again on a schedule of its own.
    Unauthorised,
    /// The server has no change streams, because it isn't a replica set.
    Standalone,
    /// Nothing we know: like [`Self::Transient`], but a token that fails time and again is given up.
    Unlisted,
}

/// A failure, with words for people. Never carries a secret.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// What it means.
    pub kind: FailureKind,
    /// What happened.
    pub text: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: FailureKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// The same of a stream that the driver tried to resume by itself, perhaps not where our token is: what was said of
    /// that place says nothing about ours.
    #[must_use]
    pub fn of_another_place(mut self) -> Self {
        if self.kind == FailureKind::HistoryLost {
            self.kind = FailureKind::CursorLost;
        }
        self
    }
}
