//! CPU time of the gateway over requests served, quiet and while changes stream in.

use std::time::{Duration, Instant};

use mongodb::IndexModel;
use mongodb::bson::doc;
use tokio::task::JoinSet;

use crate::support::client::get;
use crate::support::gateway::Gateway;
use crate::support::mongo::Mongo;
use crate::support::{plain, tokens};

const PAIRS: usize = 15;
const CONNECTIONS: usize = 8;
const ROUND: Duration = Duration::from_secs(2);
/// Changes a second while it is busy.
const RATE: u32 = 1000;

const SECRET: &str = "the-secret-of-the-measured-app-0123456789";

/// Interleaved rounds, quiet and busy; the ratio of each pair.
pub async fn busy_against_quiet(mongo: &Mongo, gateway: &Gateway) {
    mongo.insert_app("COST", SECRET).await;
    // The writer finds its documents by it.
    mongo.apps().create_index(IndexModel::builder().keys(doc! { "appId": 1 }).build()).await.unwrap();
    let request = get(plain("COST")).token(tokens::of("COST", "u", SECRET));
    let mut client = gateway.connect().await;
    while client.ask(&request).await.status != 200 {}
    let mut ratios = Vec::new();
    let (mut quiet, mut busy, mut changes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..PAIRS {
        let q = round(gateway).await;
        let writer = tokio::spawn(write(mongo.apps()));
        let b = round(gateway).await;
        changes += writer.await.unwrap();
        ratios.push(b / q);
        quiet.push(q);
        busy.push(b);
    }
    for list in [&mut ratios, &mut quiet, &mut busy] {
        list.sort_unstable_by(f64::total_cmp);
    }
    let rate = f64::from(changes) / (ROUND.as_secs_f64() * PAIRS as f64);
    println!("| | CPU a request, median of {PAIRS} |\n|---|---|");
    println!("| quiet | {:.1} us |\n| {rate:.0} changes a second | {:.1} us |", quiet[PAIRS / 2], busy[PAIRS / 2]);
    println!(
        "\nRatio of the pairs: median {:.3}, middle half {:.3} to {:.3}. The feed's own work is in the second figure.",
        ratios[PAIRS / 2],
        ratios[PAIRS / 4],
        ratios[PAIRS * 3 / 4]
    );
}

/// Microseconds of CPU a request.
async fn round(gateway: &Gateway) -> f64 {
    let request = get(plain("COST")).token(tokens::of("COST", "u", SECRET));
    let before = gateway.cpu();
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (mut client, request) = (gateway.connect().await, request.clone());
        clients.spawn(async move {
            let (began, mut served) = (Instant::now(), 0u32);
            while began.elapsed() < ROUND {
                assert_eq!(client.ask(&request).await.status, 200);
                served += 1;
            }
            served
        });
    }
    let served: u32 = clients.join_all().await.into_iter().sum();
    gateway.cpu().saturating_sub(before).as_secs_f64() * 1e6 / f64::from(served)
}

/// Documents that one command changes: each is an event of its own, and the database has the same two cores.
const AT_ONCE: u32 = 20;

/// Changes documents of the burst at the wanted rate for a round; how many it managed.
async fn write(apps: mongodb::Collection<mongodb::bson::Document>) -> u32 {
    let began = Instant::now();
    let mut done = 0;
    while began.elapsed() < ROUND {
        let due = (began.elapsed().as_secs_f64() * f64::from(RATE)) as u32;
        if done >= due {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        }
        let names: Vec<String> = (done..done + AT_ONCE).map(|n| format!("B{}-{}", n / 1000 % 10, n % 1000)).collect();
        let set = doc! { "$set": { "jwt_secretkey": format!("changed-{done}-0123456789abcdef0123456789") } };
        apps.update_many(doc! { "appId": { "$in": names } }, set).await.unwrap();
        done += AT_ONCE;
    }
    done
}
