//! The verdict of a snapshot, by the gateway's own judgement of a whole request head.

use http::{HeaderMap, HeaderValue, Method};
use rtms_gateway::apps::Snapshot;
use rtms_gateway::auth::binding::Vouch;
use rtms_gateway::auth::decision::{Now, Rule, TokenRules, Verdict, judge};
use rtms_gateway::request::identities::{Head, Places};
use rtms_gateway::routing::{MethodSet, RouteTable, Template};

use super::documents::{IATS, apps, keys};
use super::verdict::View;
use crate::support::{USER, tokens};

/// A token to ask with, and what it is made of.
pub(super) struct Probe {
    /// The app it is for.
    pub(super) app: String,
    /// The token.
    pub(super) token: String,
    key: Vec<u8>,
    iat: Option<i64>,
}

impl Probe {
    /// One for every app, key and age.
    pub(super) fn all() -> Vec<Self> {
        let keys = keys();
        let mut probes = Vec::new();
        for app in apps() {
            for key in &keys {
                probes.extend(IATS.map(|iat| Self::new(&app, key, iat)));
            }
        }
        probes
    }

    fn new(app: &str, key: &[u8], iat: Option<i64>) -> Self {
        let iat_claim = iat.map(|iat| format!(r#","iat":{iat}"#)).unwrap_or_default();
        let claims = format!(r#"{{"appId":"{app}","userId":"{USER}"{iat_claim}}}"#);
        let token = tokens::claims(claims).secret(key).mint();
        Self { app: app.to_owned(), token, key: key.to_vec(), iat }
    }

    /// What it should get.
    pub(super) fn expected(&self, view: &View) -> &'static str {
        view.verdict(&self.key, self.iat)
    }
}

/// Asks a snapshot.
pub(super) struct Court {
    rule: Rule,
    table: RouteTable,
}

impl Court {
    pub(super) fn new() -> Self {
        let template = Template::parse("/{appId}/plain").unwrap();
        let table = RouteTable::build(vec![(template, MethodSet::default())]).unwrap();
        let token = TokenRules { max_bytes: 8192, leeway: 0.0, max_lifetime: None, require_user_claim: true };
        let rule = Rule { app: 0, places: Places::default(), vouch: Vouch::All, reject_open_apps: false, token };
        Self { rule, table }
    }

    /// `good`, `open`, or the reason.
    pub(super) fn verdict(&self, snapshot: &Snapshot, app: &str, token: &str) -> &'static str {
        let path = format!("/{app}/plain");
        let captures = self.table.find(&path, &Method::GET).unwrap().captures;
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        let head = Head { path: &path, captures: &captures, query: None, headers: &headers };
        let mut scratch = Vec::new();
        let now = Now(tokens::now(0) * 1000);
        match judge(&self.rule, &head, snapshot, now, &mut scratch).verdict {
            Ok(Verdict::Open) => "open",
            Ok(Verdict::Verified(_)) => "good",
            Err(reason) => reason.as_str(),
        }
    }
}
