//! A rotation while requests come in: nobody who holds the old secret's tokens is turned away before its end, and
//! everybody is after it.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::support::client::{Client, Request, get};
use crate::support::gateway::Gateway;
use crate::support::gateway::gateway;
use crate::support::gateway::profiles::{call, call_with};
use crate::support::mongo::Mongo;
use crate::support::upstream::Upstream;
use crate::support::{USER, plain, tokens};

const OLD: &str = "the-old-secret-of-at-least-32-bytes";
const NEW: &str = "the-new-secret-of-at-least-32-bytes";
const OVERLAP: Duration = Duration::from_secs(5);
/// After the end of the overlap.
const AFTER: Duration = Duration::from_secs(1);
const CLIENTS: u32 = 16;
/// In all, a second.
const RATE: u32 = 2000;
/// What a slow machine must come to at least.
const LEAST_RATE: u32 = 200;

/// One answer: when it was asked for and had, and what it was.
struct Answer {
    asked: SystemTime,
    had: SystemTime,
    verdict: (u16, String),
}

/// Asks at an even pace until the end.
fn client(gateway: &Gateway, request: Request, end: SystemTime) -> JoinHandle<Vec<Answer>> {
    let address = gateway.address();
    tokio::spawn(async move {
        let mut client = Client::connect(address).await;
        let mut pace = interval(Duration::from_secs(1) * CLIENTS / RATE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut answers = Vec::new();
        while SystemTime::now() < end {
            pace.tick().await;
            let asked = SystemTime::now();
            let verdict = client.ask(&request).await.verdict();
            answers.push(Answer { asked, had: SystemTime::now(), verdict });
        }
        answers
    })
}

fn moment(value: &Value) -> SystemTime {
    OffsetDateTime::parse(value.as_str().expect("a date"), &Rfc3339).expect("RFC 3339").into()
}

async fn all(clients: Vec<JoinHandle<Vec<Answer>>>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for client in clients {
        answers.extend(client.await.expect("no panic"));
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_turned_away_before_the_overlap_ends_and_everybody_after_it() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    let create = json!({"appId": "TR1", "jwt_secretkey": OLD});
    gateway.called(&call_with("POST", "apps?wait=applied", &create), 201).await;

    let ask = |secret: &str| get(plain("TR1")).token(tokens::of("TR1", USER, secret));
    let end = SystemTime::now() + OVERLAP + AFTER;
    // They hold the old secret's tokens from before the rotation on.
    let old: Vec<_> = (0..CLIENTS / 2).map(|_| client(&gateway, ask(OLD), end)).collect();
    let rotate = json!({"jwt_secretkey": NEW, "overlap": "5s"});
    let profile = gateway.called(&call_with("POST", "apps/TR1/rotate?wait=applied", &rotate), 200).await;
    let until = moment(&profile["previous_expires_at"]);
    let new: Vec<_> = (0..CLIENTS / 2).map(|_| client(&gateway, ask(NEW), end)).collect();
    let (old, new) = (all(old).await, all(new).await);

    let good = (200, "0".to_owned());
    let wrong = new.iter().filter(|a| a.verdict != good).count();
    assert_eq!(wrong, 0, "of {} with the new secret", new.len());
    let before: Vec<&Answer> = old.iter().filter(|a| a.had < until).collect();
    let after: Vec<&Answer> = old.iter().filter(|a| a.asked >= until).collect();
    assert_eq!(before.iter().filter(|a| a.verdict != good).count(), 0, "of {} before the end", before.len());
    let rejected = (401, "38".to_owned());
    assert_eq!(after.iter().filter(|a| a.verdict != rejected).count(), 0, "of {} after the end", after.len());
    let rate = (old.len() + new.len()) as f64 / (OVERLAP + AFTER).as_secs_f64();
    let _ = writeln!(
        std::io::stderr(),
        "{rate:.0} requests a second: {} with the new secret, {} with the old one before its end, {} after it",
        new.len(),
        before.len(),
        after.len()
    );
    assert!(rate >= f64::from(LEAST_RATE) && !after.is_empty(), "{rate} a second");
    fell_silent(&gateway, until, old.iter().filter(|a| a.verdict == good).count()).await;
}

/// The metric and the profile tell that the old secret was used to the end, and is not any more.
async fn fell_silent(gateway: &Gateway, until: SystemTime, good_with_old: usize) {
    let profile = gateway.called(&call("GET", "apps/TR1"), 200).await;
    let last = moment(&profile["previous_last_used"]);
    let silent = until.duration_since(last).expect("before its end");
    assert!(silent < Duration::from_secs(2), "{silent:?} before the end");
    let metrics = gateway.metrics().await;
    let [current, previous] =
        ["current", "previous"].map(|key| metrics.count("rtms_key_matches_total", &[("key", key)]));
    // Before the rotation the old secret was the current one.
    assert!(previous > 0 && previous <= good_with_old as u64, "{previous} of {good_with_old}");
    assert!(current > 0);
}

#[tokio::test]
async fn a_second_rotation_throws_the_oldest_secret_out_and_says_so() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = Arc::new(gateway(&upstream).mongo(&mongo).profiles().start_indexed().await);
    let create = json!({"appId": "TR1", "jwt_secretkey": OLD});
    gateway.called(&call_with("POST", "apps?wait=applied", &create), 201).await;
    let rotate = |secret: &str| {
        call_with("POST", "apps/TR1/rotate?wait=applied", &json!({"jwt_secretkey": secret, "overlap": "1h"}))
    };
    let first = gateway.call(&rotate(NEW)).await;
    assert_eq!((first.status, first.header("x-rtms-previous-dropped")), (200, None));
    let tag = first.header("etag").map(str::to_owned);
    // Asked for again, as a client does that had no answer: nothing happens.
    let again = gateway.call(&rotate(NEW)).await;
    assert_eq!((again.status, again.header("etag").map(str::to_owned)), (200, tag));
    let third = format!("{NEW}-3");
    let second = gateway.call(&rotate(&third)).await;
    assert_eq!(second.status, 200);
    let first: Value = serde_json::from_slice(&first.body).unwrap();
    assert_eq!(second.header("x-rtms-previous-dropped"), first["previous_expires_at"].as_str());
    let verdict = async |secret: &str| gateway.verdict("TR1", &tokens::of("TR1", USER, secret)).await.0;
    assert_eq!((verdict(OLD).await, verdict(NEW).await, verdict(&third).await), (401, 200, 200));
    // What may still hold the old one is found by its fingerprint.
    let second: Value = serde_json::from_slice(&second.body).unwrap();
    assert_eq!(second["previous_fingerprint"], first["fingerprint"]);
}

#[tokio::test]
async fn only_an_app_with_a_secret_is_rotated_and_only_to_a_good_one() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    gateway.called(&call_with("POST", "apps", &json!({"appId": "OPEN"})), 201).await;
    gateway.called(&call_with("POST", "apps", &json!({"appId": "TR1", "jwt_secretkey": OLD})), 201).await;
    let rotate = async |app: &str, body: Value, status: u16| {
        gateway.called(&call_with("POST", &format!("apps/{app}/rotate"), &body), status).await
    };
    rotate("OPEN", json!({"jwt_secretkey": NEW}), 409).await;
    rotate("TR9", json!({"jwt_secretkey": NEW}), 404).await;
    for bad in [
        json!({}),
        json!({"jwt_secretkey": "short"}),
        json!({"jwt_secretkey": NEW, "overlap": "1d"}),
        json!({"jwt_secretkey": NEW, "overlap": "9000h"}),
        json!({"jwt_secretkey": NEW, "force": true}),
    ] {
        let answer = rotate("TR1", bad.clone(), 400).await;
        assert_eq!(answer["mistakes"].as_array().map(Vec::len), Some(1), "{bad}: {answer}");
    }
}
