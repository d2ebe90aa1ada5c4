//! What a connection ended with on which no request was whole: the bytes are gone by then, so what happened is noted on
//! the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::telemetry::{ListenerSeries, NoRequest};

/// What happened on a connection so far.
#[derive(Default)]
pub(super) struct Ending {
    /// Where it is counted.
    pub series: Option<Arc<ListenerSeries>>,
    /// A head was whole. Only the connection's own task looks: atomic, as Pingora lends its stream shared.
    pub asked: AtomicBool,
    /// The deadline passed.
    pub timed_out: bool,
    /// The client closed it, or it broke.
    pub gone: bool,
    /// Something was written while a head was awaited: Pingora refused the head by itself.
    pub refused: bool,
}

impl Ending {
    /// Counts the end of the connection, while a head is awaited of which something has come, or nothing.
    pub fn count(&self, begun: bool) {
        if let (Some(series), Some(cause)) = (&self.series, self.cause(begun)) {
            series.without_request(cause);
        }
    }

    /// `None`: there were requests, or it is the gateway that ends.
    fn cause(&self, begun: bool) -> Option<NoRequest> {
        match begun {
            true if self.refused => Some(NoRequest::HeadMalformed),
            true if self.timed_out => Some(NoRequest::HeadTimeout),
            true if self.gone => Some(NoRequest::HeadIncomplete),
            false if self.asked.load(Ordering::Relaxed) => None,
            false if self.timed_out => Some(NoRequest::Idle),
            false if self.gone => Some(NoRequest::Closed),
            _ => None,
        }
    }
}
