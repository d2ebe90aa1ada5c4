//! The calls once more, naming a victim and spelled otherwise: a server behind the gateway may read many spellings as
//! one call, so none of them may arrive with an identity that isn't the token's.

use crate::calls::{BASE, CALLS, Call, Names, VICTIM, start, token};
use crate::support::client::{Request, get, post};
use crate::support::gateway::Gateway;
use crate::support::upstream::Upstream;
use crate::support::{APP, USER};

/// Fixed words in the paths of calls that name somebody.
const WORDS: [&str; 16] = [
    "setuserid",
    "register",
    "unregister",
    "removeuserid",
    "profileupdate",
    "deliveryupdate",
    "message",
    "removecustomerid",
    "setcustomerid",
    "mo",
    "user",
    "threads",
    "unreadthreads",
    "topics",
    "users",
    "generatemedia",
];

/// The calls that name a user.
fn bound() -> impl Iterator<Item = &'static Call> {
    CALLS.iter().filter(|call| call.names_a_user())
}

/// Each spelling of a path in which one fixed word has been changed.
fn with_each_word(path: &str, change: impl Fn(&str) -> String) -> Vec<String> {
    let segments: Vec<&str> = path.split('/').collect();
    let fixed = |word: &&str| WORDS.contains(&word.to_lowercase().as_str());
    let places = (0..segments.len()).filter(|at| fixed(&segments[*at]));
    places
        .map(|at| {
            let changed = change(segments[at]);
            let mut spelled = segments.clone();
            spelled[at] = &changed;
            spelled.join("/")
        })
        .collect()
}

/// A letter of ASCII, and another one that is the same to somebody who ignores case or decodes once more.
const LETTERS: [(&str, &str); 8] = [
    ("s", "%C5%BF"),
    ("i", "%C4%B1"),
    ("i", "%C4%B0"),
    ("k", "%E2%84%AA"),
    ("ss", "%C3%9F"),
    ("fi", "%EF%AC%81"),
    ("e", "%65"),
    ("r", "%2572"),
];

/// Other spellings of a path beneath the base.
fn spellings(path: &str) -> Vec<String> {
    let mut all = vec![path.to_uppercase(), path.to_lowercase()];
    for end in [
        "/", "//", ".json", ".xml", ".", ".a.b", ".json/", "/.json", "/%20", "%20/", "%3Fx", "%3F/x", "%23x", "/;a=b",
        "/.", "/x/..",
    ] {
        all.push(format!("{path}{end}"));
    }
    for end in ["%20", "%C2%A0", "+", ";a=b", "%3Ba=b", "%00", "%0A", "%09", "%2E", "%2Fx", "%5C", "\\"] {
        all.extend(with_each_word(path, |word| format!("{word}{end}")));
    }
    for start in ["%20", "+", "/", "%20/", "./", "x/../", "%2e/", ";/", "\\"] {
        all.extend(with_each_word(path, |word| format!("{start}{word}")));
    }
    for (plain, other) in LETTERS {
        all.extend(with_each_word(path, |word| word.to_lowercase().replacen(plain, other, 1)));
    }
    all
}

/// Other bases that a server might take for the base.
const BASES: [&str; 15] = [
    BASE,
    "/api/v1",
    "/rtmsAPI/api/v9",
    "/rtmsapi/API/V1",
    "//rtmsAPI/api/v1",
    "/rtmsAPI//api//v1/",
    "/rtmsAPI/api/1",
    "/rtmsAPI/api/v1.0",
    "/rtmsAPI/api/v1%20",
    "/rtmsAPI/v1",
    "/v1",
    "",
    "/x/rtmsAPI/api/v1",
    "/rtmsAPI/rtmsAPI/api/v1",
    "/rtmsAPI/./api/v1",
];

/// A victim in every place, the token's own app throughout.
fn victim() -> Names {
    Names::of(APP, VICTIM)
}

/// What must come of a spelling that must not arrive: some answer of the gateway's own, or a bare one.
async fn stays_out(gateway: &Gateway, upstream: &Upstream, request: &Request) {
    let answer = gateway.ask(&request.clone().token(token(USER))).await;
    let verdict = answer.verdict();
    let refused = matches!((verdict.0, verdict.1.as_str()), (401, "38") | (400, "4" | "") | (404 | 405, "4"));
    let seen = upstream.take();
    assert!(refused && seen.is_empty(), "{verdict:?}, {} arrived: {request:?}", seen.len());
}

