//! What can be done to a server of the test's own.

use mongodb::bson::{Bson, Document, doc};
use nix::sys::signal::Signal;

use super::Mongo;
use crate::support::poll;

/// The name under which a gateway speaks to its database: failpoints hit it alone, never the test's own client.
const GATEWAY: &str = "rtms-gateway";

impl Mongo {
    /// Kills the server, as a crash does.
    pub fn kill(&mut self) {
        self.server_mut().kill();
    }

    /// Stops the server in an orderly way.
    pub async fn terminate(&mut self) {
        self.server_mut().terminate().await;
    }

    /// Stops the server's clock: it keeps its connections and answers nothing.
    pub fn freeze(&self) {
        self.server().signal(Signal::SIGSTOP);
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.server().signal(Signal::SIGCONT);
    }

    /// Lets commands of a gateway fail: `mode` and `data` are those of `failCommand`.
    pub async fn fail(&self, commands: &[&str], mode: impl Into<Bson>, data: &Document) {
        let mut data = data.clone();
        data.insert("failCommands", commands);
        data.insert("appName", GATEWAY);
        self.admin(doc! { "configureFailPoint": "failCommand", "mode": mode.into(), "data": data }).await;
    }

    /// Lets no command fail any more.
    pub async fn heal(&self) {
        self.admin(doc! { "configureFailPoint": "failCommand", "mode": "off" }).await;
    }

    /// The server is no primary for so many seconds; returns once it is one again.
    pub async fn step_down(&self, seconds: i32) {
        self.admin(doc! { "replSetStepDown": seconds, "force": true }).await;
        poll::until_true("a primary again", async || {
            let hello = self.client().database("admin").run_command(doc! { "hello": 1 }).await;
            hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false))
        })
        .await;
    }

    /// Prunes the history down to what `--oplog-max-entries` allows. The server prunes by itself, too, but only every
    /// thousand writes.
    pub async fn prune(&self) -> i32 {
        let done = self.admin(doc! { "secantusAdmin.pruneOplog": 1 }).await;
        done.get_i32("pruned").expect("a number of entries")
    }

    /// A command to the server itself.
    pub async fn admin(&self, command: Document) -> Document {
        let shown = command.keys().next().cloned().unwrap_or_default();
        let done = self.client().database("admin").run_command(command).await;
        done.unwrap_or_else(|error| panic!("{shown}: {error}"))
    }
}
