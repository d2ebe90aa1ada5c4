//! Finding a name that comes twice.

use std::borrow::Cow;
use std::collections::HashSet;

/// The names seen so far at one level, to find one that comes twice. A few are compared in place; a hostile
/// number of them costs a hash set, not a square.
#[derive(Default)]
pub struct Names<'a> {
    few: [Option<Cow<'a, str>>; FEW],
    used: usize,
    many: Option<HashSet<Cow<'a, str>>>,
}

/// How many names are compared in place.
const FEW: usize = 12;

impl<'a> Names<'a> {
    /// Notes `name`; false if it was there already.
    pub fn insert(&mut self, name: Cow<'a, str>) -> bool {
        if let Some(many) = &mut self.many {
            return many.insert(name);
        }
        if self.few.iter().flatten().any(|n| *n == name) {
            return false;
        }
        if let Some(slot) = self.few.get_mut(self.used) {
            *slot = Some(name);
            self.used += 1;
            return true;
        }
        let mut many: HashSet<Cow<'a, str>> = self.few.iter_mut().filter_map(Option::take).collect();
        let fresh = many.insert(name);
        self.many = Some(many);
        fresh
    }
}
