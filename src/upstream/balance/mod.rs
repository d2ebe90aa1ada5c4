//! Which peer takes a request: by turns, by load, or by app.
//!
//! Everything is laid out when a configuration is put in force; a choice reads that and a few atomics. It takes no
//! lock and allocates nothing.

mod least_connections;
mod ring;
mod round_robin;

use self::ring::Ring;
use self::round_robin::RoundRobin;
use crate::config::settings;

/// How requests are spread over peers that are named by their index.
pub struct Balance {
    turns: RoundRobin,
    by: By,
}

enum By {
    Turn,
    Load { weights: Box<[u64]> },
    App(Ring),
}

/// What a choice goes by.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The request's turn, see [`Balance::turn`].
    pub turn: usize,
    /// The app it is for, where that is known.
    pub app: Option<&'a str>,
}

impl Balance {
    /// Lays out what the settings of an upstream ask for.
    #[must_use]
    pub fn new(upstream: &settings::Upstream) -> Self {
        let weights: Vec<u32> = upstream.peers.iter().map(|p| p.weight).collect();
        let by = match upstream.balance {
            settings::Balance::RoundRobin => By::Turn,
            settings::Balance::LeastConnections => {
                By::Load { weights: weights.iter().map(|w| u64::from(*w)).collect() }
            }
            settings::Balance::Hash => By::App(Ring::new(upstream.peers.iter().map(|p| (&*p.address, p.weight)))),
        };
        Self { turns: RoundRobin::new(&weights), by }
    }

    /// The turn of a new request. A retry belongs to the turn of its first attempt: it must not use up another's.
    pub fn turn(&self) -> usize {
        self.turns.turn()
    }

    /// The peer for an attempt, among those that are usable; `None`: none is.
    pub fn pick(&self, ask: Ask<'_>, usable: impl Fn(usize) -> bool, load: impl Fn(usize) -> usize) -> Option<usize> {
        match (&self.by, ask.app) {
            (By::App(ring), Some(app)) => ring.pick(app, usable),
            (By::Load { weights }, _) => {
                let first = self.turns.pick(ask.turn, &usable)?;
                Some(least_connections::pick(weights, first, usable, load))
            }
            (By::Turn | By::App(_), _) => self.turns.pick(ask.turn, usable),
        }
    }
}

/// Spreads a number over all 64 bits (the finalizer of `SplitMix64`).
const fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
