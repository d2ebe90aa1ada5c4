//! The judging core on plain values, put together as the gateway does it: target, route, app, token, identities.

use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, Method, header};
use rtms_gateway::apps::{Apps, DocId, Document, SecretEncoding, Snapshot, Value};
use rtms_gateway::auth::binding::{Binding, Vouch};
use rtms_gateway::auth::decision::{self, Now, Rule, TokenRules, Verdict};
use rtms_gateway::reason::Reason;
use rtms_gateway::request::identities::{Head, Kind, Place, Places};
use rtms_gateway::request::target::Target;
use rtms_gateway::routing::{MethodSet, RouteTable, Template};

use crate::support::{APP, SECRET};

/// Templates and where their requests name somebody.
const ROUTES: [(&str, &[(Kind, &str)]); 4] = [
    (
        "/rtmsAPI/api/{version}/app/{appId}/setuserid",
        &[(Kind::UserId, "body.userId"), (Kind::ClientApp, "body.clientId")],
    ),
    ("/rtmsAPI/api/{version}/apps/{appId}/user/{userId*}/threads", &[(Kind::UserId, "path.userId")]),
    ("/rtmsAPI/api/{version}/{appId}/lookup", &[(Kind::UserId, "query.userId")]),
    ("/rtmsAPI/api/{version}/{appId}/plain", &[]),
];

/// The customer's app behind these routes.
pub struct Core {
    table: RouteTable,
    rules: Vec<Rule>,
    apps: std::sync::Arc<Snapshot>,
}

/// What was forwarded.
#[derive(Debug)]
pub struct Forwarded {
    /// The route's index.
    pub route: usize,
    /// The target in the form it goes out.
    pub target: Vec<u8>,
    /// The token's user.
    pub user: Option<String>,
}

impl Core {
    /// Puts it together.
    pub fn new() -> Self {
        let templates: Vec<Template> = ROUTES.iter().map(|(path, _)| Template::parse(path).unwrap()).collect();
        let rules = templates.iter().zip(ROUTES).map(|(template, (_, places))| rule(template, places)).collect();
        let routes = templates.into_iter().map(|template| (template, MethodSet::default())).collect();
        let mut document = Document::default();
        document.set("appId", Value::string(APP));
        document.set("jwt_secretkey", Value::string(SECRET));
        let mut apps = Apps::new(SecretEncoding::Raw);
        apps.upsert(&DocId::from_bytes(b"one"), &document);
        apps.publish();
        Self { table: RouteTable::build(routes).unwrap(), rules, apps: apps.published().load_full() }
    }

    /// Judges a request with this token, as the gateway does.
    pub fn judge(&self, target: &[u8], token: &str, body: &[u8]) -> Result<Forwarded, Reason> {
        let target = Target::parse(target, Some(b"h"))?;
        let found = self.table.find(&target.path, &Method::POST)?;
        let rule = &self.rules[found.route];
        let mut headers = HeaderMap::new();
        // What can't be in a header at all never gets here.
        let value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Reason::BadRequest)?;
        headers.insert(header::AUTHORIZATION, value);
        let head = Head { path: &target.path, captures: &found.captures, query: target.query, headers: &headers };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let mut scratch = Vec::new();
        let judgement = decision::judge(rule, &head, &self.apps, Now(i64::try_from(now).unwrap()), &mut scratch);
        let Verdict::Verified(verified) = judgement.verdict? else { panic!("the app has a secret") };
        if let Some(places) = rule.places.body() {
            let subject = verified.subject(APP);
            let mut binding = Binding::resume(&subject, rule.vouch, verified.tally);
            places.bind(body, &mut binding)?;
            binding.finish()?;
        }
        let user = verified.user.as_deref().map(str::to_owned);
        Ok(Forwarded { route: found.route, target: target.to_origin_form(), user })
    }
}

fn rule(template: &Template, places: &[(Kind, &str)]) -> Rule {
    let list: Vec<(Kind, Place)> = places.iter().map(|(kind, place)| (*kind, Place::parse(place).unwrap())).collect();
    Rule {
        app: template.names().position(|name| name == "appId").unwrap(),
        places: Places::build(template, &list).unwrap(),
        vouch: Vouch::All,
        reject_open_apps: false,
        token: TokenRules { max_bytes: 8192, leeway: 0.0, max_lifetime: None, require_user_claim: true },
    }
}
