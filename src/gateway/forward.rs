//! What goes upstream, and what comes back: headers.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;

use super::REQUEST_ID;
use super::context::Context;
use super::state::State;
use crate::percent::encode_header;

const APP_ID: HeaderName = HeaderName::from_static("x-rtms-app-id");
const USER_ID: HeaderName = HeaderName::from_static("x-rtms-user-id");
const CUSTOMER_ID: HeaderName = HeaderName::from_static("x-rtms-customer-id");
pub(super) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

impl State {
    /// The head that goes upstream. Called once an attempt, on a copy of the client's head from which hop-by-hop
    /// fields are already gone: what is set here can't be nominated away.
    pub(super) fn prepare_forward(&self, session: &Session, request: &mut RequestHeader, ctx: &Context) -> Result<()> {
        remove_identity_headers(request);
        if let (Some(identity), Some(app)) = (&ctx.identity, &ctx.app) {
            request.insert_header(APP_ID, &**app)?;
            if let Some(user) = &identity.user {
                request.insert_header(USER_ID, encode_header(user))?;
            }
            if let Some(customer) = &identity.customer {
                request.insert_header(CUSTOMER_ID, encode_header(customer))?;
            }
            if ctx.route.and_then(|r| self.routes.get(r)).is_some_and(|route| !route.forward_token) {
                request.remove_header(&header::AUTHORIZATION);
            }
        }
        request.remove_header(&header::EXPECT);
        // Also where it is the client's own, which it may have nominated away.
        request.insert_header(REQUEST_ID, ctx.request_id(session).clone())?;
        self.set_forwarded(session, request)
    }

    /// `X-Forwarded-*`, afresh; behind a trusted proxy appended to what it said.
    fn set_forwarded(&self, session: &Session, request: &mut RequestHeader) -> Result<()> {
        request.remove_header(&header::FORWARDED);
        let client = session.client_addr().and_then(|a| a.as_inet()).map(|a| a.ip().to_canonical());
        let trusted = client.is_some_and(|ip| self.trusts(ip));
        match client {
            Some(ip) => request.insert_header(FORWARDED_FOR, forwarded_for(ip, trusted, &request.headers))?,
            None => drop(request.remove_header(&FORWARDED_FOR)),
        }
        if !(trusted && request.headers.contains_key(FORWARDED_PROTO)) {
            let tls = session.digest().is_some_and(|d| d.ssl_digest.is_some());
            request.insert_header(FORWARDED_PROTO, if tls { "https" } else { "http" })?;
        }
        if !(trusted && request.headers.contains_key(FORWARDED_HOST)) {
            let host = session.req_header().headers.get(header::HOST).cloned();
            let authority =
                || session.req_header().uri.authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok());
            match host.or_else(authority) {
                Some(host) => request.insert_header(FORWARDED_HOST, host)?,
                None => drop(request.remove_header(&FORWARDED_HOST)),
            }
        }
        Ok(())
    }
}

/// The upstream's answer passes unchanged, but for the request's id.
pub(super) fn prepare_response(session: &Session, response: &mut ResponseHeader, ctx: &Context) -> Result<()> {
    response.insert_header(REQUEST_ID, ctx.request_id(session).clone())
}

fn forwarded_for(client: IpAddr, trusted: bool, headers: &HeaderMap) -> String {
    let mut chain = String::new();
    if trusted {
        for value in headers.get_all(FORWARDED_FOR).iter().filter_map(|v| v.to_str().ok()) {
            chain.push_str(value);
            chain.push_str(", ");
        }
    }
    chain + &client.to_string()
}

/// Removes what a client sent under the names of verified identities, in every spelling that some upstream folds
/// to them.
fn remove_identity_headers(request: &mut RequestHeader) {
    if !request.headers.keys().any(is_identity_header) {
        return;
    }
    let names: Vec<HeaderName> = request.headers.keys().filter(|n| is_identity_header(n)).cloned().collect();
    for name in names {
        request.remove_header(&name);
    }
}

/// `X-Rtms-*`, with `_` and `.` read as `-`. Names are in lower case already.
fn is_identity_header(name: &HeaderName) -> bool {
    const PREFIX: &[u8] = b"x-rtms-";
    let name = name.as_str().as_bytes();
    name.len() >= PREFIX.len()
        && name.iter().zip(PREFIX).all(|(b, p)| b == p || (*p == b'-' && matches!(b, b'_' | b'.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_headers_are_seen_in_every_spelling() {
        for name in ["X-Rtms-App-Id", "X_Rtms_App_Id", "x.rtms.app.id", "X-RTMS_user-id", "x-rtms-", "X-Rtms-Anything"]
        {
            assert!(is_identity_header(&HeaderName::from_bytes(name.as_bytes()).unwrap()), "{name}");
        }
        for name in ["X-Rtm-App", "X-Rtmsapp", "X-Request-Id", "x-rtms"] {
            assert!(!is_identity_header(&HeaderName::from_bytes(name.as_bytes()).unwrap()), "{name}");
        }
    }

    #[test]
    fn a_trusted_proxys_chain_is_kept_and_a_strangers_is_not() {
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED_FOR, HeaderValue::from_static("1.1.1.1"));
        headers.append(FORWARDED_FOR, HeaderValue::from_static("2.2.2.2, 3.3.3.3"));
        let client = "9.9.9.9".parse().unwrap();
        assert_eq!(forwarded_for(client, false, &headers), "9.9.9.9");
        assert_eq!(forwarded_for(client, true, &headers), "1.1.1.1, 2.2.2.2, 3.3.3.3, 9.9.9.9");
    }
}
