//! The judging core on plain values, put together as the gateway does it: target, route, app, token, identities.
//!
//! Included where it is used, also by what builds without the server: benches and the count of allocations.

use std::sync::Arc;

use http::{HeaderMap, Method};
use rtms_gateway::apps::Snapshot;
use rtms_gateway::auth::binding::{Binding, Vouch};
use rtms_gateway::auth::decision::{self, Now, Rule, TokenRules, Verdict};
use rtms_gateway::reason::Reason;
use rtms_gateway::request::identities::{Head, Kind, Place, Places};
use rtms_gateway::request::target::Target;
use rtms_gateway::routing::{MethodSet, RouteTable, Template};

/// A template, and where its requests name somebody.
pub type Route = (&'static str, &'static [(Kind, &'static str)]);

/// Routes, and the apps in force.
pub struct Core {
    table: RouteTable,
    rules: Vec<Rule>,
    /// The apps.
    pub apps: Arc<Snapshot>,
}

impl Core {
    /// Puts it together.
    pub fn new(routes: &[Route], apps: Arc<Snapshot>) -> Self {
        let templates: Vec<Template> = routes.iter().map(|(path, _)| Template::parse(path).unwrap()).collect();
        let rules = templates.iter().zip(routes).map(|(template, (_, places))| rule(template, places)).collect();
        let routes = templates.into_iter().map(|template| (template, MethodSet::default())).collect();
        Self { table: RouteTable::build(routes).unwrap(), rules, apps }
    }

    /// The route's index, and the verdict on head and body. `scratch` is overwritten.
    pub fn judge<'b>(
        &self,
        target: &Target<'_>,
        (method, headers, body): (&Method, &HeaderMap, Option<&[u8]>),
        now: Now,
        scratch: &'b mut Vec<u8>,
    ) -> Result<(usize, Verdict<'b>), Reason> {
        let found = self.table.find(&target.path, method)?;
        let rule = &self.rules[found.route];
        let head = Head { path: &target.path, captures: &found.captures, query: target.query, headers };
        let verdict = decision::judge(rule, &head, &self.apps, now, scratch).verdict?;
        if let (Verdict::Verified(verified), Some((places, body))) = (&verdict, rule.places.body().zip(body)) {
            let subject = verified.subject(rule.app_id(&head));
            let mut binding = Binding::resume(&subject, rule.vouch, verified.tally);
            places.bind(body, &mut binding)?;
            binding.finish()?;
        }
        Ok((found.route, verdict))
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
