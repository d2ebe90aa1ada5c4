//! How far the store's writes are in force, for whoever wrote one and waits for it.

use tokio::sync::watch;

use super::Status;
use crate::apps::feed::source::OpTime;

/// Everything written up to this moment is in force. Sent anew with every publish, moved or not.
pub(super) struct Progress(watch::Sender<OpTime>);

impl Default for Progress {
    fn default() -> Self {
        Self(watch::channel(OpTime::default()).0)
    }
}

impl Progress {
    /// Something was published.
    pub(super) fn tick(&self) {
        self.0.send_modify(|_| {});
    }
}

impl Status {
    /// Up to which moment everything written is in force, by the store's clock, as far as the stream tells; the receiver
    /// wakes with every publish. A full load says nothing of its moment.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<OpTime> {
        self.progress.0.subscribe()
    }

    /// Everything written up to this moment is in force.
    pub(in crate::apps::feed) fn in_force_through(&self, at: OpTime) {
        self.progress.0.send_if_modified(|through| {
            let later = at > *through;
            *through = at.max(*through);
            later
        });
    }
}
