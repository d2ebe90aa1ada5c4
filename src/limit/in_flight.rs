//! How much is under way, and how much of it is served.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One under way, in the upper half of the count.
const ONE: u64 = 1 << 32;
/// One of them that isn't served, in the lower half.
const SHED: u64 = 1;

/// A count of what is under way. What came over a bound is counted apart: it is answered, but takes no place.
///
/// Both numbers are one word: whoever comes sees how many places are taken by the same step with which they take
/// theirs, so that never more than the bound are served, and a bound may come and change while many are under way.
#[derive(Debug, Default)]
pub struct InFlight(AtomicU64);

impl InFlight {
    /// One more; it is shed if `most` are served already (`None`: no bound). Counted until what is returned is dropped.
    #[must_use]
    pub fn enter(self: &Arc<Self>, most: Option<usize>) -> Flight {
        let before = self.0.fetch_add(ONE, Ordering::Relaxed);
        let shed = most.is_some_and(|most| served(before) >= most as u64);
        if shed {
            self.0.fetch_add(SHED, Ordering::Relaxed);
        }
        Flight { of: Arc::clone(self), shed }
    }

    /// How many are under way, those that are shed included.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.0.load(Ordering::Relaxed) / ONE).unwrap_or(usize::MAX)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

const fn served(count: u64) -> u64 {
    (count / ONE).saturating_sub(count % ONE)
}

/// One that is under way.
#[derive(Debug)]
pub struct Flight {
    of: Arc<InFlight>,
    shed: bool,
}

impl Flight {
    /// Whether it came over the bound.
    #[must_use]
    pub const fn is_shed(&self) -> bool {
        self.shed
    }

    /// It won't be served: gives its place back, though it stays.
    pub fn shed(&mut self) {
        if !self.shed {
            self.shed = true;
            self.of.0.fetch_add(SHED, Ordering::Relaxed);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.of.0.fetch_sub(if self.shed { ONE + SHED } else { ONE }, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn those_over_the_bound_take_no_place_however_long_they_stay() {
        let count = Arc::new(InFlight::default());
        let mut served: Vec<_> = (0..3).map(|_| count.enter(Some(3))).collect();
        assert!(served.iter().all(|flight| !flight.is_shed()));
        let shed: Vec<_> = (0..5).map(|_| count.enter(Some(3))).collect();
        assert!(shed.iter().all(Flight::is_shed));
        assert_eq!(count.len(), 8);
        served.pop();
        let next = count.enter(Some(3));
        assert!(!next.is_shed(), "the five that are still answered are in nobody's way");
        let mut left = served.pop().unwrap();
        left.shed();
        left.shed();
        served.push(left);
        let in_its_place = count.enter(Some(3));
        assert!(!in_its_place.is_shed());
        assert!(count.enter(Some(3)).is_shed());
        drop((served, shed, next, in_its_place));
        assert!(count.is_empty());
    }

    #[test]
    fn a_bound_that_comes_or_changes_counts_who_is_there_already() {
        let count = Arc::new(InFlight::default());
        let free: Vec<_> = (0..4).map(|_| count.enter(None)).collect();
        assert!(count.enter(Some(4)).is_shed());
        assert!(!count.enter(Some(5)).is_shed());
        assert!(count.enter(Some(2)).is_shed());
        assert!(!count.enter(None).is_shed());
        drop(free);
        assert!(!count.enter(Some(1)).is_shed());
    }

    #[test]
    fn never_more_than_the_bound_at_once_and_nothing_is_left() {
        const MOST: usize = 5;
        let (count, inside) = (Arc::new(InFlight::default()), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let flight = count.enter(Some(MOST));
                        if !flight.is_shed() {
                            assert!(inside.fetch_add(1, Ordering::SeqCst) < MOST);
                            std::hint::spin_loop();
                            inside.fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
    }
}
