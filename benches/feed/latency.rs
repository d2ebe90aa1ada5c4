//! Writes one by one, each timed until a bare driver has seen it and until the gateway judges by it; and a burst.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use mongodb::bson::{Document, doc};
use tokio::sync::oneshot;

use crate::quantile;
use crate::support::client::{Client, get};
use crate::support::gateway::Gateway;
use crate::support::mongo::Mongo;
use crate::support::{plain, tokens};

const WRITES: usize = 2000;
const BURST: usize = 10_000;

/// When the bare driver saw which app.
type Seen = Arc<Mutex<HashMap<String, Instant>>>;

/// A driver with nothing around it, watching the same collection.
async fn bare_driver(mongo: &Mongo, seen: Seen) {
    let collection = mongo.apps();
    let (open, opened) = oneshot::channel();
    tokio::spawn(async move {
        let mut stream = collection.watch().await.unwrap();
        open.send(()).unwrap();
        while let Some(Ok(event)) = stream.next().await {
            let app = event.full_document.as_ref().and_then(|d: &Document| d.get_str("appId").ok().map(str::to_owned));
            if let Some(app) = app {
                seen.lock().unwrap().insert(app, Instant::now());
            }
        }
    });
    opened.await.unwrap();
}

/// New apps, one after the other.
pub async fn single_writes(mongo: &Mongo, gateway: &Gateway) {
    let seen = Seen::default();
    bare_driver(mongo, Arc::clone(&seen)).await;
    let mut client = gateway.connect().await;
    let (mut driver, mut enforced) = (Vec::new(), Vec::new());
    for n in 0..WRITES {
        let (app, secret) = (format!("W{n}"), format!("secret-{n}-0123456789abcdef0123456789"));
        let began = Instant::now();
        mongo.insert_app(&app, &secret).await;
        until_judged_by(&mut client, &app, &secret).await;
        enforced.push(began.elapsed());
        driver.push(seen_after(&seen, &app, began).await);
    }
    driver.sort_unstable();
    enforced.sort_unstable();
    println!("| {WRITES} inserts, from before the write | p50 | p99 |\n|---|---|---|");
    for (who, samples) in [("a bare driver has the event", &driver), ("the gateway judges by it", &enforced)] {
        println!("| {who} | {:.2?} | {:.2?} |", quantile(samples, 0.5), quantile(samples, 0.99));
    }
}

async fn seen_after(seen: &Seen, app: &str, began: Instant) -> Duration {
    loop {
        if let Some(at) = seen.lock().unwrap().remove(app) {
            return at.duration_since(began);
        }
        tokio::task::yield_now().await;
    }
}

async fn until_judged_by(client: &mut Client, app: &str, secret: &str) {
    let request = get(plain(app)).token(tokens::of(app, "u", secret));
    while client.ask(&request).await.status != 200 {}
}

/// Many documents at once: how long after the last write is acknowledged is the last of them in force?
pub async fn burst(mongo: &Mongo, gateway: &Gateway) {
    let mut client = gateway.connect().await;
    let began = Instant::now();
    for block in 0..BURST / 1000 {
        let apps = (0..1000)
            .map(|n| doc! { "appId": format!("B{block}-{n}"), "jwt_secretkey": "a-secret-of-the-burst-0123456789" });
        mongo.apps().insert_many(apps).await.unwrap();
    }
    let (written, after) = (began.elapsed(), Instant::now());
    let last = format!("B{}-999", BURST / 1000 - 1);
    until_judged_by(&mut client, &last, "a-secret-of-the-burst-0123456789").await;
    println!(
        "{BURST} inserts, written in {written:.1?}: all in force {:.1?} after the last was acknowledged.",
        after.elapsed()
    );
}
