//! SIGHUP: the configuration is reloaded whole, or not at all, and no request notices.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::client::{Client, get, set_user};
use crate::support::gateway::{Gateway, gateway};
use crate::support::upstream::{Behaviour, Upstream};
use crate::support::{APP, USER, plain, poll, tokens};

#[tokio::test]
async fn routes_judging_limits_and_upstreams_are_what_the_file_says_from_then_on() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let gateway = gateway(&first).customer().start().await;
    let mut kept = gateway.connect().await;
    let ask = get(plain(APP)).token(tokens::good());
    assert_eq!(kept.ask(&ask).await.verdict(), (200, "0".into()));

    gateway.reload(&[("/auth/rejection", json!("sdk"))], "ok").await;
    assert_eq!(kept.ask(&get(plain(APP))).await.verdict(), (200, "39".into()), "on a connection from before");
    gateway.reload(&[("/routes/6/auth", json!("none"))], "ok").await;
    assert_eq!(kept.ask(&get(plain(APP))).await.verdict(), (200, "0".into()));
    gateway.reload(&[("/routes/6/name", json!("renamed")), ("/routes/6/auth", json!("jwt"))], "ok").await;
    assert_eq!(kept.ask(&ask).await.status, 200);
    gateway.counted("rtms_requests_total", &[("route", "renamed"), ("status", "200")], 1).await;
    gateway.reload(&[("/limits/max_token_bytes", json!(10))], "ok").await;
    assert_eq!(kept.ask(&ask).await.verdict(), (200, "38".into()));

    let peers = json!([{ "address": second.address().to_string() }]);
    let changes = [("/upstreams/rtms/peers", peers), ("/limits/max_token_bytes", json!("8KiB"))];
    let before = first.count();
    gateway.reload(&changes, "ok").await;
    assert_eq!(kept.ask(&ask).await.verdict(), (200, "0".into()));
    assert_eq!((first.count(), second.count()), (before, 1));
    let status = gateway.status().await;
    assert_eq!(status["configuration"]["upstreams"][0]["peers"][0]["address"], second.address().to_string());
    assert_eq!((&status["last_reload"]["result"], &status["last_reload"]["problem"]), (&json!("ok"), &json!(null)));
}

#[tokio::test]
async fn a_file_with_mistakes_changes_nothing_and_every_mistake_is_logged() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let ask = get(plain(APP)).token(tokens::good());
    let bad = [("/auth/rejection", json!("html")), ("/routes/6/auth", json!("none")), ("/limitz", json!({}))];
    gateway.reload(&bad, "invalid").await;
    assert_eq!(gateway.ask(&get(plain(APP))).await.verdict(), (401, "39".into()), "not by half either");
    assert_eq!(gateway.ask(&ask).await.verdict(), (200, "0".into()));
    let said = gateway.printed();
    for mistake in ["auth.rejection: unknown word", "limitz: unknown key"] {
        assert!(said.contains(mistake), "{mistake}: {said}");
    }
    let status = gateway.status().await;
    assert_eq!(status["last_reload"]["problem"], "2 mistakes; `check` prints them");
    fs::write(gateway.dir().join("gateway.yaml"), "{").unwrap();
    gateway.signal(Signal::SIGHUP);
    poll::until_true("the reload", async || gateway.reloads("invalid").await == 2).await;
    fs::remove_file(gateway.dir().join("gateway.yaml")).unwrap();
    gateway.signal(Signal::SIGHUP);
    poll::until_true("the reload", async || gateway.reloads("invalid").await == 3).await;
    assert_eq!(gateway.ask(&ask).await.verdict(), (200, "0".into()));
}

