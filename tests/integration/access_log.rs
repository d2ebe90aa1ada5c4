//! The access log on real files and pipes: its form, its rotation, and that nothing secret is in it or beside it.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;

use nix::libc::O_NONBLOCK;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::{get, post, set_user};
use crate::support::gateway::profiles::{READER, WRITER};
use crate::support::gateway::{Gateway, gateway};
use crate::support::tokens;
use crate::support::upstream::Upstream;
use crate::support::{APP, SECRET, USER, plain, poll};

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Waits for so many lines in a file.
async fn logged(path: &Path, count: usize) -> Vec<String> {
    poll::until("lines in the file", async || Some(lines(path)).filter(|lines| lines.len() >= count)).await
}

#[tokio::test]
async fn a_format_is_followed_and_a_reload_changes_form_file_and_sample() {
    let upstream = Upstream::start().await;
    let log = "/telemetry/access_log";
    let format = r#"{client_ip} "{method} {path} {protocol}" {status} {reason} {key} {user} {trace_id} {attempts}"#;
    let settings = json!({ "path": "first.log", "format": format, "user": "plain" });
    let gateway = gateway(&upstream).customer().set(log, settings).start().await;
    let (first, second) = (gateway.dir().join("first.log"), gateway.dir().join("second.log"));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = get(plain(APP)).token(tokens::good()).header(format!("traceparent: 00-{trace}-00f067aa0ba902b7-01"));
    gateway.ask(&request).await;
    let path = plain(APP);
    assert_eq!(logged(&first, 1).await, [format!("127.0.0.1 \"GET {path} HTTP/1.1\" 200 - current {USER} {trace} 1")]);
    gateway.ask(&get(format!("{path}?\"forged\" 200"))).await;
    let json = json!({ "path": "second.log", "sample": 0, "sample_rejections": 1, "user": "hashed" });
    gateway.reload(&[(log, json)], "ok").await;
    gateway.ask(&request).await;
    gateway.ask(&get(path.as_str())).await;
    let line: Value = serde_json::from_str(&logged(&second, 1).await[0]).unwrap();
    assert_eq!((&line["status"], &line["reason"]), (&json!(401), &json!("token_missing")), "the good one isn't logged");

    gateway.reload(&[(log, json!({ "path": "second.log", "user": "hashed" }))], "ok").await;
    for _ in 0..2 {
        gateway.ask(&request).await;
    }
    let told: Vec<Value> = logged(&second, 3).await.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let user = told[1]["user"].as_str().unwrap();
    assert!(user.len() == 16 && user != USER && told[2]["user"] == user, "{told:?}");
    assert_eq!((&told[1]["key"], &told[1]["trace_id"]), (&json!("current"), &json!(trace)));
    assert!(told[1]["upstream_ms"].as_f64().unwrap() <= told[1]["duration_ms"].as_f64().unwrap());
}

#[tokio::test]
async fn a_rotation_under_load_loses_no_line_and_tears_none() {
    const CLIENTS: usize = 4;
    const REQUESTS: usize = 150;
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().set("/telemetry/access_log/path", "access.log".into()).start().await;
    let path = gateway.dir().join("access.log");
    let client = async |client: usize| {
        let mut connection = gateway.connect().await;
        for n in 0..REQUESTS {
            let id = format!("X-Request-Id: {client}-{n}");
            assert_eq!(connection.ask(&get(plain(APP)).header(id)).await.status, 401);
        }
    };
    let rotations = async {
        let mut rotated = 0;
        for n in 1..=5 {
            logged(&path, 20).await;
            fs::rename(&path, gateway.dir().join(format!("access.log.{n}"))).unwrap();
            gateway.signal(Signal::SIGUSR1);
            poll::until_true("the file is opened anew", async || path.exists()).await;
            rotated = n;
        }
        rotated
    };
    let (rotated, ..) = tokio::join!(rotations, client(0), client(1), client(2), client(3));
    let files: Vec<_> = (1..=rotated).map(|n| gateway.dir().join(format!("access.log.{n}"))).chain([path]).collect();
    let all = || files.iter().flat_map(|file| lines(file)).collect::<Vec<_>>();
    poll::until_true("all lines", async || all().len() >= CLIENTS * REQUESTS).await;
    let ids: BTreeSet<String> = all()
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).expect("a whole line")["request_id"].to_string())
        .collect();
    assert_eq!((all().len(), ids.len()), (CLIENTS * REQUESTS, CLIENTS * REQUESTS));
    assert_eq!(gateway.metrics().await.count("rtms_access_log_dropped_total", &[]), 0);
}

