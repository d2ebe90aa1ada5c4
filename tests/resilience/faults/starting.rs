//! Faults that meet a gateway at its start: it isn't ready, says why, and becomes ready by itself.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mongodb::bson::doc;
use tokio::time::sleep;

use super::stand::{Figures, Stand, Way};
use super::table::Line;
use crate::support::gateway::Gateway;
use crate::support::mongo::Mongo;
use crate::support::poll;
use crate::support::proxy::{Mode, Proxy};
use crate::support::{APP, tokens};

/// What meets it.
#[derive(Clone, Copy)]
enum Fault {
    /// The network swallows everything from this command on.
    BlackHole(&'static [u8]),
    /// This command is answered with this error.
    Answer(&'static str, i32),
}

/// A black hole is noticed by the patience of one exchange (20 s) or of one reply of a load (30 s); the heartbeats of
/// the driver notice it sooner. An error is tried again after 1, 2, 5 s where it is about rights, else with back-off.
const ROWS: [(&str, Fault, u64); 5] = [
    ("at its start: a black hole from `aggregate` on", Fault::BlackHole(b"aggregate\0"), 45),
    ("at its start: a black hole from `find` on", Fault::BlackHole(b"find\0"), 45),
    ("at its start: `aggregate` answered 13 for 2.5 s", Fault::Answer("aggregate", 13), 15),
    ("at its start: `find` answered 13 for 2.5 s", Fault::Answer("find", 13), 15),
    ("at its start: `find` answered 91 for 2.5 s", Fault::Answer("find", 91), 15),
];

/// All of them, side by side.
pub(super) async fn all() -> Vec<Line> {
    join_all(ROWS.into_iter().map(one)).await
}

async fn one((name, fault, bound): (&'static str, Fault, u64)) -> Line {
    let (mongo, proxy, _upstream, builder) = Stand::prepare(Way::Proxy).await;
    if let Fault::BlackHole(command) = fault {
        proxy.trap(command, Mode::BlackHole);
    }
    if let Fault::Answer(command, code) = fault {
        mongo.fail(&[command], "alwaysOn", &doc! { "errorCode": code }).await;
    }
    let gateway = builder.launch().await;
    let over = meets(fault, name, &gateway, &mongo, &proxy).await;
    let bound = Duration::from_secs(bound);
    poll::within(bound * 2, name, async || (gateway.readyz().await.0 == 200).then_some(())).await;
    let took = over.elapsed();
    assert!(took <= bound, "{name}: ready after {took:?}, not within {bound:?}");
    assert_eq!(gateway.verdict(APP, &tokens::good()).await, (200, "0".into()), "{name}");
    Line::starting(name, took, &Figures::of(&gateway).await)
}

/// Until the fault is over; the moment of that.
async fn meets(fault: Fault, name: &str, gateway: &Gateway, mongo: &Mongo, proxy: &Proxy) -> Instant {
    /// Long enough for a few attempts.
    const LASTS: Duration = Duration::from_millis(2500);
    if let Fault::BlackHole(_) = fault {
        proxy.sprung().await;
    }
    if let Fault::Answer(_, code) = fault {
        poll::until_true(&format!("{name}: a reason"), async || {
            gateway.readyz().await.1.contains(&format!("the server answered {code}"))
        })
        .await;
    }
    sleep(LASTS).await;
    let (status, reason) = gateway.readyz().await;
    assert_eq!(status, 503, "{name}");
    assert!(reason.contains("apps are not loaded yet"), "{name}: {reason}");
    proxy.set(Mode::Pass);
    mongo.heal().await;
    Instant::now()
}
