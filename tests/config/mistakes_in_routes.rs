//! Mistakes in `routes`, with their exact paths and remedies.

use crate::files::{config, mistakes, run};

#[test]
fn routes_must_lead_somewhere_and_find_the_app() {
    run(&[
        ("routes", "[]", &["routes: lists no route; list one, or take the key out for the shipped table"]),
        (
            "routes",
            "[ { path: /a/b }, { path: /a, auth: none }, { path: \"/{appId*}/x\" } ]",
            &[
                "routes[0].path: has no segment `{appId}` to find the app by; put one in, or write `auth: none`",
                "routes[2].path: has no segment `{appId}` to find the app by; put one in, or write `auth: none`",
            ],
        ),
        (
            "routes",
            "[ { path: \"a/{appId}\" }, { path: \"/a/{appId}//b\" }, { path: \"/{appId}/{a*}/{b}\" } ]",
            &[
                "routes[0].path: `a/{appId}` is no path template: must start with `/`",
                "routes[1].path: `/a/{appId}//b` is no path template: `` cannot occur in a request path; use plain words and \
                 `{name}`",
                "routes[2].path: `/{appId}/{a*}/{b}` is no path template: only one `{name*}` may stand before the end, and a \
                 fixed word must follow it",
            ],
        ),
        (
            "routes",
            "[ { path: \"/{appId}/a\", methods: [GET] }, { path: \"/{x}/A\", auth: none, methods: [GET, POST] }, \
             { path: \"/{appId}/a/\", methods: [PUT] } ]",
            &["routes[1].path: has the same template and a method in common with routes[0]; keep one of them"],
        ),
        (
            "routes",
            "[ { path: \"/{appId}\", methods: [] }, { path: \"/{appId}/a\", methods: [post, TRACE, GET, GET] } ]",
            &[
                "routes[0].methods: lists no method; list one, or take the key out for all methods",
                "routes[1].methods[0]: `post` is no method to route by; write it as in `GET` or `POST`, in upper case",
                "routes[1].methods[1]: `TRACE` is no method to route by; write it as in `GET` or `POST`, in upper case",
                "routes[1].methods[3]: is listed twice; keep one of them",
            ],
        ),
        (
            "routes",
            "[ { path: \"/{appId}\", upstream: rmts }, { path: \"/{appId}/a\", upstream: other } ]",
            &[
                "routes[0].upstream: `rmts` is not among the upstreams; did you mean `rtms`?",
                "routes[1].upstream: `other` is not among the upstreams; there is `rtms`",
            ],
        ),
        (
            "routes",
            "[ { path: \"/{appId}\", name: none } ]",
            &["routes[0].name: `none` can't be a metric label; write a short name"],
        ),
    ]);
}

#[test]
fn identities_must_stand_where_a_request_can_have_them() {
    run(&[
        (
            "routes",
            "[ { path: \"/{appId}\" }, { path: \"/{appId}/{userId}\", identities: { userId: [path.user, cookie.user, \
             body.a.b], clientApp: [body.a], customerId: [query.c, query.c] } } ]",
            &[
                "routes[1].identities.userId[0]: the template has no `{user}`; its names are `appId` and `userId`",
                "routes[1].identities.userId[1]: `cookie.user` is no place in a request; write `path.NAME`, `query.NAME`, \
                 `header.NAME` or `body.NAME`",
                "routes[1].identities.clientApp[0]: `body.a` can't be both a value and an object; list the value or what \
                 lies in the object, not both",
                "routes[1].identities.customerId[1]: listed twice; keep one of them",
            ],
        ),
        (
            "routes",
            "[ { path: \"/{appId}\", identities: { user: [path.appId] } } ]",
            &["routes[0].identities.user: unknown key; did you mean `userId`?"],
        ),
        (
            "routes",
            "[ { path: \"/{appId}/a\", identities: { userId: [body.userId] }, max_body_bytes: 65KiB }, \
             { path: \"/{appId}/b\", identities: { userId: [body.userId] }, max_body_bytes: 64KiB }, \
             { path: \"/{appId}/c\", max_body_bytes: 1GiB } ]",
            &[
                "routes[0].max_body_bytes: is over `64KiB`, the most that can be read for `body.` places; write less, or take \
               them out",
            ],
        ),
    ]);
}

#[test]
fn several_upstreams_need_routes_that_name_them() {
    let two = "{ a: { peers: [ { address: \"a:1\" } ] }, b: { peers: [ { address: \"b:1\" } ] } }";
    assert_eq!(
        mistakes(&config(&[("upstreams", two)])),
        ["routes: missing; the shipped table needs exactly one upstream: list the routes, or keep one upstream"]
    );
    assert_eq!(
        mistakes(&config(&[("upstreams", two), ("routes", "[ { path: \"/{appId}\" } ]")])),
        ["routes[0].upstream: missing; there are several: name one"]
    );
}
