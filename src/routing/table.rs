//! The route table: templates laid out as a tree, searched most specific part first.
//!
//! At each segment a fixed word beats `{name}`, which beats `{name*}`, whatever the method. A path that a
//! spanning part could split in two ways is refused rather than guessed: see [`RouteTable::find`].

use http::Method;

use super::captures::Captures;
use super::methods::MethodSet;
use super::template::{Segment, Template};
use crate::reason::Reason;

/// All routes, by path.
#[derive(Debug)]
pub struct RouteTable {
    nodes: Vec<Node>,
    routes: Vec<(Template, MethodSet)>,
}

#[derive(Debug, Default)]
struct Node {
    /// Lower-case words, sorted.
    fixed: Vec<(Box<str>, usize)>,
    one: Option<usize>,
    many: Option<usize>,
    /// Routes whose template ends here: one of them for each method.
    ends: Vec<usize>,
    /// A route's `{rest*}` ends here, which may also match nothing.
    rest: Vec<usize>,
}

/// A path's route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Index of the route, as given to [`RouteTable::build`].
    pub route: usize,
    /// What its names captured.
    pub captures: Captures,
}

/// Two routes with one template and a method in common: indices as given to [`RouteTable::build`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The earlier route.
    pub first: usize,
    /// The route that says the same again.
    pub second: usize,
}

/// One way in which a path fits a template.
#[derive(Clone, Copy)]
struct Fit {
    node: usize,
    rest: bool,
    captures: Captures,
    /// The node of the inner span on the way, and where the span ended.
    span: Option<(usize, usize)>,
}

impl RouteTable {
    /// Lays out the routes.
    ///
    /// # Errors
    /// Every pair of routes that one request could belong to equally.
    pub fn build(routes: Vec<(Template, MethodSet)>) -> Result<Self, Vec<Conflict>> {
        let mut table = Self { nodes: vec![Node::default()], routes: Vec::new() };
        let mut conflicts = Vec::new();
        for (second, (template, methods)) in routes.iter().enumerate() {
            let ends = table.lay_out(template);
            for first in ends.iter().copied() {
                if routes.get(first).is_some_and(|(_, m)| m.overlaps(methods)) {
                    conflicts.push(Conflict { first, second });
                }
            }
            ends.push(second);
        }
        table.routes = routes;
        if conflicts.is_empty() { Ok(table) } else { Err(conflicts) }
    }

    /// The list of routes that end where this template does.
    fn lay_out(&mut self, template: &Template) -> &mut Vec<usize> {
        let mut at = 0;
        let mut is_rest = false;
        for (n, segment) in template.segments().iter().enumerate() {
            let last = n + 1 == template.segments().len();
            if last && matches!(segment, Segment::Many(name) if &**name == "rest") {
                is_rest = true;
                break;
            }
            at = self.step(at, segment);
        }
        #[expect(clippy::indexing_slicing, reason = "`at` came from `step`, which only hands out nodes that exist")]
        let node = &mut self.nodes[at];
        if is_rest { &mut node.rest } else { &mut node.ends }
    }

