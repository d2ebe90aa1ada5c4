//! `rtms-gateway health`: what a container's probe learns.

use std::net::SocketAddr;
use std::process::{Command, Output};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::gateway::gateway;
use crate::support::upstream::Upstream;
use crate::support::{poll, ports};

fn health(address: SocketAddr, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtms-gateway"));
    // A proxy of the environment's is not asked.
    command.envs([("http_proxy", "http://127.0.0.1:1"), ("ALL_PROXY", "http://127.0.0.1:1")]);
    command.args(["health", "--address", &format!("http://{address}")]).args(more).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_is_alive_before_it_is_ready_and_while_it_drains() {
    let upstream = Upstream::start().await;
    let builder = gateway(&upstream).set("/apps/file/path", json!("later.yaml")).set("/server/drain", json!("10m"));
    let gateway = builder.launch().await;
    assert_eq!(health(gateway.admin(), &[]).status.code(), Some(0));
    let unready = health(gateway.admin(), &["--ready"]);
    assert_eq!(unready.status.code(), Some(1));
    let why = String::from_utf8(unready.stderr).unwrap();
    assert!(why.contains(": 503 ") && why.contains("/readyz"), "{why}");

    std::fs::copy(gateway.apps_file(), gateway.dir().join("later.yaml")).unwrap();
    let ready = async || health(gateway.admin(), &["--ready"]).status.success();
    poll::until_true("it is ready", ready).await;
    let good = health(gateway.admin(), &["--ready"]);
    assert!(good.stdout.is_empty() && good.stderr.is_empty(), "{good:?}");

    gateway.signal(Signal::SIGTERM);
    poll::until_true("it drains", async || !ready().await).await;
    assert!(String::from_utf8_lossy(&health(gateway.admin(), &["--ready"]).stderr).contains("draining"));
    assert!(health(gateway.admin(), &[]).status.success());
}

#[test]
fn nobody_there_is_1_and_a_bad_flag_2() {
    let nobody = ports::free();
    let refused = health(nobody, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains(&nobody.to_string()), "{refused:?}");
    assert_eq!(health(nobody, &["--timeout", "0s"]).status.code(), Some(2));
    let address = ["health", "--address", "https://127.0.0.1:1"];
    let usage = Command::new(env!("CARGO_BIN_EXE_rtms-gateway")).args(address).output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
}

#[test]
fn an_answer_that_never_comes_is_1() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = health(listener.local_addr().unwrap(), &["--timeout", "200ms"]);
    assert_eq!(silent.status.code(), Some(1));
}
