//! A tab of a headless Chromium that is spoken to over a pipe (Chrome `DevTools` Protocol): what it shows, what it asked
//! for, and what it complained about.

use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::chromium;
use crate::support::poll;

/// A browser with one tab; gone when dropped.
pub struct Tab {
    _browser: Child,
    _dir: TempDir,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    last: u64,
    events: Vec<Value>,
}

impl Tab {
    /// Opens a page.
    pub async fn open(url: &str) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let mut command = Command::from(chromium::through_shell(r#"exec "$@" 3<&0 4>&1 >/dev/null 2>&1"#, dir.path()));
        command.arg("--remote-debugging-pipe").arg("about:blank");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut browser = command.spawn().expect("a shell");
        let to = browser.stdin.take().expect("piped");
        let from = BufReader::new(browser.stdout.take().expect("piped"));
        let mut tab = Self { _browser: browser, _dir: dir, to, from, session: None, last: 0, events: Vec::new() };
        let target = tab.call("Target.createTarget", json!({ "url": "about:blank" })).await["targetId"].clone();
        let attached = tab.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true })).await;
        tab.session = Some(attached["sessionId"].as_str().expect("a session").to_owned());
        for domain in ["Page", "Runtime", "Network", "Log"] {
            tab.call(&format!("{domain}.enable"), json!({})).await;
        }
        tab.call("Page.navigate", json!({ "url": url })).await;
        tab
    }

    /// Calls a method of the protocol; what it answered.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method });
        message["params"] = params;
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).await.expect("a browser that listens");
        let id = self.last;
        let answer = poll::bounded(method, async {
            loop {
                let heard = self.hear().await;
                if heard["id"] == id {
                    return heard;
                }
                self.events.push(heard);
            }
        });
        let answer = answer.await;
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    async fn hear(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).await.expect("a browser that speaks");
        assert_eq!(bytes.pop(), Some(0), "chromium ended");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    /// What an expression of the page's comes to.
    pub async fn value(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", params).await;
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// The text of the first element that a selector finds, as a person reads it; empty where there is none.
    pub async fn text(&mut self, selector: &str) -> String {
        let expression = format!("(document.querySelector({}) || {{}}).innerText || ''", json!(selector));
        self.value(&expression).await.as_str().expect("a text").to_owned()
    }

    /// Waits until an element's text has all of these in it.
    pub async fn shows(&mut self, selector: &str, wanted: &[&str]) -> String {
        let mut seen = String::new();
        let (start, mut pause) = (std::time::Instant::now(), tokio::time::interval(PAUSE));
        loop {
            if wanted.iter().all(|part| seen.contains(part)) && !seen.is_empty() {
                return seen;
            }
            assert!(
                start.elapsed() < poll::DEADLINE,
                "{selector} never showed {wanted:?}, but {seen:?}; {:?}",
                self.complaints()
            );
            pause.tick().await;
            seen = self.text(selector).await;
        }
    }

    /// The size of the window, and the colours that its person likes.
    pub async fn look_like(&mut self, width: u32, height: u32, scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setScrollbarsHidden", json!({ "hidden": true })).await;
        self.call("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// A picture of the whole page.
    pub async fn picture(&mut self, file: &Path) {
        // By itself it would leave out the place of a scrollbar that isn't there.
        let size = self.value("[innerWidth, document.documentElement.scrollHeight]").await;
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1 });
        let params = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let picture = self.call("Page.captureScreenshot", params).await;
        let bytes = STANDARD.decode(picture["data"].as_str().expect("a picture")).expect("base64");
        std::fs::write(file, bytes).expect("a file of ours");
    }

    /// The addresses that the page asked for.
    pub fn asked(&self) -> Vec<String> {
        let requests = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        requests.map(|event| event["params"]["request"]["url"].as_str().expect("an address").to_owned()).collect()
    }

    /// What the page complained about: exceptions, errors and warnings, what its policy refused.
    pub fn complaints(&self) -> Vec<&Value> {
        let complains = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => event["params"]["type"] != "log",
            Some("Log.entryAdded") => event["params"]["entry"]["level"] != "info",
            _ => false,
        };
        self.events.iter().filter(complains).collect()
    }
}

/// Between two looks at a page, which changes every two seconds.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
