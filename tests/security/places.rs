//! Identities in the path, the query, a header; and what has to be vouched for.

use crate::support::client::{Request, get, post};
use crate::support::tokens::{self, claims};
use crate::support::{APP, USER};
use crate::table::{AMBIGUOUS, Expect, INVALID, Row, row, run};

fn token(user: &str) -> String {
    claims(format!(r#"{{"appId":"{APP}","userId":"{user}"}}"#)).mint()
}

#[tokio::test]
async fn a_user_in_the_query_is_the_tokens_once_and_decoded_once() {
    let of = |query: &str, user: &str, expect| {
        row(
            format!("{query} for {user}"),
            &get(format!("/rtmsAPI/api/v1/{APP}/lookup?{query}")).token(token(user)),
            expect,
        )
    };
    let rows = vec![
        of("userId=u", "u", Expect::Forwarded),
        of("x=1&userId=u&y", "u", Expect::Forwarded),
        of("", "u", Expect::Forwarded),
        of("userId", "u", Expect::Forwarded),
        of("userId=", "u", Expect::Forwarded),
        of("USERID=other", "u", Expect::Forwarded),
        of("userId=%75", "u", Expect::Forwarded),
        of("%75ser%49d=u", "u", Expect::Forwarded),
        of("userId=a+b", "a b", Expect::Forwarded),
        of("userId=a%2Bb", "a+b", Expect::Forwarded),
        of("userId=a=b", "a=b", Expect::Forwarded),
        of("x=%zz&userId=u&y=%FF", "u", Expect::Forwarded),
        of("userId=other", "u", INVALID),
        of("userId=%2575", "u", INVALID),
        of("%75ser%49d=other", "u", INVALID),
        of("userId=u&userId=u", "u", INVALID),
        of("userId=u&%75serId=other", "u", INVALID),
        of("userId=u&userId=", "u", INVALID),
        of("x=1;userId=other", "u", INVALID),
        of("x;%75serId=other", "u", INVALID),
        of("userId[]=other", "u", INVALID),
        of("userId=u&userId%5B0%5D=other", "u", INVALID),
        of("userId%00=other", "u", INVALID),
        of("+userId=other", "u", INVALID),
        of("x=1;y=userId", "u", Expect::Forwarded),
        of("x[]=1&userIds[]=2", "u", Expect::Forwarded),
        of("userId=%zz", "u", AMBIGUOUS),
        of("userId=%FF", "u", AMBIGUOUS),
        of("userId=%", "u", AMBIGUOUS),
    ];
    run(rows).await;
}

#[tokio::test]
async fn a_user_in_the_path_may_span_segments() {
    let of = |user: &str, of: &str, expect| {
        let path = format!("/rtmsAPI/api/v1/apps/{APP}/user/{user}/threads");
        row(format!("{user} for {of}"), &get(path).token(token(of)), expect)
    };
    let rows = vec![
        of("u", "u", Expect::Forwarded),
        of("WwopGf/Q==", "WwopGf/Q==", Expect::Forwarded),
        of("a%20b", "a b", Expect::Forwarded),
        of("%C3%A9", "\u{e9}", Expect::Forwarded),
        of("a+b", "a+b", Expect::Forwarded),
        of("a%2Bb", "a+b", Expect::Forwarded),
        of("other", "u", INVALID),
        of("u/x", "u", INVALID),
        of("U", "u", INVALID),
        of("a+b", "a b", INVALID),
        of("%FF", "u", AMBIGUOUS),
        of("a%2Fb", "a/b", AMBIGUOUS),
        of("u/threads", "u/threads", AMBIGUOUS),
    ];
    run(rows).await;
}

#[tokio::test]
async fn a_user_in_a_header_is_the_tokens_and_once() {
    let with = |lines: &[&str]| {
        let request = get(format!("/rtmsAPI/api/v1/{APP}/byheader")).token(token("u"));
        lines.iter().fold(request, |request, line| request.header(*line))
    };
    let of = |lines: &[&str], expect| row(format!("{lines:?}"), &with(lines), expect);
    let rows = vec![
        of(&["X-User: u"], Expect::Forwarded),
        of(&["x-user: u"], Expect::Forwarded),
        of(&[], Expect::Forwarded),
        of(&["X-User:"], Expect::Forwarded),
        of(&["X-User: other"], INVALID),
        of(&["X-User: U"], INVALID),
        of(&["X-User: u", "X-User: u"], INVALID),
        of(&["X-User: u", "x-user: other"], INVALID),
        of(&["X-User: u, u"], INVALID),
        of(&["X_User: other"], INVALID),
        of(&["x.user: other"], INVALID),
        of(&["X-User: u", "X_USER: u"], INVALID),
        of(&["X-Users: other", "XUser: other"], Expect::Forwarded),
    ];
    run(rows).await;
}

fn set_customer(body: &str) -> Request {
    post(format!("/rtmsAPI/api/v1/{APP}/setCustomerId"), body).header("Content-Type: application/json")
}

#[tokio::test]
async fn one_kind_vouches_for_the_rest_only_where_the_route_says_so() {
    let client = |user: &str| format!(r#""clientId":"{APP}/{user}/device""#);
    let user = tokens::good();
    let customer = claims(format!(r#"{{"appId":"{APP}","customerId":"c1"}}"#)).mint();
    let both = claims(format!(r#"{{"appId":"{APP}","userId":"{USER}","customerId":"c1"}}"#)).mint();
    let of = |name: &str, token: &str, body: String, expect: Expect| -> Row {
        row(name, &set_customer(&format!("{{{body}}}")).token(token), expect)
    };
    let new = r#""customerId":"c2""#;
    let rows = vec![
        of("the user vouches for a new customer", &user, format!("{},{new}", client(USER)), Expect::Forwarded),
        of("another user doesn't", &user, format!("{},{new}", client("other")), INVALID),
        of("nobody vouches for a customer alone", &user, new.into(), INVALID),
        of("a customer's own token does", &customer, r#""customerId":"c1""#.into(), Expect::Forwarded),
        of("but for no other", &customer, new.into(), INVALID),
        of("a token that says otherwise", &both, format!("{},{new}", client(USER)), INVALID),
        of("both as they are", &both, format!(r#"{},"customerId":"c1""#, client(USER)), Expect::Forwarded),
        of("nothing named", &user, String::new(), Expect::Forwarded),
    ];
    run(rows).await;

    // Elsewhere every kind that is named must be vouched for.
    let body = format!(r#"{{"userId":"{USER}"}}"#);
    let request = post(crate::support::setuserid(APP), body).header("Content-Type: application/json");
    run(vec![row("a customer's token for a user", &request.token(customer), INVALID)]).await;
}
