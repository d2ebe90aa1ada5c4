//! Who is ejected, until when, and who may still be: the rules, apart from clocks and locks.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::settings::Ejection;

/// The longest ejection, in units of the shortest.
const MOST_TIMES: u32 = 10;

/// The ejections of one upstream.
pub(super) struct Ledger {
    rules: Ejection,
    peers: Vec<Record>,
}

#[derive(Clone, Default)]
struct Record {
    until: Option<Instant>,
    /// When its last ejection was over.
    returned: Option<Instant>,
    /// By how much the next ejection is longer than the first.
    times: u32,
}

impl Ledger {
    pub(super) fn new(rules: Ejection, peers: usize) -> Self {
        Self { rules, peers: vec![Record::default(); peers] }
    }

    /// Ejects a peer, if that may be; for how long. `others`: how many peers could take its requests.
    pub(super) fn eject(&mut self, peer: usize, now: Instant, others: usize) -> Option<Duration> {
        let ejected = self.peers.iter().filter(|record| record.until.is_some()).count();
        if ejected >= self.most() || (others == 0 && self.rules.max_ejected < 100) {
            return None;
        }
        let first = self.rules.time;
        let record = self.peers.get_mut(peer).filter(|record| record.until.is_none())?;
        // Each time as long as the first that it behaved since takes one back.
        let behaved = record.returned.map_or(0, |since| (now - since).as_nanos() / first.as_nanos().max(1));
        let times = record.times.saturating_sub(u32::try_from(behaved).unwrap_or(u32::MAX));
        record.times = (times + 1).min(MOST_TIMES);
        let time = first * record.times;
        record.until = Some(now + time);
        Some(time)
    }

    /// How many peers may be ejected at once: the share, but one at least.
    fn most(&self) -> usize {
        (self.peers.len() * self.rules.max_ejected as usize / 100).max(1)
    }

    /// When the ejection of a peer ends.
    pub(super) fn until(&self, peer: usize) -> Option<Instant> {
        self.peers.get(peer)?.until
    }

    /// When the next ejection ends.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.peers.iter().filter_map(|record| record.until).min()
    }

    /// Ends the ejections that are over; the peers they were of.
    pub(super) fn end(&mut self, now: Instant) -> Vec<usize> {
        let over = |record: &Record| record.until.is_some_and(|until| until <= now);
        let due = self.peers.iter_mut().enumerate().filter(|(_, record)| over(record));
        let end = |(peer, record): (usize, &mut Record)| {
            (record.until, record.returned) = (None, Some(now));
            peer
        };
        due.map(end).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn ledger(peers: usize, max_ejected: u32) -> Ledger {
        Ledger::new(Ejection { consecutive_failures: 5, time: 10 * S, max_ejected }, peers)
    }

    #[test]
    fn a_share_may_be_ejected_one_at_least_and_never_the_last() {
        let now = Instant::now();
        // Peers, share, how many of them are ejected when all fail.
        for (peers, share, most) in
            [(4, 50, 2), (3, 50, 1), (2, 1, 1), (10, 34, 3), (5, 99, 4), (1, 50, 0), (1, 100, 1), (3, 100, 3)]
        {
            let mut ledger = ledger(peers, share);
            let mut out = 0;
            for peer in 0..peers {
                out += usize::from(ledger.eject(peer, now, peers - 1 - out).is_some());
            }
            assert_eq!(out, most, "{peers} peers, {share}%");
        }
    }

    #[test]
    fn a_peer_is_not_ejected_where_the_others_are_out_for_another_reason() {
        assert_eq!(ledger(3, 50).eject(0, Instant::now(), 0), None);
        assert_eq!(ledger(3, 100).eject(0, Instant::now(), 0), Some(10 * S));
    }

    #[test]
    fn each_ejection_in_a_row_is_longer_up_to_ten_times() {
        let (mut ledger, mut now) = (ledger(2, 50), Instant::now());
        let mut times = Vec::new();
        for _ in 0..12 {
            let time = ledger.eject(0, now, 1).unwrap();
            assert_eq!(ledger.eject(0, now, 1), None, "it is out already");
            assert_eq!((ledger.next_end(), ledger.end(now + time - S).len()), (Some(now + time), 0));
            now += time;
            assert_eq!(ledger.end(now), [0]);
            assert_eq!((ledger.next_end(), ledger.end(now).len()), (None, 0));
            times.push(time.as_secs());
            now += S;
        }
        assert_eq!(times, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 100, 100]);
        // Good for 75 s: seven are forgotten.
        now += 74 * S;
        assert_eq!(ledger.eject(0, now, 1), Some(40 * S));
        ledger.end(now + 40 * S);
        assert_eq!(ledger.eject(0, now + 4000 * S, 1), Some(10 * S), "long ago is forgotten");
    }
}
