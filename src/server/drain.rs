//! The way to the end: what is served on, what is waited for, and how long.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tracing::info;

use super::notify::Notifier;
use super::readiness::Flags;
use super::stages::Ending;
use crate::apps::feed::{Phase, Status};
use crate::gateway::state::Current;
use crate::listener::limits::ConnectionLimits;

/// How often counts are looked at; the first look leaves the listeners time to close.
const LOOK: Duration = Duration::from_millis(50);
/// After a handover, a connection that was just accepted may still be in its TLS handshake, and not be counted yet.
const QUIET: Duration = Duration::from_secs(1);
/// Once no request is under way, connections have so long to end: an answer may still be on its way out, and a stream of
/// HTTP/2, begun before its client was told to go, on its way in.
const PARTING: Duration = Duration::from_secs(1);

/// What stopping takes.
pub struct Drain {
    /// How long the listeners keep serving after SIGTERM, and connections have after a handover.
    pub lasts: Duration,
    /// What requests and streams get once the listeners are closed.
    pub finish: Finish,
    /// Tells whether clients are let in yet, and is told of SIGTERM.
    pub flags: Flags,
    /// Asked for requests in flight.
    pub current: Current,
    /// Tells when the feed has stopped, which may write the apps cache before.
    pub apps: Arc<Status>,
    /// Counts client connections.
    pub connections: Arc<ConnectionLimits>,
    /// Tells everybody.
    pub ending: Ending,
    /// Tells the service manager.
    pub notifier: Arc<Notifier>,
}

/// What is waited for once the listeners are closed.
#[derive(Clone, Copy, Debug)]
pub struct Finish {
    /// Requests have so long.
    pub requests: Duration,
    /// Streams have so long, and as long as there are requests.
    pub streams: Duration,
}

impl Finish {
    /// Whether the process may end, so long after the listeners closed, with this much left.
    const fn over(self, since: Duration, requests: bool, streams: bool) -> bool {
        (!requests || since.as_nanos() >= self.requests.as_nanos())
            && (!streams || since.as_nanos() >= self.streams.as_nanos())
    }
}

impl Drain {
    /// Requests and streams under way.
    pub(super) fn in_flight(&self) -> (usize, usize) {
        let current = self.current.load();
        let streams = current.streams();
        (current.in_flight().saturating_sub(streams), streams)
    }

    /// Not ready any more, but serving, until nobody should come any more.
    pub(super) async fn serve_on(&self) {
        self.flags.draining.store(true, Ordering::Relaxed);
        self.flags.leaving.store(true, Ordering::Relaxed);
        self.notifier.draining();
        info!(seconds = self.lasts.as_secs_f64(), "draining: not ready any more, still serving");
        // Nobody needs time to notice a gateway that never let anybody in.
        if self.flags.listening.load(Ordering::Acquire) {
            sleep(self.lasts).await;
        }
    }

    /// Another process serves: accepts no more, and waits until clients have closed their connections here, which their
    /// next answers tell them to.
    pub(super) async fn move_clients(&self) {
        self.flags.leaving.store(true, Ordering::Relaxed);
        self.notifier.relieved();
        self.ending.hand_over();
        info!(seconds = self.lasts.as_secs_f64(), "handed over: accepting no more, waiting for connections to end");
        let quiet = async {
            let mut last_open = Instant::now();
            while last_open.elapsed() < QUIET {
                sleep(LOOK).await;
                if self.connections.open() > 0 {
                    last_open = Instant::now();
                }
            }
        };
        let _ = timeout(self.lasts, quiet).await;
    }

    /// Closes the listeners and waits for what is in flight and the ends of connections, for streams last.
    pub(super) async fn finish(&self) {
        self.notifier.stopping();
        self.ending.close();
        let start = Instant::now();
        let mut last_request = start;
        loop {
            sleep(LOOK).await;
            let (requests, streams) = self.in_flight();
            if requests > 0 {
                last_request = Instant::now();
            }
            let parting = self.connections.open() > 0 && last_request.elapsed() < PARTING;
            let profiles = self.flags.profiles.load(Ordering::Acquire);
            let work = requests > 0 || parting || profiles || self.apps.phase() != Phase::Stopped;
            if self.finish.over(start.elapsed(), work, streams > 0) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_cut_last() {
        let seconds = Duration::from_secs;
        let finish = Finish { requests: seconds(10), streams: seconds(5) };
        assert!(finish.over(seconds(0), false, false));
        assert!(!finish.over(seconds(9), true, true), "streams last as long as there are requests");
        assert!(!finish.over(seconds(4), false, true));
        assert!(finish.over(seconds(5), false, true));
        assert!(finish.over(seconds(10), true, true));
        let finish = Finish { requests: seconds(10), streams: seconds(60) };
        assert!(!finish.over(seconds(59), true, true));
        assert!(finish.over(seconds(10), true, false));
    }
}
