//! Every call of the SDKs passes, with the preflight before it, and arrives as it was sent.

use crate::calls::{BASES, CALLS, Call, Names, PAGE, SLASHED, start, token};
use crate::support::client::Client;
use crate::support::upstream::Upstream;
use crate::support::{APP, USER};

/// Sends a call as the SDK of `user` does, behind its preflight; both must have arrived as they were sent.
async fn passes(client: &mut Client, upstream: &Upstream, base: &str, call: &Call, user: &str) {
    let names = Names::of(APP, user);
    let target = call.target(base, &names);
    let arrives = target.replace("//", "/");
    let what = format!("{} {target}", call.method);

    let answer = client.ask(&call.preflight(&target)).await;
    assert_eq!(answer.status, 200, "the preflight of {what}");
    let seen = upstream.only();
    assert_eq!((seen.method(), seen.target()), ("OPTIONS", arrives.as_str()));
    assert_eq!(seen.head.get("Authorization"), None);
    assert_eq!(seen.head.get("Access-Control-Request-Method"), Some(call.method));

    let request = call.request(&target, &names);
    let authorization = format!("Bearer {}", token(user));
    let request = if call.token { request.header(format!("Authorization: {authorization}")) } else { request };
    let answer = client.ask(&request).await;
    assert_eq!(answer.verdict(), (200, "0".into()), "{what}");
    let seen = upstream.only();
    assert_eq!((seen.method(), seen.target()), (call.method, arrives.as_str()));
    assert!(seen.complete && seen.body.content == names.fill(call.body).as_bytes(), "{what}: {seen:?}");
    assert_eq!(seen.head.get("Authorization"), call.token.then_some(authorization.as_str()), "{what}");
    assert_eq!(seen.head.get("Origin"), Some(PAGE), "{what}");
    assert_eq!(seen.head.get("X-Rtms-App-Id"), call.token.then_some(APP), "{what}");
    assert_eq!(seen.head.get("X-Rtms-User-Id"), call.token.then_some(user), "{what}");
}

#[tokio::test]
async fn every_call_passes_under_every_base_and_arrives_as_it_was_sent() {
    let (upstream, gateway) = start().await;
    let mut client = gateway.connect().await;
    for base in BASES {
        for call in CALLS {
            passes(&mut client, &upstream, base, call, USER).await;
        }
    }
    // Each under its own name in the metrics: the preflight, and the call.
    for route in CALLS.iter().map(|call| call.route) {
        let calls = CALLS.iter().filter(|call| call.route == route).count() * BASES.len() * 2;
        gateway.counted("rtms_requests_total", &[("route", route)], calls as u64).await;
    }
}

#[tokio::test]
async fn a_user_with_a_slash_passes_in_every_call_that_names_it_as_it_stands() {
    let (upstream, gateway) = start().await;
    let mut client = gateway.connect().await;
    for call in CALLS.iter().filter(|call| call.names_a_user()) {
        passes(&mut client, &upstream, "/rtmsAPI/api/v1", call, SLASHED).await;
    }
}
