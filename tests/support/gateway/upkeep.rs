//! What operators do to a running gateway, and what they look at.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::Gateway;
use crate::support::config::set;
use crate::support::poll;

impl Gateway {
    /// Changes its file.
    pub fn edit(&self, changes: &[(&str, Value)]) {
        let file = self.dir().join("gateway.yaml");
        let text = std::fs::read(&file).expect("a file of ours");
        let mut config: Value = serde_json::from_slice(&text).expect("written by us");
        for (pointer, value) in changes {
            set(&mut config, pointer, value.clone());
        }
        std::fs::write(&file, config.to_string()).expect("a file of ours");
    }

    /// How often a reload came to this.
    pub async fn reloads(&self, result: &str) -> u64 {
        self.metrics().await.count("rtms_config_reloads_total", &[("result", result)])
    }

    /// Changes its file, asks for a reload and waits until that came to this.
    pub async fn reload(&self, changes: &[(&str, Value)], result: &str) {
        self.edit(changes);
        let before = self.reloads(result).await;
        self.signal(Signal::SIGHUP);
        poll::until_true("the reload", async || self.reloads(result).await == before + 1).await;
    }

    /// Bytes of memory it holds, and the most it held since [`Self::forget_peak`].
    pub fn memory(&self) -> (u64, u64) {
        self.process.memory()
    }

    /// Lets the peak of [`Self::memory`] begin anew.
    pub fn forget_peak(&self) {
        self.process.forget_peak();
    }

    /// The access log so far: the lines on standard output that have a `path`.
    pub fn access_log(&self) -> Vec<Value> {
        let lines = self.process.stdout();
        let values = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        values.filter(|value| value.get("path").is_some()).collect()
    }

    /// Everything it printed.
    pub fn printed(&self) -> String {
        self.process.stdout() + &self.process.stderr()
    }
}
