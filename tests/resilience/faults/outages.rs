//! The server goes away, or the way to it does.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mongodb::bson::Document;
use tokio::time::sleep;

use super::stand::{HISTORY, Stand, Way};
use super::table::Line;
use crate::support::proxy::Mode;

/// What happens.
#[derive(Clone, Copy)]
enum Outage {
    /// SIGKILL, and a new start after this time.
    Kill(Duration),
    /// SIGTERM, and a new start at once.
    Terminate,
    /// SIGSTOP, and SIGCONT after this time.
    Freeze(Duration),
    /// No primary for so many seconds.
    StepDown(i32),
    /// All connections are reset, so many times.
    Cut(usize),
    /// The proxy does this for some time.
    Network(Mode, Duration),
    /// The gateway is away while more happens than the server remembers.
    Pruned,
}

struct Row {
    name: &'static str,
    outage: Outage,
    /// How soon a change written after the outage must be in force.
    bound: Duration,
}

const fn row(name: &'static str, outage: Outage, seconds: u64) -> Row {
    Row { name, outage, bound: Duration::from_secs(seconds) }
}

const MOMENT: Duration = Duration::ZERO;
const SHORT: Duration = Duration::from_secs(3);
/// Past the driver's patience (5 s to find a server) and our watchdog (11 s).
const LONG: Duration = Duration::from_secs(15);

/// The bounds. After an outage of up to 3 s there have been three attempts at most that knew they failed, so the next
/// wait is 2 s at most; after 15 s it may be any (30 s is the longest). An attempt that is under way has a patience of its
/// own: 5 s to find a server. A connection that died without a word is found out by the watchdog, 11 s after its last
/// reply. The rest of each bound is for a slow machine.
const ROWS: [Row; 15] = [
    row("SIGKILL, back at once", Outage::Kill(MOMENT), 15),
    row("SIGKILL, down for 8 s", Outage::Kill(Duration::from_secs(8)), 45),
    row("SIGTERM, back at once", Outage::Terminate, 15),
    row("SIGSTOP for 3 s", Outage::Freeze(SHORT), 15),
    row("SIGSTOP for 20 s", Outage::Freeze(Duration::from_secs(20)), 45),
    row("`replSetStepDown` for 2 s", Outage::StepDown(2), 15),
    row("connections reset", Outage::Cut(1), 15),
    row("connections reset five times", Outage::Cut(5), 15),
    row("refused for 3 s", Outage::Network(Mode::Refuse, SHORT), 15),
    row("refused for 15 s", Outage::Network(Mode::Refuse, LONG), 45),
    row("stalled for 3 s", Outage::Network(Mode::Stall, SHORT), 15),
    row("stalled for 15 s", Outage::Network(Mode::Stall, LONG), 45),
    row("a black hole for 3 s", Outage::Network(Mode::BlackHole, SHORT), 30),
    row("a black hole for 15 s", Outage::Network(Mode::BlackHole, LONG), 45),
    row("cut off, and history pruned meanwhile", Outage::Pruned, 15),
];

/// All of them, each on a server of its own, side by side.
pub(super) async fn all() -> Vec<Line> {
    join_all(ROWS.iter().map(one)).await
}

async fn one(row: &Row) -> Line {
    let way = match row.outage {
        Outage::Cut(_) | Outage::Network(..) | Outage::Pruned => Way::Proxy,
        _ => Way::Straight,
    };
    let mut stand = Stand::start(way).await;
    stand.goes_on(row.name).await;
    let over = row.outage.happen(&mut stand, row.name).await;
    let took = stand.current(row.name, over, row.bound).await;
    stand.well(row.name).await;
    stand.goes_on(row.name).await;
    let line = stand.line(row.name, took).await;
    let reloads = line.figures.reloads("history_lost");
    assert_eq!(reloads, u64::from(matches!(row.outage, Outage::Pruned)), "{}: a disconnect is no reload", row.name);
    line
}

impl Outage {
    /// From its beginning to its end; the moment of that.
    async fn happen(self, stand: &mut Stand, name: &str) -> Instant {
        match self {
            Self::Kill(down) => {
                stand.mongo.kill();
                stand.goes_on(name).await;
                sleep(down).await;
                stand.mongo.restart().await;
            }
            Self::Terminate => {
                stand.mongo.terminate().await;
                stand.mongo.restart().await;
            }
            Self::Freeze(time) => {
                stand.mongo.freeze();
                stand.goes_on(name).await;
                sleep(time).await;
                stand.mongo.thaw();
            }
            Self::StepDown(seconds) => stand.mongo.step_down(seconds).await,
            Self::Cut(times) => {
                for _ in 0..times {
                    stand.change().await;
                    stand.proxy.cut();
                    stand.goes_on(name).await;
                }
            }
            Self::Network(mode, time) => {
                stand.proxy.set(mode);
                stand.change().await;
                stand.goes_on(name).await;
                sleep(time).await;
                stand.proxy.set(Mode::Pass);
            }
            Self::Pruned => pruned(stand, name).await,
        }
        Instant::now()
    }
}

async fn pruned(stand: &mut Stand, name: &str) {
    stand.proxy.set(Mode::Refuse);
    stand.change().await;
    let elsewhere = stand.mongo.client().database(stand.mongo.database()).collection("noise");
    elsewhere.insert_many((0..HISTORY + 100).map(|_| Document::new())).await.expect("noise");
    assert!(stand.mongo.prune().await > 0, "there was too much history");
    stand.goes_on(name).await;
    stand.proxy.set(Mode::Pass);
}