#[tokio::test]
async fn what_only_a_restart_can_change_is_refused_whole() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let cases = [
        ("/server/drain", json!("3s"), "server"),
        ("/admin/address", json!("127.0.0.1:1"), "admin"),
        ("/apps/max_staleness", json!("5m"), "apps"),
        ("/auth/secret_encoding", json!("base64"), "auth.secret_encoding"),
    ];
    let file = gateway.dir().join("gateway.yaml");
    let original = fs::read(&file).unwrap();
    for (pointer, value, section) in &cases {
        fs::write(&file, &original).unwrap();
        gateway.reload(&[(pointer, value.clone()), ("/auth/rejection", json!("sdk"))], "restart_needed").await;
        assert_eq!(gateway.ask(&get(plain(APP))).await.verdict(), (401, "39".into()), "{pointer}");
        let problem = gateway.status().await["last_reload"]["problem"].clone();
        assert_eq!(problem, format!("restart_needed: {section}"), "{pointer}");
    }
    fs::write(&file, &original).unwrap();
    gateway.reload(&[("/auth/rejection", json!("sdk"))], "ok").await;
    assert_eq!(gateway.ask(&get(plain(APP))).await.verdict(), (200, "39".into()));
}

#[tokio::test]
async fn a_request_under_way_ends_by_the_configuration_it_came_under() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    upstream.behave(Behaviour::Hold);
    let mut held = gateway.connect().await;
    let bytes = set_user(APP, USER).token(tokens::good()).bytes(held.host());
    held.send(&bytes).await;
    upstream.arrived(1).await;
    let other = Upstream::start().await;
    let peers = json!([{ "address": other.address().to_string() }]);
    gateway.reload(&[("/upstreams/rtms/peers", peers), ("/routes/0/name", json!("another"))], "ok").await;
    upstream.release();
    assert_eq!(held.response().await.expect("an answer").verdict(), (200, "0".into()));
    gateway.counted("rtms_requests_total", &[("route", "setuserid"), ("status", "200")], 1).await;
    assert_eq!(held.ask(&set_user(APP, USER).token(tokens::good())).await.verdict(), (200, "0".into()));
    assert_eq!(other.count(), 1);
}

#[tokio::test]
async fn what_was_spent_of_a_budget_stays_spent_while_its_rate_is_the_same() {
    let upstream = Upstream::start().await;
    let limit = json!({ "rate": 0.001, "burst": 2 });
    let gateway = gateway(&upstream).customer().set("/limits/requests_per_app", limit).start().await;
    let ask = get(plain(APP)).token(tokens::good());
    assert_eq!(gateway.ask(&ask).await.status, 200);
    gateway.reload(&[("/auth/leeway", json!("1s"))], "ok").await;
    assert_eq!((gateway.ask(&ask).await.status, gateway.ask(&ask).await.status), (200, 429));
    gateway.reload(&[("/limits/requests_per_app/burst", json!(3))], "ok").await;
    assert_eq!(gateway.ask(&ask).await.status, 200);
}

/// Threads and open files of a process.
fn held_by(gateway: &Gateway) -> (usize, usize) {
    let count = |what: &str| fs::read_dir(format!("/proc/{}/{what}", gateway.pid())).unwrap().count();
    (count("task"), count("fd"))
}

