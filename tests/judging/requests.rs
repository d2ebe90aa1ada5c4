//! Requests near the edge: targets and bodies that two parsers might read differently, most of them almost good.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::{BoxedStrategy, ValueTree as _};
use proptest::test_runner::{Config, TestRunner};

use crate::core::{Core, Forwarded};
use crate::support::tokens;
use crate::support::{APP, USER};

/// Generated for each run.
const CASES: usize = 60_000;

/// A request with a token that speaks for the customer's app and user, and nobody else.
#[derive(Clone, Debug)]
pub struct Request {
    /// The target.
    pub target: String,
    /// The body.
    pub body: Vec<u8>,
}

fn text(options: &[&str]) -> BoxedStrategy<String> {
    select(options.iter().map(|option| (*option).to_owned()).collect::<Vec<_>>()).boxed()
}

/// Mostly `good`, sometimes something like it.
fn mostly(good: &str, else_: BoxedStrategy<String>) -> BoxedStrategy<String> {
    prop_oneof![5 => Just(good.to_owned()), 2 => else_].boxed()
}

fn app() -> BoxedStrategy<String> {
    mostly(
        APP,
        text(&["TR_OTHER", "TR21063826%20", "%54R21063826", "tr21063826", "TR21063826;x", "TR21063826.", "..", "."]),
    )
}

fn user() -> BoxedStrategy<String> {
    let other = ["other", "%75", "", "a/b", "../x", "%2e%2e", "67deb017%2D5038", "x;y", "%C3%A9", "+", "%2B", "a%2Fb"];
    mostly(USER, text(&other))
}

fn query() -> BoxedStrategy<String> {
    let name = mostly("userId", text(&["%75serId", "USERID", "userid", "user%49d", "userId%00", "userId[]", "x", ""]));
    let pair = (name, user(), text(&["=", "", "=="])).prop_map(|(name, user, eq)| format!("{name}{eq}{user}"));
    (vec(pair, 0..3), text(&["&", "&&", ";", "&amp;"]))
        .prop_map(|(pairs, with)| format!("?{}", pairs.join(&with)))
        .boxed()
}

fn target() -> BoxedStrategy<String> {
    let version = text(&["v1", "v4", "v1", "..", "%2e", "v1;x", ""]);
    let slash = mostly("/", text(&["//", "/./", "/x/../", "%2f", "\\"]));
    let end = mostly("", text(&["/", "//", "?", "?x=/../", "#x", "/.", "%20"]));
    let kinds = prop_oneof![
        3 => (version.clone(), app(), end.clone())
            .prop_map(|(version, app, end)| format!("rtmsAPI/api/{version}/app/{app}/setuserid{end}")),
        2 => (version.clone(), app(), user(), end)
            .prop_map(|(version, app, user, end)| format!("rtmsAPI/api/{version}/apps/{app}/user/{user}/threads{end}")),
        2 => (version, app(), query()).prop_map(|(version, app, query)| format!("rtmsAPI/api/{version}/{app}/lookup{query}")),
    ];
    (slash, kinds, 0..40usize)
        .prop_map(|(slash, rest, at)| {
            // One of the slashes is written in another way.
            let nth = rest.match_indices('/').map(|(place, _)| place).nth(at);
            match nth {
                Some(place) => format!("/{}{slash}{}", &rest[..place], &rest[place + 1..]),
                None => format!("/{rest}"),
            }
        })
        .boxed()
}

fn body() -> BoxedStrategy<Vec<u8>> {
    let quoted = |s: BoxedStrategy<String>| s.prop_map(|s| format!("\"{s}\"")).boxed();
    let user =
        mostly(&format!("\"{USER}\""), quoted(text(&["other", "", "67deb017\\u002d5038", "\\ud800", "a\\u0000b"])));
    let user = prop_oneof![8 => user, 1 => text(&["null", "7", "1e2", "[]", "{}", "true", "NaN", "[\"other\"]"])];
    let client = [
        format!("\"{APP}/{USER}/device\""),
        format!("\"{APP}/other/device\""),
        format!("\"TR_OTHER/{USER}/device\""),
        format!("\"{APP}\\/x\\/y\""),
        format!("\"{APP}\""),
    ];
    let name = mostly(
        "userId",
        text(&["USERID", "user\\u0049d", "\\u0075serId", "userid", "user_id", "x", "userId ", "u\u{17f}erId"]),
    );
    let member = prop_oneof![
        4 => (name, user).prop_map(|(name, value)| format!("\"{name}\":{value}")),
        1 => select(client.to_vec()).prop_map(|client| format!("\"clientId\":{client}")),
        1 => text(&["\"x\":{\"userId\":\"other\"}", "\"encrypted\":\"AA\"", "\"ENCRYPTED\":\"AA\"", "\"__proto__\":{\"userId\":\"other\"}"]),
    ];
    let object = (
        vec(member, 0..4),
        text(&[",", ", ", ",\n", ",,"]),
        text(&["{", " {", "\u{feff}{", "[{"]),
        text(&["}", "} ", "}\0", "},", "}]", "}{}"]),
    )
        .prop_map(|(members, with, open, close)| format!("{open}{}{close}", members.join(&with)));
    let plain = vec(any::<u8>(), 0..6);
    prop_oneof![
        8 => object.prop_map(String::into_bytes),
        1 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| {
            let mut whole = format!("{{\"userId\":\"{USER}\"}}").into_bytes();
            let at = at.index(whole.len());
            whole[at] = byte;
            whole
        }),
        1 => plain,
    ]
    .boxed()
}

/// The requests of one run that were forwarded; prints how many there were.
pub fn forwarded() -> Vec<(Request, Forwarded)> {
    let core = Core::new();
    let token = tokens::good();
    let mut runner = TestRunner::new(Config::default());
    let strategy = (target(), body()).prop_map(|(target, body)| Request { target, body });
    let mut forwarded = Vec::new();
    for _ in 0..CASES {
        let request = strategy.new_tree(&mut runner).unwrap().current();
        if let Ok(came) = core.judge(request.target.as_bytes(), &token, &request.body) {
            forwarded.push((request, came));
        }
    }
    println!("{CASES} requests, {} forwarded", forwarded.len());
    assert!(forwarded.len() > CASES / 100, "nearly everything was refused: the property says nothing");
    forwarded
}
