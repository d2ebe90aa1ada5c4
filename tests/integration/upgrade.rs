//! SIGQUIT and `run --upgrade`: a new process takes the place of a running one, and nobody notices.

mod unnoticed;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use crate::support::client::{self, get, websocket};
use crate::support::gateway::{Builder, Gateway, gateway};
use crate::support::load::{PACE, Plan, Way};
use crate::support::upstream::{Behaviour, Upstream};
use crate::support::{APP, plain, poll, tokens};

/// More than any stop may take here.
const BOUND: Duration = Duration::from_secs(30);

/// A gateway that can be upgraded.
fn upgradable(upstream: &Upstream) -> Builder {
    gateway(upstream)
        .customer()
        .set("/server/upgrade_socket", json!("upgrade.sock"))
        .set("/server/pid_file", json!("gateway.pid"))
        .set("/server/drain", json!("5s"))
}

fn pid_file(gateway: &Gateway) -> String {
    fs::read_to_string(gateway.dir().join("gateway.pid")).unwrap().trim().to_owned()
}

/// A configuration whose apps can't be read, under which a process doesn't become ready until they can.
fn unready(gateway: &Gateway) {
    gateway.configure("next.yaml", &[("/apps/file/path", json!("next-apps.yaml"))]);
    fs::write(gateway.dir().join("next-apps.yaml"), "- {").unwrap();
}

/// How often it handed over, took over, and failed to hand over.
async fn upgrades(gateway: &Gateway) -> [u64; 3] {
    let metrics = gateway.metrics().await;
    ["handed_over", "taken_over", "failed"].map(|result| metrics.count("rtms_upgrades_total", &[("result", result)]))
}

#[tokio::test]
async fn a_new_process_that_dies_changes_nothing_and_another_can_take_over() {
    let upstream = Upstream::start().await;
    let mut old = upgradable(&upstream).start().await;
    let load = Plan::steady(&old).by(old.address(), Way::Fresh).paced(2, PACE).start().await;
    unready(&old);
    let dies = old.successor_under("next.yaml");
    old.signal(Signal::SIGQUIT);
    dies.says("handed over; it serves until we do").await;
    let status = old.status().await;
    assert!(status["upgrade"]["pending_since"].is_string(), "{status}");
    old.signal(Signal::SIGQUIT);
    old.says("that is under way already").await;
    load.goes_on(100).await;
    for _ in 0..100 {
        assert_eq!(old.readyz().await.0, 200, "the old one alone answers");
    }
    drop(dies);
    old.says("the new process ended before it served").await;
    let status = old.status().await;
    assert!(status["upgrade"]["pending_since"].is_null(), "{status}");
    assert!(status["upgrade"]["last_failure"].is_string(), "{status}");
    // The second SIGQUIT came to nothing too.
    assert_eq!(upgrades(&old).await, [0, 0, 2]);
    load.goes_on(100).await;

    let new = old.successor();
    old.hand_over(&new).await;
    assert_eq!(old.ends(BOUND).await.code(), Some(0), "{}", old.printed());
    load.end().await.none_failed();
    assert_eq!(new.verdict(APP, &tokens::good()).await, (200, "0".into()));
}

#[tokio::test]
async fn a_new_process_whose_predecessor_dies_serves_once_it_can() {
    let upstream = Upstream::start().await;
    let old = upgradable(&upstream).start().await;
    unready(&old);
    let new = old.successor_under("next.yaml");
    old.signal(Signal::SIGQUIT);
    new.says("handed over; it serves until we do").await;
    let mut old = old;
    old.signal(Signal::SIGINT);
    old.ends(BOUND).await;
    // A client that comes meanwhile waits; it isn't refused.
    let mut waits = new.connect().await;
    let request = get(plain(APP)).token(tokens::good()).bytes(waits.host());
    waits.send(&request).await;
    fs::copy(new.apps_file(), new.dir().join("next-apps.yaml")).unwrap();
    assert_eq!(waits.response().await.expect("an answer").verdict(), (200, "0".into()));
    assert_eq!(new.readyz().await.0, 200);
    assert_eq!(pid_file(&new), new.pid().to_string());
}

#[tokio::test]
async fn sigterm_stops_a_process_that_waits_for_its_successor() {
    let upstream = Upstream::start().await;
    let mut old = upgradable(&upstream).set("/server/drain", json!("1s")).start().await;
    old.signal(Signal::SIGQUIT);
    old.says("SIGQUIT: handing over").await;
    old.signal(Signal::SIGTERM);
    assert_eq!(old.ends(BOUND).await.code(), Some(0), "{}", old.printed());
    assert!(TcpStream::connect(old.address()).await.is_err());

    let mut waits = old.successor();
    waits.says("waiting for the running process").await;
    waits.signal(Signal::SIGTERM);
    assert_eq!(waits.ends(BOUND).await.code(), Some(0), "{}", waits.printed());
    assert!(!waits.dir().join("upgrade.sock").exists());
}

