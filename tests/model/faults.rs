//! Faults at random: of the server, of its answers, and of the way to it. Writes go on where they can.

use std::time::Duration;

use mongodb::bson::{Bson, Document, doc};
use tokio::time::sleep;

use super::rig::Rig;
use crate::support::proxy::Mode;

/// Entries of history that a prune leaves.
pub(super) const HISTORY: usize = 1500;

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Kill,
    Terminate,
    Freeze,
    StepDown,
    FailOnce,
    FailForAWhile,
    Prune,
    Cut,
    Stall,
    BlackHole,
    Refuse,
    Restart,
}

impl Fault {
    /// A random one; the slow ones are rarer.
    pub(super) fn random(rng: &mut fastrand::Rng) -> Self {
        match rng.u8(..100) {
            0..6 => Self::Kill,
            6..10 => Self::Terminate,
            10..16 => Self::Freeze,
            16..21 => Self::StepDown,
            21..41 => Self::FailOnce,
            41..51 => Self::FailForAWhile,
            51..57 => Self::Prune,
            57..72 => Self::Cut,
            72..78 => Self::Stall,
            78..81 => Self::BlackHole,
            81..87 => Self::Refuse,
            _ => Self::Restart,
        }
    }
}

impl Rig {
    pub(super) async fn fault(&mut self, fault: Fault) {
        self.note(format!("{fault:?}"));
        match fault {
            Fault::Kill => {
                self.mongo.kill();
                self.mongo.restart().await;
            }
            Fault::Terminate => {
                self.mongo.terminate().await;
                self.mongo.restart().await;
            }
            Fault::Freeze => {
                self.mongo.freeze();
                self.lasts(2500).await;
                self.mongo.thaw();
            }
            Fault::StepDown => self.mongo.step_down(1).await,
            Fault::FailOnce => self.fail_once().await,
            Fault::FailForAWhile => self.fail_for_a_while().await,
            Fault::Prune => self.pruned().await,
            Fault::Cut => {
                for _ in 0..self.rng.usize(1..4) {
                    self.operate_some(30).await;
                    self.proxy().cut();
                }
            }
            Fault::Stall => self.through(Mode::Stall, 2000).await,
            Fault::BlackHole => self.through(Mode::BlackHole, 1000).await,
            Fault::Refuse => self.through(Mode::Refuse, 1500).await,
            Fault::Restart => {
                let operations = self.rng.usize(20..150);
                self.follow_anew(operations).await;
            }
        }
    }

    async fn fail_once(&mut self) {
        let times = self.rng.i32(1..3);
        self.failing(doc! { "times": times }.into()).await;
        self.operate_some(80).await;
    }

    async fn fail_for_a_while(&mut self) {
        self.failing("alwaysOn".into()).await;
        self.operate_some(80).await;
        self.lasts(1500).await;
        self.mongo.heal().await;
    }

    fn proxy(&self) -> &crate::support::proxy::Proxy {
        self.proxy.as_ref().expect("faults come with a proxy")
    }

    async fn operate_some(&mut self, most: usize) {
        let some = self.rng.usize(..most);
        self.operate(some).await;
    }

    /// A fault has to last for some time, or it is none.
    async fn lasts(&mut self, most_ms: u64) {
        sleep(Duration::from_millis(self.rng.u64(..most_ms))).await;
    }

    async fn through(&mut self, mode: Mode, most_ms: u64) {
        self.proxy().set(mode);
        self.operate_some(80).await;
        self.lasts(most_ms).await;
        self.proxy().set(Mode::Pass);
    }

    async fn failing(&mut self, mode: Bson) {
        let commands: &[&str] = match self.rng.u8(..6) {
            0 => &["aggregate"],
            1 => &["find"],
            2 => &["getMore", "aggregate"],
            3 => &["getMore", "aggregate", "find", "hello"],
            _ => &["getMore"],
        };
        let data = self.failure(commands);
        self.note(format!("failing: {commands:?} {mode} {data}"));
        self.mongo.fail(commands, mode, &data).await;
        if !commands.contains(&"getMore") {
            // Else nothing would ask for these.
            self.proxy().cut();
        }
    }

    fn failure(&mut self, commands: &[&str]) -> Document {
        let code = [43, 50, 91, 91, 237, 280, 286, 13, 6, 189, 11600, 10107][self.rng.usize(..12)];
        match self.rng.u8(..4) {
            _ if commands.contains(&"hello") => doc! { "closeConnection": true },
            0 => doc! { "closeConnection": true },
            1 => doc! { "errorCode": code, "errorLabels": ["ResumableChangeStreamError"] },
            _ => doc! { "errorCode": code },
        }
    }

    /// The gateways are away while more happens than the server remembers.
    ///
    /// Both must have noticed that they are: the driver asks on with a cursor that is alive if its connection was idle
    /// when it was cut, and where mongod answers that the cursor's place is gone (`CappedPositionLost`), `SecantusDB`
    /// passes over what was pruned without a word.
    async fn pruned(&mut self) {
        self.proxy().set(Mode::Refuse);
        self.away().await;
        self.operate_some(40).await;
        let elsewhere = self.mongo.client().database(self.mongo.database()).collection("noise");
        let noise = (0..HISTORY + 100).map(|_| Document::new());
        elsewhere.insert_many(noise).await.expect("noise");
        self.mongo.prune().await;
        self.operate_some(40).await;
        self.proxy().set(Mode::Pass);
    }
}
