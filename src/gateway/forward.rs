//! What goes upstream, and what comes back: headers.

use std::io::Write as _;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{ErrorType, OrErr as _, Result};
use pingora_proxy::Session;

use super::REQUEST_ID;
use super::context::Context;
use super::state::State;
use crate::percent::encode_header;
use crate::request::head::reads_as;

const APP_ID: &str = "X-Rtms-App-Id";
const USER_ID: &str = "X-Rtms-User-Id";
const CUSTOMER_ID: &str = "X-Rtms-Customer-Id";
pub(super) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// What stands for an address that can't be written, which none is.
const UNKNOWN: HeaderValue = HeaderValue::from_static("unknown");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The names that fields are set by. Pingora keeps a name as it is spelled beside the one that is compared: static text
/// costs nothing there, where it would copy a [`HeaderName`].
mod spelled {
    pub(super) const REQUEST_ID: &str = "X-Request-Id";
    pub(super) const FORWARDED_FOR: &str = "X-Forwarded-For";
    pub(super) const FORWARDED_PROTO: &str = "X-Forwarded-Proto";
    pub(super) const FORWARDED_HOST: &str = "X-Forwarded-Host";
}

impl State {
    /// The head that goes upstream. Called once an attempt, on a copy of the client's head from which hop-by-hop
    /// fields are already gone: what is set here can't be nominated away.
    pub(super) fn prepare_forward(&self, session: &Session, request: &mut RequestHeader, ctx: &Context) -> Result<()> {
        remove_our_headers(request);
        if let (Some(identity), Some(app)) = (&ctx.identity, &ctx.app) {
            request.insert_header(APP_ID, &**app)?;
            if let Some(user) = &identity.user {
                request.insert_header(USER_ID, &*encode_header(user))?;
            }
            if let Some(customer) = &identity.customer {
                request.insert_header(CUSTOMER_ID, &*encode_header(customer))?;
            }
            if ctx.route.and_then(|r| self.routes.get(r)).is_some_and(|route| !route.forward_token) {
                request.remove_header(&header::AUTHORIZATION);
            }
        }
        request.remove_header(&header::EXPECT);
        if session.is_http2() {
            join_cookies(request)?;
        }
        self.name_host(request, ctx)?;
        // Also where it is the client's own, which it may have nominated away.
        request.insert_header(spelled::REQUEST_ID, ctx.request_id(session).clone())?;
        Self::set_trace(request, ctx)?;
        self.set_forwarded(session, request)
    }

    /// HTTP/1.0 needs no Host, but what goes upstream does: the peer's name, where the client gave none.
    fn name_host(&self, request: &mut RequestHeader, ctx: &Context) -> Result<()> {
        if request.headers.get(header::HOST).is_some_and(|host| !host.is_empty()) || request.uri.authority().is_some() {
            return Ok(());
        }
        let peers = self.clusters.get(ctx.upstream).map(|cluster| cluster.peers());
        let peer = ctx.attempt.as_ref().and_then(|attempt| peers?.get(attempt.peer));
        request.insert_header(header::HOST, peer.map_or("", |peer| peer.address.as_str()))
    }

    /// `X-Forwarded-*`, afresh; behind a trusted proxy appended to what it said.
    fn set_forwarded(&self, session: &Session, request: &mut RequestHeader) -> Result<()> {
        request.remove_header(&header::FORWARDED);
        let client = session.client_addr().and_then(|a| a.as_inet()).map(|a| a.ip().to_canonical());
        let trusted = client.is_some_and(|ip| self.trusts(ip));
        match client {
            Some(ip) => request.insert_header(spelled::FORWARDED_FOR, forwarded_for(ip, trusted, &request.headers))?,
            None => drop(request.remove_header(&FORWARDED_FOR)),
        }
        if !(trusted && request.headers.contains_key(FORWARDED_PROTO)) {
            let tls = session.digest().is_some_and(|d| d.ssl_digest.is_some());
            let proto = HeaderValue::from_static(if tls { "https" } else { "http" });
            request.insert_header(spelled::FORWARDED_PROTO, proto)?;
        }
        if !(trusted && request.headers.contains_key(FORWARDED_HOST)) {
            let host = session.req_header().headers.get(header::HOST).cloned();
            let authority =
                || session.req_header().uri.authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok());
            match host.or_else(authority) {
                Some(host) => request.insert_header(spelled::FORWARDED_HOST, host)?,
                None => drop(request.remove_header(&FORWARDED_HOST)),
            }
        }
        Ok(())
    }
}

/// The upstream's answer passes unchanged, but for the request's id.
pub(super) fn prepare_response(session: &Session, response: &mut ResponseHeader, ctx: &Context) -> Result<()> {
    response.insert_header(spelled::REQUEST_ID, ctx.request_id(session).clone())
}

/// Whether an answer is one that goes on until somebody ends it: server-sent events, or gRPC.
pub(super) fn is_stream(response: &ResponseHeader) -> bool {
    const KINDS: [&[u8]; 2] = [b"text/event-stream", b"application/grpc"];
    let Some(kind) = response.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) else { return false };
    KINDS.iter().any(|stream| kind.get(..stream.len()).is_some_and(|start| start.eq_ignore_ascii_case(stream)))
}

