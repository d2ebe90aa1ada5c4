//! How many connections clients may have: in total, and from one address.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::trusted::Trusted;
use crate::config::settings::Limits;
use crate::limit::{Held, Hold, network};
use crate::telemetry::Refusal;

/// No bound.
const ANY: usize = usize::MAX;

/// The bounds on connections, and who is there. Shared by all listeners; a reload changes the bounds, and the counts go
/// on.
pub struct ConnectionLimits {
    most: AtomicUsize,
    most_per_address: AtomicUsize,
    open: Arc<AtomicUsize>,
    addresses: Held<u128>,
    /// Proxies, which speak for many.
    exempt: Trusted,
}

impl ConnectionLimits {
    /// Nobody is there yet. `exempt` are the addresses that have no bound of their own.
    #[must_use]
    pub fn new(limits: &Limits, exempt: Trusted) -> Self {
        let fresh = Self {
            most: AtomicUsize::new(ANY),
            most_per_address: AtomicUsize::new(ANY),
            open: Arc::default(),
            addresses: Held::default(),
            exempt,
        };
        fresh.set(limits);
        fresh
    }

    /// Other bounds, for connections that come from now on. Addresses are counted while they have a bound.
    pub fn set(&self, limits: &Limits) {
        self.most.store(limits.connections.unwrap_or(ANY), Ordering::Relaxed);
        self.most_per_address.store(limits.connections_per_address.unwrap_or(ANY), Ordering::Relaxed);
    }

    /// One more connection, whoever's it is. It is counted until what is returned is dropped.
    ///
    /// # Errors
    /// It is one too many in total.
    pub fn enter(&self) -> Result<Admitted, Refusal> {
        let most = self.most.load(Ordering::Relaxed);
        let room = |open: usize| (open < most).then_some(open + 1);
        let entered = self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        entered.map(|_| Admitted { open: Arc::clone(&self.open), address: None }).map_err(|_| Refusal::Connections)
    }

    /// Whose it is.
    ///
    /// # Errors
    /// It is one too many of this address.
    pub fn claim(&self, admitted: &mut Admitted, client: IpAddr) -> Result<(), Refusal> {
        let most = self.most_per_address.load(Ordering::Relaxed);
        if most == ANY || self.exempt.contains(client) {
            return Ok(());
        }
        admitted.address = self.addresses.take(&network(client), most, u128::clone);
        admitted.address.as_ref().map(|_| ()).ok_or(Refusal::ConnectionsPerAddress)
    }

    /// How many connections there are, those in their TLS handshake included.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether over 90 % of the places are taken: then connections should end with their next answer, so that places
    /// turn over.
    #[must_use]
    pub fn are_scarce(&self) -> bool {
        let most = self.most.load(Ordering::Relaxed);
        most != ANY && self.open().saturating_mul(10) > most.saturating_mul(9)
    }
}

/// A connection that is counted until this is dropped.
#[derive(Debug)]
pub struct Admitted {
    open: Arc<AtomicUsize>,
    address: Option<Hold<u128>>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl ConnectionLimits {
        fn admit(&self, client: Option<IpAddr>) -> Result<Admitted, Refusal> {
            let mut admitted = self.enter()?;
            client.map_or(Ok(()), |client| self.claim(&mut admitted, client)).map(|()| admitted)
        }
    }

    fn limits(connections: Option<usize>, connections_per_address: Option<usize>) -> Limits {
        let second = std::time::Duration::from_secs(1);
        Limits {
            max_header_bytes: 1,
            max_token_bytes: 1,
            head_read_timeout: second,
            body_read_timeout: second,
            client_idle: second,
            write_timeout: second,
            requests_per_app: None,
            rejections_per_address: None,
            tarpit: std::time::Duration::ZERO,
            concurrent_requests: None,
            concurrent_requests_per_app: None,
            connections,
            connections_per_address,
        }
    }

    #[test]
    fn one_too_many_is_refused_and_takes_no_place() {
        let places = ConnectionLimits::new(&limits(Some(2), None), Trusted::default());
        let (first, _second) = (places.admit("1.1.1.1".parse().ok()).unwrap(), places.admit(None).unwrap());
        for _ in 0..3 {
            assert_eq!(places.admit("2.2.2.2".parse().ok()).unwrap_err(), Refusal::Connections);
        }
        drop(first);
        assert!(places.admit("2.2.2.2".parse().ok()).is_ok());
    }

    #[test]
    fn an_address_has_a_bound_of_its_own_and_a_refused_one_takes_no_place_in_total() {
        let places =
            ConnectionLimits::new(&limits(Some(3), Some(1)), Trusted::new(vec!["10.0.0.0/8".parse().unwrap()]));
        let _held = places.admit("2001:db8::1".parse().ok()).unwrap();
        for same in ["2001:db8::1", "2001:db8::ffff:2"] {
            assert_eq!(places.admit(same.parse().ok()).unwrap_err(), Refusal::ConnectionsPerAddress);
        }
        let _proxies =
            (places.admit("10.1.1.1".parse().ok()).unwrap(), places.admit("::ffff:10.1.1.1".parse().ok()).unwrap());
        assert_eq!(places.admit("3.3.3.3".parse().ok()).unwrap_err(), Refusal::Connections);
    }

    #[test]
    fn new_bounds_count_who_is_there_already() {
        let places = ConnectionLimits::new(&limits(None, Some(5)), Trusted::default());
        let held: Vec<_> = (0..4).map(|_| places.admit("1.1.1.1".parse().ok()).unwrap()).collect();
        places.set(&limits(Some(4), Some(5)));
        assert_eq!(places.admit("1.1.1.1".parse().ok()).unwrap_err(), Refusal::Connections);
        places.set(&limits(Some(9), Some(3)));
        assert_eq!(places.admit("1.1.1.1".parse().ok()).unwrap_err(), Refusal::ConnectionsPerAddress);
        assert!(places.admit("1.1.1.2".parse().ok()).is_ok());
        drop(held);
        assert!(places.admit("1.1.1.1".parse().ok()).is_ok());
        assert!(places.addresses.is_empty() && places.open.load(Ordering::Relaxed) == 0);
    }

    #[test]
    fn places_are_scarce_above_nine_in_ten() {
        let places = ConnectionLimits::new(&limits(Some(20), None), Trusted::default());
        let mut held: Vec<_> = (0..18).map(|_| places.admit(None).unwrap()).collect();
        assert!(!places.are_scarce());
        held.push(places.admit(None).unwrap());
        assert!(places.are_scarce());
        places.set(&limits(None, None));
        assert!(!places.are_scarce());
    }
}
