//! The counters of requests, found by index: route, method, status, reason.
//!
//! A series is made when its first request comes and found without a lock from then on, so that thirty routes
//! times ten methods times every status don't fill a scrape with zeros.

use std::sync::OnceLock;
use std::time::Duration;

use http::Method;
use prometheus::{Histogram, IntCounter};

use super::families::RequestFamilies;
use crate::reason::{Kind, Reason};
use crate::routing::methods;

/// The `route` label of a request that no route was found for.
pub const NO_ROUTE: &str = "none";

/// The method labels: the registered ones and `OTHER`.
const METHODS: usize = methods::REGISTERED.len() + 1;

/// The statuses that have a place of their own, in order; others are looked up by label.
const STATUSES: [u16; 32] = [
    101, 200, 201, 202, 204, 206, 207, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409, 410, 413, 415,
    422, 429, 431, 499, 500, 501, 502, 503, 504,
];

/// What can be said about a request before a route is found.
const WITHOUT_ROUTE: [Reason; 6] = [
    Reason::PathAmbiguous,
    Reason::RouteUnknown,
    Reason::MethodNotAllowed,
    Reason::HeadTooLarge,
    Reason::RateLimited,
    Reason::BadRequest,
];

/// The series of every route.
pub struct Requests {
    families: RequestFamilies,
    /// Of requests without a route first, then by the route's index.
    routes: Box<[RouteSeries]>,
}

impl Requests {
    /// Places for the series of these routes. What alerts are built on exists from the start, at zero: a counter
    /// that appears at 1 has no rate.
    pub fn new(families: &RequestFamilies, routes: &[&str]) -> Self {
        let all: Box<[_]> = std::iter::once(NO_ROUTE).chain(routes.iter().copied()).map(RouteSeries::new).collect();
        if let Some(none) = all.first() {
            none.requests(families, &Method::GET, 404, |_| ());
            none.duration(families);
            for reason in WITHOUT_ROUTE {
                none.not_forwarded(families, reason);
            }
        }
        for route in &all {
            for reason in Reason::ALL.iter().filter(|r| r.kind() == Kind::Error) {
                route.not_forwarded(families, *reason);
            }
        }
        Self { families: families.clone(), routes: all }
    }

    /// Counts an answered request.
    pub fn answered(&self, route: Option<usize>, method: &Method, status: u16, elapsed: Duration) {
        let Some(series) = self.route(route) else { return };
        series.requests(&self.families, method, status, IntCounter::inc);
        series.duration(&self.families).observe(elapsed.as_secs_f64());
    }

    /// Counts why a request was not forwarded.
    pub fn not_forwarded(&self, route: Option<usize>, reason: Reason) {
        if let Some(counter) = self.route(route).and_then(|r| r.not_forwarded(&self.families, reason)) {
            counter.inc();
        }
    }

    fn route(&self, route: Option<usize>) -> Option<&RouteSeries> {
        self.routes.get(route.map_or(0, |at| at.saturating_add(1)))
    }
}

/// The series of one route.
struct RouteSeries {
    name: Box<str>,
    /// By method, then by [`STATUSES`].
    requests: Box<[OnceLock<IntCounter>]>,
    duration: OnceLock<Histogram>,
    /// By reason, in the order of [`Reason::ALL`].
    not_forwarded: Box<[OnceLock<IntCounter>]>,
}

impl RouteSeries {
    fn new(name: &str) -> Self {
        let places = |n: usize| std::iter::repeat_with(OnceLock::new).take(n).collect();
        Self {
            name: name.into(),
            requests: places(METHODS * STATUSES.len()),
            duration: OnceLock::new(),
            not_forwarded: places(Reason::ALL.len()),
        }
    }

    fn requests(&self, families: &RequestFamilies, method: &Method, status: u16, then: impl Fn(&IntCounter)) {
        let make = |status: &str| families.answered.with_label_values(&[&*self.name, methods::label(method), status]);
        let place = STATUSES.binary_search(&status).ok().and_then(|column| {
            let row = methods::index(method).unwrap_or(METHODS - 1);
            self.requests.get(row * STATUSES.len() + column)
        });
        match place {
            Some(place) => then(place.get_or_init(|| make(&status.to_string()))),
            // A status that hardly ever occurs: formatted and looked up each time.
            None => then(&make(&status.to_string())),
        }
    }

    fn duration(&self, families: &RequestFamilies) -> &Histogram {
        self.duration.get_or_init(|| families.seconds.with_label_values(&[&self.name]))
    }

    /// The counter of a reason; none where the client left, which is neither a rejection nor an error.
    fn not_forwarded(&self, families: &RequestFamilies, reason: Reason) -> Option<&IntCounter> {
        let place = self.not_forwarded.get(usize::from(reason as u8))?;
        match reason.kind() {
            Kind::Rejection => Some(place.get_or_init(|| {
                families.rejections.with_label_values(&[&*self.name, reason.code().as_str(), reason.as_str()])
            })),
            Kind::Error => {
                Some(place.get_or_init(|| families.errors.with_label_values(&[&*self.name, reason.as_str()])))
            }
            Kind::ClientClosed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_statuses_are_in_order_and_hold_every_answer_of_the_gateways_own() {
        assert!(STATUSES.is_sorted());
        for reason in Reason::ALL {
            assert!(STATUSES.contains(&reason.status()), "{reason}");
        }
    }

    #[test]
    fn reasons_are_numbered_in_the_order_of_their_list() {
        for (at, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(usize::from(*reason as u8), at, "{reason}");
        }
    }
}