/// Asks one after the other until it is told to stop; how many answers there were, and how many failed.
fn asking(gateway: &Gateway, stopped: &watch::Receiver<bool>) -> JoinHandle<(usize, usize)> {
    let (address, stopped) = (gateway.address(), stopped.clone());
    tokio::spawn(async move {
        let mut client = Client::connect(address).await;
        let ask = set_user(APP, USER).token(tokens::good());
        let (mut answers, mut failed) = (0, 0);
        while !*stopped.borrow() {
            answers += 1;
            failed += usize::from(client.ask(&ask).await.verdict() != (200, "0".to_owned()));
        }
        (answers, failed)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_reloads_fail_no_request_and_leave_nothing_behind() {
    let upstream = Upstream::start().await;
    let log = |sample: f64| json!({ "path": "access.log", "sample": sample });
    let gateway = gateway(&upstream).customer().set("/telemetry/access_log", log(1.0)).start().await;
    let (stop, stopped) = watch::channel(false);
    let clients: Vec<_> = (0..4).map(|_| asking(&gateway, &stopped)).collect();
    let peer = upstream.address().port();
    let mut after_ten = (0, 0);
    for n in 0..100 {
        // Another upstream, other routes and another log each time; a name makes the resolver follow it.
        let peers = json!([{ "address": format!("localhost:{peer}"), "weight": n % 7 + 1 }]);
        let changes = [
            ("/upstreams/rtms/peers", peers),
            ("/routes/6/name", json!(n.to_string())),
            ("/telemetry/access_log", log(if n % 2 == 0 { 0.5 } else { 1.0 })),
        ];
        gateway.reload(&changes, "ok").await;
        if n == 10 {
            after_ten = held_by(&gateway);
        }
    }
    stop.send_replace(true);
    for client in clients {
        let (answers, failed) = client.await.expect("no panic");
        assert!(failed == 0 && answers > 100, "{failed} of {answers}");
    }
    // The last logs may be ending; a leak would be one for each reload.
    let (threads, files) = after_ten;
    poll::until_true("what is let go is gone", async || {
        let now = held_by(&gateway);
        now.0 <= threads + 3 && now.1 <= files + 10
    })
    .await;
}

#[tokio::test]
async fn what_is_known_of_a_peers_health_outlives_a_reload_and_peers_that_are_gone_leave_the_gauge() {
    let (good, bad) = (Upstream::start().await, crate::support::ports::free());
    let peers = json!([{ "address": good.address().to_string() }, { "address": bad.to_string() }]);
    let check = json!({ "path": "/health", "interval": "50ms", "timeout": "50ms", "unhealthy_after": 1 });
    let gateway =
        gateway(&good).customer().set("/upstreams/rtms/peers", peers).set("/upstreams/rtms/health_check", check);
    let gateway = gateway.set("/upstreams/rtms/retries", json!(0)).start().await;
    let healthy = async |peer: &str| {
        let (metrics, of) = (gateway.metrics().await, [("peer", peer)]);
        metrics.has("rtms_upstream_peer_healthy", &of).then(|| metrics.sum("rtms_upstream_peer_healthy", &of) > 0.5)
    };
    let bad = bad.to_string();
    poll::until_true("an unhealthy peer", async || healthy(&bad).await == Some(false)).await;
    // The next check is an hour away: until then what was known holds.
    let changes =
        [("/upstreams/rtms/peers/0/weight", json!(2)), ("/upstreams/rtms/health_check/interval", json!("1h"))];
    gateway.reload(&changes, "ok").await;
    assert_eq!(healthy(&bad).await, Some(false));
    for _ in 0..6 {
        assert_eq!(gateway.verdict(APP, &tokens::good()).await, (200, "0".into()));
    }
    gateway.reload(&[("/upstreams/rtms/peers", json!([{ "address": good.address().to_string() }]))], "ok").await;
    assert_eq!(healthy(&bad).await, None);
}

#[tokio::test]
async fn what_a_refused_reload_would_have_brought_is_nowhere_to_be_seen() {
    let (upstream, other) = (Upstream::start().await, Upstream::start().await);
    let gateway = gateway(&upstream).customer().start().await;
    let (here, there) = (upstream.address().to_string(), other.address().to_string());
    let in_use = async |peer: &str| {
        let (metrics, of) = (gateway.metrics().await, [("peer", peer)]);
        metrics.has("rtms_upstream_peer_healthy", &of).then(|| metrics.sum("rtms_upstream_peer_healthy", &of) > 0.5)
    };
    assert_eq!((in_use(&here).await, in_use(&there).await), (Some(true), None));
    // Good as far as `check` can tell; nobody reads it.
    let fifo = gateway.dir().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let peers = json!([{ "address": there }]);
    let changes = [("/upstreams/rtms/peers", peers), ("/telemetry/access_log/path", json!(fifo))];
    gateway.reload(&changes, "invalid").await;
    assert_eq!((in_use(&here).await, in_use(&there).await), (Some(true), None));
    gateway.reload(&[("/telemetry/access_log/path", json!("stdout"))], "ok").await;
    assert_eq!((in_use(&here).await, in_use(&there).await), (None, Some(true)));
}

#[tokio::test]
async fn a_reload_while_draining_does_not_keep_the_process() {
    let upstream = Upstream::start().await;
    let mut gateway = gateway(&upstream).customer().set("/server/drain", "1s".into()).start().await;
    gateway.signal(Signal::SIGTERM);
    gateway.edit(&[("/auth/rejection", json!("sdk"))]);
    gateway.signal(Signal::SIGHUP);
    assert_eq!(gateway.ends(Duration::from_secs(20)).await.code(), Some(0));
}
