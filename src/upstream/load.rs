//! What a peer is carrying right now.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of attempts under way at one peer.
#[derive(Debug, Default)]
pub struct Load(Arc<AtomicUsize>);

impl Load {
    /// Attempts under way.
    #[must_use]
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one more, until the guard is dropped.
    #[must_use]
    pub fn carry(&self) -> Carried {
        self.0.fetch_add(1, Ordering::Relaxed);
        Carried(Arc::clone(&self.0))
    }
}

/// One attempt, counted as long as this lives: it is kept with what is known of the attempt, so that no end of a request
/// (an answer, an error, a client that left, a panic) can leave it counted.
#[derive(Debug)]
pub struct Carried(Arc<AtomicUsize>);

impl Drop for Carried {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_counts_as_long_as_its_guard_lives() {
        let load = Load::default();
        let (one, two) = (load.carry(), load.carry());
        assert_eq!(load.get(), 2);
        drop(one);
        let panicked = std::thread::spawn(move || {
            let _two = two;
            panic!("on purpose");
        });
        assert!(panicked.join().is_err());
        assert_eq!(load.get(), 0);
    }
}
