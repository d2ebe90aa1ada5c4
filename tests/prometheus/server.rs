//! A Prometheus under the shipped configuration and rules, only faster and with another target.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use form_urlencoded::byte_serialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::client::{self, get};
use crate::support::process::Process;
use crate::support::{poll, ports};

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Seconds since the epoch, as Prometheus counts them.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

/// The server; gone when dropped.
pub struct Prometheus {
    /// Its process.
    process: Process,
    /// Where it answers.
    pub address: SocketAddr,
}

impl Prometheus {
    /// Scrapes this address every second.
    pub async fn scraping(target: SocketAddr) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let shipped = fs::read_to_string(repository("deploy/prometheus/prometheus.yaml")).expect("a file of ours");
        let config = shipped.replace("15s", "1s").replace("gateway:9901", &target.to_string());
        assert!(config.contains(&target.to_string()), "{config}");
        fs::write(dir.path().join("prometheus.yaml"), config).expect("a directory of ours");
        fs::copy(repository("deploy/prometheus/rules.yaml"), dir.path().join("rules.yaml")).expect("a file of ours");
        let address = ports::free();
        let mut command = Command::new("prometheus");
        let option = |name: &str, value: &str| format!("--{name}={value}");
        command
            .arg(option("config.file", &dir.path().join("prometheus.yaml").to_string_lossy()))
            .arg(option("storage.tsdb.path", &dir.path().join("data").to_string_lossy()))
            .arg(option("web.listen-address", &address.to_string()));
        let mut prometheus = Self { process: Process::start("prometheus", &mut command, dir), address };
        poll::until("prometheus is ready", async || {
            assert!(prometheus.process.ended().is_none(), "prometheus ended");
            client::answers(address, "/-/ready").await.then_some(())
        })
        .await;
        prometheus
    }

    /// A call of its API; the `data` of the answer, or what it says is wrong.
    pub async fn ask(&self, call: &str, arguments: &[(&str, &str)]) -> Result<Value, String> {
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let query: Vec<String> = arguments.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let answer = client::once(self.address, &get(format!("/api/v1/{call}?{}", query.join("&")))).await;
        let mut body: Value =
            serde_json::from_slice(&answer.body).map_err(|error| format!("{error}: {}", answer.text()))?;
        if body["status"] == "success" { Ok(body["data"].take()) } else { Err(body["error"].to_string()) }
    }

    /// The samples of an expression, second by second; all series together, those that are no numbers left out.
    pub async fn samples(&self, expression: &str, from: f64, to: f64) -> Result<usize, String> {
        let (from, to) = (from.to_string(), to.to_string());
        let arguments = [("query", expression), ("start", &from), ("end", &to), ("step", "1")];
        let data = self.ask("query_range", &arguments).await?;
        let series = data["result"].as_array().ok_or("no result")?;
        let values = series.iter().flat_map(|one| one["values"].as_array().into_iter().flatten());
        Ok(values.filter(|value| value[1].as_str() != Some("NaN")).count())
    }

    /// What an instant query gives at a moment.
    pub async fn instant(&self, expression: &str, at: f64) -> Result<Vec<Value>, String> {
        let data = self.ask("query", &[("query", expression), ("time", &at.to_string())]).await?;
        data["result"].as_array().cloned().ok_or_else(|| "no result".to_owned())
    }
}
