//! The watcher: looks at the files of everything that is in force, once a second.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tracing::error;

use super::shown::Board;
use super::watched::{Held, Watched};
use crate::telemetry::Metrics;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Lists what there is to watch at this moment.
pub type Source = Box<dyn Fn() -> Vec<Held> + Send>;

/// Watches certificates, keys and authorities.
pub struct Watcher {
    source: Source,
    watched: Vec<Watched>,
    metrics: Arc<Metrics>,
    board: Board,
}

impl Watcher {
    /// Watches what `source` lists, and looks at it for the first time.
    #[must_use]
    pub fn new(source: Source, metrics: Arc<Metrics>) -> Self {
        let mut watcher = Self { source, watched: Vec::new(), metrics, board: Board::default() };
        watcher.look(false, SystemTime::now());
        watcher
    }

    /// Where it writes what it knows.
    #[must_use]
    pub fn board(&self) -> Board {
        Arc::clone(&self.board)
    }

    /// Looks again and again until `stop` turns true; at once when it is `asked`.
    pub async fn run(mut self, asked: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        loop {
            let asked = tokio::select! {
                () = sleep(EVERY) => false,
                () = asked.notified() => true,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            // A disk may hang: not on a thread that others wait for.
            let looked = tokio::task::spawn_blocking(move || {
                self.look(asked, SystemTime::now());
                self
            });
            self = match looked.await {
                Ok(watcher) => watcher,
                Err(error) => return error!(%error, "certificates are watched no longer: restart the gateway"),
            };
        }
    }

    /// Looks at everything once.
    fn look(&mut self, asked: bool, now: SystemTime) {
        let mut before = std::mem::take(&mut self.watched);
        for held in (self.source)() {
            let mut watched = match before.iter().position(|watched| watched.is(&held)) {
                Some(at) => {
                    let mut known = before.swap_remove(at);
                    known.held_by(held.holder);
                    known
                }
                None => Watched::new(held),
            };
            watched.look(asked, now, &self.metrics);
            self.watched.push(watched);
        }
        let shown: Vec<_> = self.watched.iter().map(Watched::shown).collect();
        for gone in before.iter().filter(|gone| shown.iter().all(|kept| kept.name != gone.name())) {
            self.metrics.certificate_expires(gone.name(), None);
        }
        for kept in &shown {
            self.metrics.certificate_expires(&kept.name, kept.expiry.map(|expiry| expiry.0));
        }
        self.board.store(Arc::new(shown));
    }
}

#[cfg(test)]
mod tests;