#[tokio::test]
async fn a_process_that_drains_leaves_as_soon_as_its_successor_serves() {
    let upstream = Upstream::start().await;
    let mut old = upgradable(&upstream).set("/server/drain", json!("10m")).start().await;
    unready(&old);
    let new = old.successor_under("next.yaml");
    old.signal(Signal::SIGQUIT);
    new.says("handed over; it serves until we do").await;
    old.signal(Signal::SIGTERM);
    poll::until_true("it drains", async || old.readyz().await.0 == 503).await;
    assert_eq!(old.verdict(APP, &tokens::good()).await, (200, "0".into()));
    fs::copy(new.apps_file(), new.dir().join("next-apps.yaml")).unwrap();
    assert_eq!(old.ends(BOUND).await.code(), Some(0), "{}", old.printed());
    assert_eq!(new.verdict(APP, &tokens::good()).await, (200, "0".into()));
    assert_eq!(new.readyz().await.0, 200);
    assert_eq!(upgrades(&new).await, [0, 1, 0]);
}

#[tokio::test]
async fn listeners_may_differ_from_before() {
    let upstream = Upstream::start().await;
    let mut old = upgradable(&upstream).listener(json!({})).start().await;
    let (gone, added) = (old.second_address(), crate::support::ports::free());
    let listeners = [old.address(), added].map(|address| json!({ "address": address.to_string() }));
    old.configure("next.yaml", &[("/listeners", json!(listeners)), ("/server/drain", json!("1s"))]);
    let new = old.successor_under("next.yaml");
    assert!(TcpStream::connect(added).await.is_err());
    old.hand_over(&new).await;
    for address in [new.address(), added] {
        let answer = client::once(address, &get(plain(APP)).token(tokens::good())).await;
        assert_eq!(answer.verdict(), (200, "0".into()), "{address}");
    }
    poll::until_true("nobody listens there any more", async || TcpStream::connect(gone).await.is_err()).await;
    assert_eq!(old.ends(BOUND).await.code(), Some(0), "{}", old.printed());
}

#[tokio::test]
async fn streams_live_on_and_are_cut_after_requests_have_finished() {
    let upstream = Upstream::start().await;
    let mut old = upgradable(&upstream)
        .set("/server/drain", json!("500ms"))
        .set("/server/finish_requests", json!("20s"))
        .set("/server/finish_streams", json!("1s"))
        .start()
        .await;
    upstream.behave(Behaviour::Upgrade);
    let mut socket = old.connect().await;
    assert_eq!(socket.ask(&websocket(plain(APP)).token(tokens::good())).await.status, 101);
    upstream.behave(Behaviour::Hold);
    let mut held = old.connect().await;
    let request = get(plain(APP)).token(tokens::good()).bytes(held.host());
    held.send(&request).await;
    upstream.arrived(2).await;

    let new = old.successor();
    old.hand_over(&new).await;
    // Over the time of streams: they last as long as there are requests.
    tokio::time::sleep(Duration::from_secs(3)).await;
    socket.send(b"still there").await;
    assert_eq!(socket.take(11).await.as_deref(), Some(&b"still there"[..]));
    upstream.release();
    let answer = held.response().await.expect("an answer");
    assert_eq!(answer.verdict(), (200, "0".into()));
    assert!(answer.head.lists("connection", "close"), "{:?}", answer.head);
    assert!(socket.closed().await);
    assert_eq!(old.ends(BOUND).await.code(), Some(0), "{}", old.printed());
}

#[tokio::test]
async fn a_stranger_at_the_socket_is_turned_away() {
    let upstream = Upstream::start().await;
    let old = upgradable(&upstream).start().await;
    let new = old.successor();
    new.says("waiting for the running process").await;
    let path = old.dir().join("upgrade.sock");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut stranger = UnixStream::connect(&path).await.unwrap();
    stranger.write_all(&[b'x'; 200]).await.unwrap();
    new.says("turned away").await;
    let mut said = Vec::new();
    let _ = poll::bounded("the end of the connection", stranger.read_to_end(&mut said)).await;
    assert!(said.is_empty());
    old.hand_over(&new).await;
    assert_eq!(new.verdict(APP, &tokens::good()).await, (200, "0".into()));
}

#[tokio::test]
async fn without_a_socket_there_is_no_upgrade() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let (status, printed) = gateway.no_successor();
    assert_eq!(status.code(), Some(2), "{printed}");
    assert!(printed.contains("gateway.yaml") && printed.contains("server.upgrade_socket"), "{printed}");
    gateway.signal(Signal::SIGQUIT);
    gateway.says("server.upgrade_socket isn't set").await;
    assert_eq!(gateway.verdict(APP, &tokens::good()).await, (200, "0".into()));
}