    fn step(&mut self, at: usize, segment: &Segment) -> usize {
        let fresh = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return at };
        let next = match segment {
            Segment::Fixed(word) => match node.fixed.binary_search_by(|(w, _)| w.cmp(word)) {
                Ok(found) => node.fixed.get(found).map_or(fresh, |(_, n)| *n),
                Err(place) => {
                    node.fixed.insert(place, (word.clone(), fresh));
                    fresh
                }
            },
            Segment::One(_) => *node.one.get_or_insert(fresh),
            Segment::Many(_) => *node.many.get_or_insert(fresh),
        };
        if next == fresh {
            self.nodes.push(Node::default());
        }
        next
    }

    /// The route of a request.
    ///
    /// `path` has passed the target grammar: it starts with `/` and has no empty segment but one at its end.
    ///
    /// # Errors
    /// [`Reason::RouteUnknown`]; [`Reason::MethodNotAllowed`] where the most specific template has no route for
    /// the method; [`Reason::PathAmbiguous`] where a spanning part could end in two places.
    pub fn find(&self, path: &str, method: &Method) -> Result<Found, Reason> {
        let (node, rest, captures) = self.locate(path)?;
        self.ends(node, rest)
            .iter()
            .copied()
            .find(|r| self.routes.get(*r).is_some_and(|(_, m)| m.admits(method)))
            .map(|route| Found { route, captures })
            .ok_or(Reason::MethodNotAllowed)
    }

    /// The methods of the routes a path belongs to, for `Allow`; empty where it has none.
    #[must_use]
    pub fn allowed(&self, path: &str) -> Vec<&str> {
        let routes = self.routes_of(path).unwrap_or_default().iter().filter_map(|r| self.routes.get(*r));
        let mut names = Vec::new();
        for name in routes.flat_map(|(_, methods)| methods.names()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// All routes of the template a path belongs to, whatever their methods.
    ///
    /// # Errors
    /// As from [`RouteTable::find`], but for the method.
    pub fn routes_of(&self, path: &str) -> Result<&[usize], Reason> {
        self.locate(path).map(|(node, rest, _)| self.ends(node, rest))
    }

    fn ends(&self, node: usize, rest: bool) -> &[usize] {
        self.nodes.get(node).map_or(&[], |n| if rest { &n.rest } else { &n.ends })
    }

    fn locate(&self, path: &str) -> Result<(usize, bool, Captures), Reason> {
        let end = path.strip_suffix('/').unwrap_or(path).len();
        let mut search = Search { table: self, path, end, best: None, ambiguous: false };
        search.walk(Place { at: 1, ..Place::default() });
        let best = search.best.ok_or(Reason::RouteUnknown)?;
        if search.ambiguous || span_holds_its_end(path, &best) {
            return Err(Reason::PathAmbiguous);
        }
        Ok((best.node, best.rest, best.captures))
    }
}

/// Whether the spanning part of a fit contains the very word that ends it: `a/threads` for `{userId*}/threads`.
/// Another reader could stop at the first one.
fn span_holds_its_end(path: &str, fit: &Fit) -> bool {
    let Some((_, until)) = fit.span else { return false };
    let Some(value) = fit.captures.ending_at(path, until) else { return false };
    let word = path.get(until + 1..).and_then(|after| after.split('/').next()).unwrap_or_default();
    value.split('/').any(|s| s.eq_ignore_ascii_case(word))
}

/// A depth-first search in order of specificity: the first fit is the answer.
struct Search<'t> {
    table: &'t RouteTable,
    path: &'t str,
    /// Where the path ends, without its trailing `/`.
    end: usize,
    best: Option<Fit>,
    ambiguous: bool,
}

/// Where a search stands: in the tree, and at the start of a segment of the path.
#[derive(Clone, Copy, Default)]
struct Place {
    node: usize,
    at: usize,
    captures: Captures,
    span: Option<(usize, usize)>,
}

impl Place {
    /// On to `node`, having captured up to `stop`.
    fn capturing(mut self, node: usize, stop: usize) -> Self {
        self.captures.push(self.at, stop);
        Self { node, at: stop + 1, ..self }
    }

    fn fit(self, rest: bool) -> Fit {
        Fit { node: self.node, rest, captures: self.captures, span: self.span }
    }
}

impl Search<'_> {
    /// Walks on from `place`. Stops as soon as the answer is settled.
    fn walk(&mut self, place: Place) {
        let Place { node, at, .. } = place;
        let Some(here) = self.table.nodes.get(node) else { return };
        if at > self.end {
            if !here.ends.is_empty() {
                self.fit(place.fit(false));
            }
            if !here.rest.is_empty() {
                self.fit(Place { at: self.end, ..place }.capturing(node, self.end).fit(true));
            }
            return;
        }
        let stop = self.segment_end(at);
        let segment = self.path.get(at..stop).unwrap_or_default();
        if let Some(next) = here.fixed.iter().find(|(w, _)| w.eq_ignore_ascii_case(segment)).map(|(_, n)| *n) {
            self.walk(Place { node: next, at: stop + 1, ..place });
        }
        if let Some(next) = here.one
            && !self.settled()
        {
            self.walk(place.capturing(next, stop));
        }
        if let Some(next) = here.many {
            self.walk_span(next, place);
        }
        if !here.rest.is_empty() && !self.settled() {
            self.fit(place.capturing(node, self.end).fit(true));
        }
    }

    /// Every length the spanning part from `place` to `next` could have.
    fn walk_span(&mut self, next: usize, place: Place) {
        let mut stop = place.at;
        while stop < self.end && !self.settled() {
            stop = self.segment_end(if stop == place.at { stop } else { stop + 1 });
            // A span that reaches the end of the path ends its template too: no other split is possible.
            let span = if stop == self.end { place.span } else { Some((place.node, stop)) };
            self.walk(Place { span, ..place.capturing(next, stop) });
        }
    }

    fn segment_end(&self, at: usize) -> usize {
        self.path.get(at..self.end).and_then(|rest| rest.find('/')).map_or(self.end, |n| at + n)
    }

    fn fit(&mut self, fit: Fit) {
        match &self.best {
            None => self.best = Some(fit),
            Some(best) => {
                if let (Some((node, until)), Some((other, elsewhere))) = (best.span, fit.span) {
                    self.ambiguous |= node == other && until != elsewhere;
                }
            }
        }
    }

    /// Nothing later in the search can change the answer: the best fit has no inner span to split otherwise.
    fn settled(&self) -> bool {
        self.ambiguous || self.best.is_some_and(|best| best.span.is_none())
    }
}

#[cfg(test)]
mod tests;
