use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use super::*;
use crate::apps::feed::Feed;
use crate::config;

const CONFIGURATION: &str = "
listeners: [ { address: 127.0.0.1:8080 } ]
apps: { source: file, file: { path: apps.yaml } }
upstreams: { rtms: { peers: [ { address: 10.0.0.1:80, weight: 2 } ] } }
routes: [ { name: setuserid, path: '/app/{appId}/setuserid', upstream: rtms } ]
";

/// The admin pages on a port of their own, over a feed that reads a real file.
struct Admin {
    address: SocketAddr,
    ready: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    _dir: tempfile::TempDir,
}

impl Admin {
    async fn start(apps: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("gateway.yaml");
        std::fs::write(dir.path().join("apps.yaml"), apps).unwrap();
        std::fs::write(&file, CONFIGURATION).unwrap();
        let settings = config::load(&file, &|_| None).unwrap().settings;
        let metrics = Metrics::new(&["setuserid"], &[("rtms", vec!["10.0.0.1:80"])]).unwrap();
        let feed = Feed::new(&settings.apps, settings.auth.secret_encoding, Arc::clone(&metrics) as _);
        let ready = Arc::new(AtomicBool::new(false));
        let (asked, why) = (Arc::clone(&ready), "draining: asked to stop");
        let state = AdminState {
            metrics,
            feed: feed.status(),
            tell: Arc::new(|| ()),
            ready: Arc::new(move || if asked.load(Ordering::SeqCst) { Ok(()) } else { Err(why.to_owned()) }),
            about: Arc::new(ArcSwap::from_pointee(About::new(&settings, &file))),
            certificates: Board::default(),
            clusters: Arc::new(Vec::new),
            upgrade: Arc::default(),
            draining: Arc::default(),
            recent: Arc::default(),
        };
        let (stop, stopping) = watch::channel(false);
        let (loaded, is_loaded) = oneshot::channel();
        tokio::spawn(feed.run(stopping, move || loaded.send(()).unwrap()));
        is_loaded.await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router(state)).await });
        Self { address, ready, stop, _dir: dir }
    }

    /// Status, head and body of the answer.
    async fn ask(&self, method: &str, path: &str) -> (u16, String, String) {
        self.ask_for("*/*", method, path).await
    }

    /// The same, with this `Accept`.
    async fn ask_for(&self, accept: &str, method: &str, path: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: admin\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_ascii_lowercase(), body.to_owned())
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

const APPS: &str = r#"
- { appId: TR1, jwt_secretkey: "a secret of more than thirty-two bytes" }
- { appId: TR2, jwt_secretkey: "s3cr3t" }
- { appId: TR3 }
- { appId: TR4, jwtSecretKey: "typo-s3cr3t" }
"#;

#[tokio::test]
async fn probes_answer_and_say_why_not() {
    let admin = Admin::start(APPS).await;
    assert_eq!(admin.ask("GET", "/livez").await.0, 200);
    let (status, _, body) = admin.ask("GET", "/readyz").await;
    assert_eq!((status, &*body), (503, "not ready: draining: asked to stop\n"));
    admin.ready.store(true, Ordering::SeqCst);
    let (status, head, body) = admin.ask("GET", "/readyz").await;
    assert_eq!((status, &*body), (200, "ready\n"));
    assert!(head.contains("cache-control: no-store"), "{head}");
}

#[tokio::test]
async fn metrics_are_prometheus_text_and_fresh() {
    let admin = Admin::start(APPS).await;
    let (status, head, body) = admin.ask("GET", "/metrics").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    for line in [
        r#"rtms_apps{state="jwt"} 2"#,
        r#"rtms_apps{state="open"} 1"#,
        r#"rtms_apps{state="unusable"} 1"#,
        r#"rtms_apps_weak{kind="short"} 1"#,
        r#"rtms_apps_reloads_total{cause="start"} 1"#,
        "rtms_apps_stale 0",
    ] {
        assert!(body.lines().any(|l| l == line), "{line}\n{body}");
    }
}

