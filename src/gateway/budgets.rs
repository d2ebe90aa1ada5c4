//! Limits of requests: the rate of verified ones for each app and of rejected ones for each address, and how many
//! verified ones of an app are under way at a time.
//!
//! An app's budget is charged last, once the token is verified and the identities are bound, so that nobody without
//! a token can spend it. A rejection is charged to the address it came from; over that budget it is a 429, while
//! good requests of the same address pass: many people may share one.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use pingora_proxy::Session;
use tokio::time::sleep;

use super::context::Context;
use super::forward::FORWARDED_FOR;
use super::state::State;
use crate::config::settings::Limits;
use crate::limit::{Held, Keyed, network};
use crate::reason::{Kind, Reason};
use crate::telemetry::Limit;

/// Apps told apart: every app that can have a budget at all, as each has a secret in memory.
const APPS: usize = 1 << 22;
/// Addresses told apart, about 50 MiB of them; those above share budgets.
const ADDRESSES: usize = 1 << 19;
/// When to come back to a place that others hold: nobody knows, so soon.
pub(super) const PLACE_AFTER: Duration = Duration::from_secs(1);

/// What may still be spent.
pub(super) struct Budgets {
    apps: Option<Arc<Keyed<String>>>,
    addresses: Option<Arc<Keyed<u128>>>,
    /// The requests of each app that are under way, as far as they were counted when they came.
    under_way: Arc<Held<Arc<str>>>,
}

impl Budgets {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            apps: limits.requests_per_app.map(|rate| Arc::new(Keyed::new(rate, APPS))),
            addresses: limits.rejections_per_address.map(|rate| Arc::new(Keyed::new(rate, ADDRESSES))),
            under_way: Arc::default(),
        }
    }

    /// Those of other limits: what was spent stays spent where the rate is the same, and who is under way stays there.
    pub(super) fn under(&self, before: &Limits, limits: &Limits) -> Self {
        let mut next = Self::new(limits);
        if before.requests_per_app == limits.requests_per_app {
            next.apps.clone_from(&self.apps);
        }
        if before.rejections_per_address == limits.rejections_per_address {
            next.addresses.clone_from(&self.addresses);
        }
        next.under_way.clone_from(&self.under_way);
        next
    }
}

impl State {
    /// Charges a request that may go on to its app, if its token was verified: a place among those under way, then
    /// its budget. What is refused by one of them costs nothing of the other.
    ///
    /// # Errors
    /// All places are taken, or the budget is spent.
    pub(super) fn charge_app(&self, ctx: &mut Context) -> Result<(), Reason> {
        let (Some(app), Some(_)) = (&ctx.app, &ctx.identity) else { return Ok(()) };
        if let Some(most) = self.limits.concurrent_requests_per_app {
            ctx.place = self.budgets.under_way.take(&**app, most, |app| app.into());
            if ctx.place.is_none() {
                return Err(limited(ctx, Limit::ConcurrentRequestsPerApp, PLACE_AFTER));
            }
        }
        let Some(budgets) = &self.budgets.apps else { return Ok(()) };
        budgets.take(&**app).map_err(|wait| {
            // At once: the answer may wait for the body's end.
            ctx.place = None;
            limited(ctx, Limit::RequestsPerApp, wait)
        })
    }

    /// Lets a client that is over a limit of its own wait for its answer, so that one which asks without a pause gets to ask
    /// a few times a second.
    pub(super) async fn hold_back(&self) {
        if !self.limits.tarpit.is_zero() {
            sleep(self.limits.tarpit).await;
        }
    }

    /// Charges a rejection to the client's address; the reason that counts.
    pub(super) fn charge_address(&self, session: &Session, ctx: &mut Context, reason: Reason) -> Reason {
        let Some(budgets) = &self.budgets.addresses else { return reason };
        if reason.kind() != Kind::Rejection || reason == Reason::RateLimited {
            return reason;
        }
        let Some(address) = self.client(session) else { return reason };
        match budgets.take(&network(address)) {
            Ok(()) => reason,
            Err(wait) => limited(ctx, Limit::RejectionsPerAddress, wait),
        }
    }

    /// The client's address: the connection's other end, or whom trusted proxies there say they speak for.
    fn client(&self, session: &Session) -> Option<IpAddr> {
        let peer = session.client_addr()?.as_inet()?.ip().to_canonical();
        Some(behind(peer, &session.req_header().headers, |ip| self.trusts(ip)))
    }
}

/// The reason, once the context knows which limit the request is over.
pub(super) const fn limited(ctx: &mut Context, limit: Limit, wait: Duration) -> Reason {
    ctx.limit = Some(limit);
    ctx.retry_after = Some(wait);
    Reason::RateLimited
}

/// The last address on the way here that no trusted proxy owns. An entry that can't be read ends the search: who
/// wrote it isn't trusted to have said more.
fn behind(peer: IpAddr, headers: &HeaderMap, trusts: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer;
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    for entry in lines.flat_map(|line| line.as_bytes().rsplit(|b| *b == b',')) {
        if !trusts(client) {
            break;
        }
        let Some(address) = std::str::from_utf8(entry).ok().and_then(|text| text.trim().parse::<IpAddr>().ok()) else {
            break;
        };
        client = address.to_canonical();
    }
    client
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(peer: &str, chain: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in chain {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        let trusted: ipnet::IpNet = "10.0.0.0/8".parse().unwrap();
        behind(peer.parse().unwrap(), &headers, |ip| trusted.contains(&ip)).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed_about_the_client() {
        assert_eq!(client("9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 2.2.2.2"]), "2.2.2.2");
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 2.2.2.2", "10.0.0.2 ,10.0.0.3"]), "2.2.2.2");
        assert_eq!(client("10.0.0.1", &["1.1.1.1, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client("10.0.0.1", &["10.0.0.9"]), "10.0.0.9");
        assert_eq!(client("10.0.0.1", &["::ffff:1.1.1.1"]), "1.1.1.1");
        assert_eq!(client("10.0.0.1", &[""]), "10.0.0.1");
    }
}
