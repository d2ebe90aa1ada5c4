//! What the names of a template stand for in a path.

use super::template::MAX_NAMES;

/// Where in the path each name of a template stands: byte ranges, in the order of the names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Captures {
    ranges: [(u32, u32); MAX_NAMES],
    len: u8,
}

impl Captures {
    /// The part of `path` that the `n`th name captured.
    #[must_use]
    pub fn get<'p>(&self, path: &'p str, n: usize) -> Option<&'p str> {
        let (start, end) = *self.ranges.get(n).filter(|_| n < usize::from(self.len))?;
        path.get(start as usize..end as usize)
    }

    /// What the next name captured.
    pub(super) fn push(&mut self, start: usize, end: usize) {
        if let Some(slot) = self.ranges.get_mut(usize::from(self.len)) {
            // A head is bounded far below 4 GiB.
            *slot = (start as u32, end as u32);
            self.len += 1;
        }
    }

    /// The part of `path` that was captured up to there.
    pub(super) fn ending_at<'p>(&self, path: &'p str, end: usize) -> Option<&'p str> {
        let (start, _) = self.ranges.iter().find(|range| range.1 as usize == end)?;
        path.get(*start as usize..end)
    }
}