/// A pipe, and its end that nobody reads.
fn pipe(dir: &Path) -> (std::path::PathBuf, File) {
    let path = dir.join("access.pipe");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
    let end = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(&path).unwrap();
    (path, end)
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_stalls_no_request_and_what_is_lost_is_counted() {
    // What the pipe, the writer and the queue hold, and some more.
    const REQUESTS: usize = 11_000;
    const CLIENTS: usize = 4;
    let dir = TempDir::new().unwrap();
    let (path, _end) = pipe(dir.path());
    let upstream = Upstream::start().await;
    let to = json!(path.to_str().unwrap());
    let gateway = gateway(&upstream).customer().set("/telemetry/access_log/path", to).start().await;
    let flood = async || {
        let mut connection = gateway.connect().await;
        for _ in 0..REQUESTS / CLIENTS {
            assert_eq!(connection.ask(&get("/nowhere")).await.status, 404);
        }
    };
    poll::bounded("every request is answered", async { tokio::join!(flood(), flood(), flood(), flood()) }).await;
    let dropped = gateway.metrics().await.count("rtms_access_log_dropped_total", &[]);
    assert!(dropped > 0 && dropped < REQUESTS as u64, "{dropped}");
    assert_eq!(gateway.ask(&get(plain(APP)).token(tokens::good())).await.status, 200);
}

/// The requests that the gateway itself sees; whether Pingora lets the others through, nothing of them may be told.
const LOGGED: usize = 8;

/// Everything a gateway tells: its logs, metrics and status.
async fn told(gateway: &Gateway) -> String {
    let (metrics, status) = (gateway.page("/metrics").await.text(), gateway.page("/status").await.text());
    gateway.printed() + &metrics + &status
}

/// Secrets, and what is secret of these tokens.
fn never_told(tokens: &[&String]) -> Vec<String> {
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    let payload = |token: &str| token.split('.').nth(1).unwrap().to_owned();
    let mut never: Vec<String> =
        [SECRET, USER, WRITER, READER, "no-token-of-anybody", "reload-secret"].map(Into::into).into();
    never.extend(["query-secret", "basic-secret", "body-secret", "header-secret", "fragment-secret"].map(Into::into));
    never.extend(["password-secret", "another-secret", "users-are-hashed-with"].map(Into::into));
    never.extend(tokens.iter().flat_map(|token| [signature(token), payload(token)]));
    never
}

#[tokio::test]
async fn no_token_secret_or_query_is_in_anything_the_gateway_tells() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream)
        .customer()
        .app("TR_OTHER", "another-secret-that-nobody-may-see-anywhere")
        .profiles()
        .set("/telemetry/per_app", "all".into())
        .set(
            "/telemetry/access_log",
            json!({ "user": "hashed", "user_hash_key": "the-key-that-users-are-hashed-with" }),
        )
        .start()
        .await;
    let (good, expired) = (tokens::good(), tokens::expired());
    let forged = tokens::of(APP, USER, "a-wrong-secret");
    for token in [&good, &expired, &forged] {
        gateway.ask(&get(format!("{}?apikey=query-secret", plain(APP))).token(token)).await;
        gateway.ask(&set_user(APP, USER).token(token)).await;
    }
    gateway.ask(&get(plain(APP)).header("Authorization: Basic basic-secret")).await;
    gateway.ask(&post("/nowhere?query-secret#fragment-secret", "body-secret")).await;
    gateway.ask(&get("http://login:password-secret@h/x?query-secret")).await;
    let mut client = gateway.connect().await;
    client.send(b"GET /x?query-secret HTTP/1.1\r\nHost: h\r\nBad header-secret\r\n\r\n").await;
    client.closed().await;
    for token in [WRITER, READER, "no-token-of-anybody"] {
        gateway.call(&get("/api/v1/apps").token(token)).await;
        gateway.call(&get("/api/v1/apps?after=query-secret").token(token)).await;
    }
    gateway.reload(&[("/auth/rejection", json!("reload-secret"))], "invalid").await;
    poll::until_true("the last line", async || gateway.access_log().len() >= LOGGED).await;
    let told = told(&gateway).await;
    let never = never_told(&[&good, &expired, &forged]);
    for secret in &never {
        assert!(!told.contains(secret.as_str()), "{secret} is told");
    }
    assert!(told.contains("token_expired") && told.contains("rtms_app_requests_total{app="), "something is told");
}
