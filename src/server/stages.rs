//! The stages in which a process ends, each told to whoever waits for it.

use std::time::Duration;

use tokio::sync::watch;

/// After a handover, connections of the admin pages and the app profiles API are let go after this: what was accepted
/// just before has asked by then.
const LINGER: Duration = Duration::from_secs(1);

/// Tells the stages.
pub struct Ending {
    closed: watch::Sender<bool>,
    handed_over: watch::Sender<bool>,
    parting: watch::Sender<bool>,
}

/// Waits for the stages; cheap to clone.
#[derive(Clone)]
pub struct Stages {
    /// No client and no call of the app profiles API is accepted any more; connections aren't kept.
    pub closed: watch::Receiver<bool>,
    /// Another process has the sockets and serves: the admin pages are its business too.
    pub handed_over: watch::Receiver<bool>,
    /// Connections on which nothing is asked are closed, and what serves requests to come stops.
    pub parting: watch::Receiver<bool>,
}

/// The stages of one process, none of them reached.
#[must_use]
pub fn stages() -> (Ending, Stages) {
    let ((closed, a), (handed_over, b), (parting, c)) =
        (watch::channel(false), watch::channel(false), watch::channel(false));
    (Ending { closed, handed_over, parting }, Stages { closed: a, handed_over: b, parting: c })
}

impl Ending {
    /// The process stops: nothing is accepted, and nothing idle kept.
    pub fn close(&self) {
        self.closed.send_replace(true);
        self.parting.send_replace(true);
    }

    /// Another process serves: nothing is accepted, but clients that keep connections may ask once more.
    pub fn hand_over(&self) {
        self.handed_over.send_replace(true);
        self.closed.send_replace(true);
    }
}

impl Stages {
    /// When the connections of the app profiles API are let go: at once when the process stops, a little later after a
    /// handover.
    pub async fn let_go(self) {
        let Self { handed_over, mut parting, .. } = self;
        tokio::select! {
            () = reached(&mut parting) => {}
            () = lingered(handed_over) => {}
        }
    }
}

/// When the connections of the admin pages are let go: a little after a handover, else never.
pub async fn lingered(mut handed_over: watch::Receiver<bool>) {
    reached(&mut handed_over).await;
    tokio::time::sleep(LINGER).await;
}

/// Until the stage is reached. A sender that is gone reaches none: the process is about to end.
pub async fn reached(stage: &mut watch::Receiver<bool>) {
    if stage.wait_for(|reached| *reached).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stop_lets_go_at_once_and_a_handover_a_little_later() {
        let (ending, stages) = stages();
        ending.close();
        let start = Instant::now();
        stages.clone().let_go().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(!*stages.handed_over.borrow());

        let (ending, stages) = super::stages();
        ending.hand_over();
        assert!(*stages.closed.borrow() && !*stages.parting.borrow());
        let start = Instant::now();
        stages.clone().let_go().await;
        assert_eq!(start.elapsed(), LINGER);
        ending.close();
        assert!(*stages.parting.borrow());
    }
}
