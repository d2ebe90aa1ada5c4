//! A page that makes calls of other origins, as the SDK does, and tells what it could read of the answers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::chromium;
use crate::support::poll;
use crate::support::upstream::{Behaviour, Upstream};

/// A browser starts within seconds, but not on a machine that is busy with others.
const PATIENCE: Duration = Duration::from_mins(2);

/// One browser at a time: each of them fills two cores for a moment.
static ONE: Mutex<()> = Mutex::const_new(());

/// Makes the calls one after the other, then hands in what came of them.
const SCRIPT: &str = r#"<!doctype html><meta charset="utf-8"><title>calls</title><script>
const heard = ['WWW-Authenticate', 'X-Request-Id', 'Retry-After', 'Content-Type'];
async function make({ url, method, token, body }) {
  const headers = {};
  if (token) headers['Authorization'] = 'Bearer ' + token;
  if (body) headers['Content-Type'] = 'application/json';
  try {
    const answer = await fetch(url, { method, headers, body: body || undefined, cache: 'no-store' });
    const text = await answer.text();
    let code = null;
    try { code = JSON.parse(text).code; } catch (_) {}
    const read = {};
    for (const name of heard) if (answer.headers.has(name)) read[name] = answer.headers.get(name);
    // What the vendor's SDKs do: only in an answer that is ok, and by number.
    return { status: answer.status, text, headers: read, renews: answer.ok && code === 38 };
  } catch (error) {
    return { error: error.name };
  }
}
(async () => {
  const seen = [];
  for (const call of CALLS) seen.push(await make(call));
  await fetch('/seen', { method: 'POST', body: JSON.stringify(seen) });
})();
</script>"#;

/// A call that a page makes.
#[derive(Clone, Serialize)]
pub struct Call {
    url: String,
    method: &'static str,
    token: Option<String>,
    body: Option<String>,
}

impl Call {
    /// A GET without anything: a browser sends it without asking first.
    pub fn get(url: impl Into<String>) -> Self {
        Self { url: url.into(), method: "GET", token: None, body: None }
    }

    /// JSON, which is asked for by a preflight.
    pub fn post(url: impl Into<String>, body: impl Into<String>) -> Self {
        Self { method: "POST", body: Some(body.into()), ..Self::get(url) }
    }

    /// With a token.
    pub fn token(self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self }
    }
}

/// What a page could read of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// The status; 0: nothing could be read.
    pub status: u16,
    /// The body.
    pub text: String,
    /// Headers that the page may read.
    headers: BTreeMap<String, String>,
    /// Whether the SDK would ask its app for a new token.
    pub renews: bool,
    /// The name of the error that `fetch` failed with.
    pub error: Option<String>,
}

impl Seen {
    /// A header, if the page may read it.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// A server of pages, each of an origin of its own.
pub struct Pages(Upstream);

impl Pages {
    /// Starts it.
    pub async fn start() -> Self {
        Self(Upstream::start().await)
    }

    /// The origin of its pages.
    pub fn origin(&self) -> String {
        format!("http://{}", self.0.address())
    }

    /// Opens a page that makes these calls; what it could read of each answer.
    pub async fn make(&self, calls: &[Call]) -> Vec<Seen> {
        let _one = ONE.lock().await;
        let list = serde_json::to_string(calls).expect("plain values");
        let page = SCRIPT.replace("CALLS", &list);
        let html = vec!["Content-Type: text/html; charset=utf-8".to_owned()];
        self.0.behave(Behaviour::Answer("200 OK", html, page.into()));
        let mut browser = chromium::open(&self.origin());
        poll::within(PATIENCE, "the page hands in what it has seen", async || {
            let ended = browser.ended();
            assert!(ended.is_none(), "chromium ended: {ended:?}");
            let handed_in = self.0.requests().into_iter().find(|request| request.target() == "/seen");
            handed_in.map(|request| serde_json::from_slice(&request.body.content).expect("the page's own list"))
        })
        .await
    }
}