fn forwarded_for(client: IpAddr, trusted: bool, headers: &HeaderMap) -> HeaderValue {
    let client = address(client);
    if !trusted {
        return client;
    }
    let said = headers.get_all(FORWARDED_FOR).iter().filter(|v| v.to_str().is_ok());
    let chain: Vec<&[u8]> = said.chain([&client]).map(HeaderValue::as_bytes).collect();
    HeaderValue::from_bytes(&chain.join(&b", "[..])).unwrap_or(client)
}

/// An address as text.
fn address(ip: IpAddr) -> HeaderValue {
    // The longest, an IPv4 one in IPv6's form, has 45 characters: no detour by a string.
    let mut text = [0; 45];
    let unused = match ip {
        // Every request's: the formatting machinery takes longer than all of its digits.
        IpAddr::V4(ip) => {
            let mut places = text.iter_mut();
            let mut put = |byte| {
                if let Some(place) = places.next() {
                    *place = byte;
                }
            };
            for (n, octet) in ip.octets().into_iter().enumerate() {
                if n > 0 {
                    put(b'.');
                }
                if octet >= 100 {
                    put(b'0' + octet / 100);
                }
                if octet >= 10 {
                    put(b'0' + octet / 10 % 10);
                }
                put(b'0' + octet % 10);
            }
            places.len()
        }
        IpAddr::V6(_) => {
            let mut rest = &mut text[..];
            let _ = write!(rest, "{ip}");
            rest.len()
        }
    };
    HeaderValue::from_bytes(text.split_at(text.len() - unused).0).unwrap_or(UNKNOWN)
}

/// One Cookie field, as HTTP/1 knows it: over HTTP/2 browsers send a field for each cookie (RFC 9113 section 8.2.3).
fn join_cookies(request: &mut RequestHeader) -> Result<()> {
    let cookies: Vec<&[u8]> = request.headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() < 2 {
        return Ok(());
    }
    let joined = HeaderValue::from_bytes(&cookies.join(&b"; "[..])).or_err(ErrorType::InternalError, "cookies")?;
    request.insert_header(header::COOKIE, joined)
}

/// Removes what a client sent under the names of verified identities, and under other spellings of names that the
/// gateway sets itself, which some upstream takes for them.
fn remove_our_headers(request: &mut RequestHeader) {
    if !request.headers.keys().any(is_ours) {
        return;
    }
    let names: Vec<HeaderName> = request.headers.keys().filter(|n| is_ours(n)).cloned().collect();
    for name in names {
        request.remove_header(&name);
    }
}

/// `X-Rtms-*`, with `_` and `.` read as `-`; and so spelled, what is set afresh.
fn is_ours(name: &HeaderName) -> bool {
    const PREFIX: &str = "x-rtms-";
    let text = name.as_str();
    let set_afresh = || {
        [FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST, REQUEST_ID]
            .iter()
            .any(|ours| ours != name && reads_as(text, ours.as_str()))
    };
    text.get(..PREFIX.len()).is_some_and(|start| reads_as(start, PREFIX))
        || (text.starts_with('x') && text.contains(['_', '.']) && set_afresh())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_headers_are_seen_in_every_spelling() {
        for name in ["X-Rtms-App-Id", "X_Rtms_App_Id", "x.rtms.app.id", "X-RTMS_user-id", "x-rtms-", "X-Rtms-Anything"]
        {
            assert!(is_ours(&HeaderName::from_bytes(name.as_bytes()).unwrap()), "{name}");
        }
        for name in ["X-Rtm-App", "X-Rtmsapp", "X-Request-Id", "x-rtms"] {
            assert!(!is_ours(&HeaderName::from_bytes(name.as_bytes()).unwrap()), "{name}");
        }
    }

    #[test]
    fn what_is_set_afresh_leaves_no_other_spelling_of_itself() {
        for name in ["X_Forwarded_For", "x.forwarded.for", "X-Forwarded_Host", "x_forwarded_proto", "X_Request_Id"] {
            assert!(is_ours(&HeaderName::from_bytes(name.as_bytes()).unwrap()), "{name}");
        }
        // In their own spelling they are replaced where they aren't believed; the rest is the client's.
        for name in ["X-Forwarded-For", "X_Forwarded_Port", "X_Request", "my_header", "x.y"] {
            assert!(!is_ours(&HeaderName::from_bytes(name.as_bytes()).unwrap()), "{name}");
        }
    }

    #[test]
    fn events_and_grpc_are_streams() {
        let answer = |kind: &str| {
            let mut answer = ResponseHeader::build(200, None).unwrap();
            answer.insert_header(header::CONTENT_TYPE, kind).unwrap();
            answer
        };
        for kind in
            ["text/event-stream", "Text/Event-Stream; charset=utf-8", "application/grpc", "application/grpc+proto"]
        {
            assert!(is_stream(&answer(kind)), "{kind}");
        }
        for kind in ["application/json", "text/event", "", "application/gr"] {
            assert!(!is_stream(&answer(kind)), "{kind}");
        }
        assert!(!is_stream(&ResponseHeader::build(200, None).unwrap()));
    }

    #[test]
    fn addresses_are_written_as_everybody_writes_them() {
        for ip in ["0.0.0.0", "9.10.99.100", "255.255.255.255", "127.0.0.1", "::1", "2001:db8::9", "::ffff:1.2.3.4"] {
            assert_eq!(address(ip.parse().unwrap()), ip);
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