#[tokio::test]
async fn no_spelling_of_a_call_arrives_with_a_foreign_identity() {
    let (upstream, gateway) = start().await;
    for call in bound() {
        let path = call.path.split('?').next().unwrap();
        for spelling in spellings(path) {
            let target = format!("{BASE}{}", victim().fill(&spelling));
            stays_out(&gateway, &upstream, &call.request(&target, &victim())).await;
        }
    }
}

#[tokio::test]
async fn no_base_or_prefix_of_a_call_makes_it_arrive_with_a_foreign_identity() {
    let (upstream, gateway) = start().await;
    for call in bound() {
        let rest = call.path.trim_start_matches("/apps").trim_start_matches("/app");
        for base in BASES {
            for prefix in ["", "/app", "/apps", "/APPS", "/app/", "/apps%20", "//apps"] {
                let target = format!("{base}{prefix}{}", victim().fill(rest));
                stays_out(&gateway, &upstream, &call.request(&target, &victim())).await;
            }
        }
    }
}

#[tokio::test]
async fn no_other_method_of_a_call_arrives_with_a_foreign_identity() {
    let (upstream, gateway) = start().await;
    for call in bound() {
        let target = call.target(BASE, &victim());
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "post", "X"] {
            let request = call.request(&target, &victim()).method(method);
            stays_out(&gateway, &upstream, &request.header("X-HTTP-Method-Override: POST")).await;
        }
        // The answer to HEAD has no body to read a code from.
        let answer = gateway.ask(&call.request(&target, &victim()).method("HEAD").token(token(USER))).await;
        assert!(matches!(answer.status, 401 | 405) && upstream.count() == 0, "HEAD {target}: {}", answer.status);
    }
}

#[tokio::test]
async fn a_body_spelled_otherwise_does_not_hide_a_foreign_identity() {
    let (upstream, gateway) = start().await;
    for call in bound().filter(|call| !call.names("path_user")) {
        let target = call.target(BASE, &victim());
        let body = victim().fill(call.body);
        for body in [
            body.replace("serId", "SERID").replace("lientId", "LIENTID"),
            body.replace("userId", r"\u0075serId").replace("clientId", r"client\u0049d"),
            body.replacen('{', &format!(r#"{{"userId":"{USER}","clientId":"{APP}/{USER}/d","#), 1),
            format!("[{body}]"),
            format!("\u{feff}{body}"),
            format!("{body} {{}}"),
            body.replace('"', "'"),
            format!("{}&x=1", body.replace(':', "=")),
        ] {
            let request = post(&target, body).header("Content-Type: application/json");
            stays_out(&gateway, &upstream, &request).await;
        }
        for kind in
            ["text/plain", "application/x-www-form-urlencoded", "application/xml", "application/json;charset=utf-16"]
        {
            let request = post(&target, body.clone()).header(format!("Content-Type: {kind}"));
            stays_out(&gateway, &upstream, &request).await;
        }
    }
}

#[tokio::test]
async fn a_preflight_carries_no_other_spelling_to_a_call_either() {
    let (upstream, gateway) = start().await;
    for call in bound().filter(|call| !call.names("path_user")) {
        for end in [".json", "%20", "/%20", "%3Fx"] {
            let target = format!("{BASE}{}{end}", victim().fill(call.path));
            let answer = gateway.ask(&call.preflight(&target)).await;
            assert_eq!(answer.verdict(), (400, "4".into()), "{target}");
        }
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_topic_with_a_slash_does_not_hide_the_user_after_it() {
    let (upstream, gateway) = start().await;
    for (method, user, passes) in [("GET", VICTIM, false), ("DELETE", VICTIM, false), ("DELETE", USER, true)] {
        let target = format!("{BASE}/apps/{APP}/topics/sports/news/users/{user}");
        let answer = gateway.ask(&get(&target).method(method).token(token(USER))).await;
        assert_eq!(answer.status, if passes { 200 } else { 401 }, "{method} {target}");
        assert_eq!(upstream.take().len(), usize::from(passes));
    }
}

#[tokio::test]
async fn a_dot_or_a_space_in_what_names_nobody_is_no_other_spelling() {
    let (upstream, gateway) = start().await;
    for path in [
        format!("/apps/{APP}/topics/news.today"),
        format!("/apps/{APP}/topics/late%20news/users"),
        format!("/apps/{APP}/segments/s.1"),
        format!("/apps/{APP}/user/{USER}/threads/t.1/messages/a.png"),
        format!("/{APP}/something.new/report.json"),
    ] {
        let target = format!("{BASE}{path}");
        let answer = gateway.ask(&get(&target).token(token(USER))).await;
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(upstream.only().target(), target);
    }
}
