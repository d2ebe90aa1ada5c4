//! The same calls with one identity that isn't the token's: rejected, each for its own reason.

use std::collections::BTreeMap;

use crate::calls::{
    BASE, CALLS, CUSTOMER, Call, Names, STRANGER, STRANGER_SECRET, TWIN, VICTIM, own, start, token, with_customer,
};
use crate::support::gateway::Gateway;
use crate::support::upstream::Upstream;
use crate::support::{APP, SECRET, USER, tokens};

/// A gateway, and how often each route must have rejected for each reason.
struct Rejections {
    upstream: Upstream,
    gateway: Gateway,
    expected: BTreeMap<(&'static str, &'static str), u64>,
}

impl Rejections {
    async fn start() -> Self {
        let (upstream, gateway) = start().await;
        Self { upstream, gateway, expected: BTreeMap::new() }
    }

    /// The call must be answered 38, must not arrive, and is to be counted for this reason.
    async fn rejected(&mut self, call: &Call, names: &Names, token: &str, reason: &'static str) {
        let target = call.target(BASE, names);
        let answer = self.gateway.ask(&call.request(&target, names).token(token)).await;
        let what = format!("{} {target} {}: {reason}", call.method, names.fill(call.body));
        assert_eq!(answer.verdict(), (401, "38".into()), "{what}");
        assert_eq!(self.upstream.count(), 0, "{what}");
        *self.expected.entry((call.route, reason)).or_default() += 1;
    }

    /// All of them, and nothing else, were counted.
    async fn counted(self) {
        let metrics = self.gateway.counted("rtms_rejections_total", &[], self.expected.values().sum()).await;
        for ((route, reason), count) in self.expected {
            let labels = [("route", route), ("code", "38"), ("reason", reason)];
            assert_eq!(metrics.count("rtms_rejections_total", &labels), count, "{route} {reason}");
        }
    }
}

/// Every call that is judged.
fn judged() -> impl Iterator<Item = &'static Call> {
    CALLS.iter().filter(|call| call.token)
}

#[tokio::test]
async fn one_foreign_identity_is_enough_to_reject_a_call() {
    let mut rejections = Rejections::start().await;
    let token = with_customer();
    for call in judged() {
        for (field, value, reason) in [
            ("path_app", TWIN, "app_mismatch"),
            ("path_app", STRANGER, "signature_invalid"),
            ("path_app", "TR00000000", "app_unknown"),
            ("client_app", TWIN, "app_mismatch"),
            ("body_app", TWIN, "app_mismatch"),
            ("client_user", VICTIM, "user_mismatch"),
            ("body_user", VICTIM, "user_mismatch"),
            ("path_user", VICTIM, "user_mismatch"),
            ("body_customer", "c-78", "customer_mismatch"),
        ] {
            if call.names(field) {
                rejections.rejected(call, &own().with(field, value), &token, reason).await;
            }
        }
    }
    rejections.counted().await;
}

#[tokio::test]
async fn an_identity_that_only_starts_or_ends_like_the_tokens_is_foreign() {
    let mut rejections = Rejections::start().await;
    let token = token(USER);
    for call in judged() {
        for field in ["client_user", "body_user", "path_user"].into_iter().filter(|field| call.names(field)) {
            for value in [format!("{USER}/x"), format!("x/{USER}"), format!("{USER}x"), USER.to_uppercase()] {
                rejections.rejected(call, &own().with(field, &value), &token, "user_mismatch").await;
            }
        }
    }
    rejections.counted().await;
}

#[tokio::test]
async fn a_token_of_another_app_is_no_token_of_this_one() {
    let mut rejections = Rejections::start().await;
    for call in judged() {
        rejections.rejected(call, &own(), &tokens::of(TWIN, USER, SECRET), "app_mismatch").await;
        rejections.rejected(call, &own(), &tokens::of(STRANGER, USER, STRANGER_SECRET), "signature_invalid").await;
        rejections.rejected(call, &own(), &tokens::of(APP, USER, STRANGER_SECRET), "signature_invalid").await;
    }
    rejections.counted().await;
}

#[tokio::test]
async fn a_token_of_another_user_is_good_for_calls_of_the_app_alone() {
    let mut rejections = Rejections::start().await;
    let another = token(VICTIM);
    // A customer's token vouches for no user, not even for one that the request names beside the customer.
    let customer = tokens::claims(format!(r#"{{"appId":"{APP}","customerId":"{CUSTOMER}"}}"#)).mint();
    for call in judged().filter(|call| call.names_a_user()) {
        rejections.rejected(call, &own(), &another, "user_mismatch").await;
        if !call.names("body_customer") {
            rejections.rejected(call, &own(), &customer, "user_mismatch").await;
        }
    }
    for call in judged().filter(|call| !call.names_a_user()) {
        let target = call.target(BASE, &own());
        let answer = rejections.gateway.ask(&call.request(&target, &own()).token(&another)).await;
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(rejections.upstream.only().target(), target);
    }
    rejections.counted().await;
}

#[tokio::test]
async fn without_a_token_every_judged_call_is_39() {
    let (upstream, gateway) = start().await;
    for call in judged() {
        let target = call.target(BASE, &own());
        let answer = gateway.ask(&call.request(&target, &own())).await;
        assert_eq!(answer.verdict(), (401, "39".into()), "{target}");
    }
    assert_eq!(upstream.count(), 0);
}
