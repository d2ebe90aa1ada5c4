//! Paths that are refused because a lenient server could serve them as a call that is bound otherwise.

use super::state::{RouteState, State};
use crate::reason::Reason;
use crate::routing::lenient;

impl State {
    /// Refuses a path whose lenient reading belongs to a route that is bound otherwise: `/register.json` would pass as
    /// any other call of the app, and be served as `/register`.
    ///
    /// # Errors
    /// [`Reason::PathAmbiguous`].
    pub(super) fn refuse_lenient_reading(&self, path: &str, route: &RouteState) -> Result<(), Reason> {
        let Some(plain) = lenient::reading(path) else { return Ok(()) };
        let others = match self.table.routes_of(&plain) {
            Err(Reason::RouteUnknown) => return Ok(()),
            others => others?,
        };
        let mut others = others.iter().filter_map(|other| self.routes.get(*other));
        if others.any(|other| bound_otherwise(other, route)) { Err(Reason::PathAmbiguous) } else { Ok(()) }
    }
}

/// Whether `other` compares identities that `route` doesn't, or asks for a token where `route` asks for none.
fn bound_otherwise(other: &RouteState, route: &RouteState) -> bool {
    match (&other.rule, &route.rule) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(other), Some(route)) => !other.places.is_empty() && other.places != route.places,
    }
}