#[tokio::test]
async fn the_status_page_tells_what_runs_and_no_secret() {
    let admin = Admin::start(APPS).await;
    let (status, head, body) = admin.ask("GET", "/status").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/json"), "{head}");
    assert!(!body.contains("s3cr3t"), "{body}");
    let page: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(page["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&page["ready"], &page["not_ready"]), (&false.into(), &"draining: asked to stop".into()));
    assert!(page["configuration"]["file"].as_str().unwrap().ends_with("/gateway.yaml"));
    assert_eq!(page["configuration"]["upstreams"][0]["peers"][0]["address"], "10.0.0.1:80");
    let apps = &page["apps"];
    assert_eq!((&apps["source"], &apps["counts"]["total"], &apps["stale"]), (&"file".into(), &4.into(), &false.into()));
    assert_eq!((&apps["last_load"]["cause"], &apps["last_load"]["documents"]), (&"start".into(), &4.into()));
    assert_eq!(apps["reloads"]["start"], 1);
    assert_eq!((&page["verdict"], &page["reloads"]), (&"not_ready".into(), &serde_json::json!([])));
    assert!(page["now"].is_string() && apps["last_published"].is_string(), "{page}");
    assert_eq!(page["recent"]["step_seconds"], 10);
    assert_eq!(page["traffic"]["requests"], 0);
    let fingerprint = page["configuration"]["fingerprint"].as_str().unwrap();
    assert!(fingerprint.len() == 16 && fingerprint.bytes().all(|b| b.is_ascii_hexdigit()), "{fingerprint}");
    assert!(apps["cache"].is_null());
    assert_eq!(apps["unusable"][0]["app"], "TR4");
    assert!(apps["unusable"][0]["fault"].as_str().unwrap().contains("jwtSecretKey"));
}

#[tokio::test]
async fn people_get_a_page_that_may_do_nothing_but_ask_for_the_json() {
    let admin = Admin::start(APPS).await;
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let (status, head, body) = admin.ask_for(browser, "GET", "/status").await;
    assert_eq!(status, 200);
    assert!(body.starts_with("<!doctype html>"), "{body}");
    for line in [
        "content-type: text/html; charset=utf-8",
        "vary: accept",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "content-security-policy: default-src 'none'; script-src 'sha256-",
    ] {
        assert!(head.contains(line), "{line}\n{head}");
    }
    assert!(!head.contains("unsafe"), "{head}");
    for (accept, path, kind) in [
        (browser, "/status?format=json", "application/json"),
        (browser, "/status.json", "application/json"),
        ("application/json", "/status", "application/json"),
        ("*/*", "/status?format=html", "text/html"),
    ] {
        let (status, head, _) = admin.ask_for(accept, "GET", path).await;
        assert_eq!(status, 200, "{path}");
        assert!(head.contains(&format!("content-type: {kind}")), "{accept} {path}\n{head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{head}");
        assert_eq!(head.contains("vary: accept"), path != "/status.json", "{path}\n{head}");
    }
    let (status, head, body) = admin.ask_for(browser, "HEAD", "/status").await;
    assert_eq!((status, &*body), (200, ""));
    assert!(head.contains("text/html"), "{head}");
}

#[tokio::test]
async fn head_is_answered_and_everything_else_refused() {
    let admin = Admin::start(APPS).await;
    let (status, head, body) = admin.ask("HEAD", "/metrics").await;
    assert_eq!((status, &*body), (200, ""));
    assert!(head.contains("text/plain"), "{head}");
    for path in ["/", "/metrics/", "/config", "/livez/x"] {
        let (status, _, body) = admin.ask("GET", path).await;
        assert_eq!(status, 404, "{path}");
        assert!(serde_json::from_str::<Value>(&body).unwrap()["error"].is_string());
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let (status, head, _) = admin.ask(method, "/livez").await;
        assert_eq!(status, 405, "{method}");
        assert!(head.contains("allow: get,head"), "{head}");
    }
}
