//! `routes`: which requests go where, and what binds them to a token.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::{OpenApps, Rejection, RouteDefaults, words};
use super::identities::Identities;
use super::list::List;
use super::mistakes::Check;
use super::nearest;
use super::settings;
use super::values::Size;
use super::yaml_path::YamlPath;
use crate::auth::binding::Vouch;
use crate::routing::{MethodSet, RouteTable, Segment, Template};

/// The most of a body that is read before forwarding: as much as can be replayed to an upstream.
const MOST_BUFFERED: u64 = 64 << 10;

/// One route: a path template, and what is asked of its requests. The most specific template wins, segment by segment:
/// a fixed word before `{name}` before `{name*}`.
#[derive(Clone, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Route {
    /// Metric label; absent: the path template. Example: `setuserid`.
    name: Option<String>,
    /// Path template. Fixed words match without case, `{name}` is one segment, `{rest*}` all that follows, `{userId*}`
    /// one or more segments up to the fixed word after it. Example: `/rtmsAPI/api/{version}/{appId}/register`.
    #[schemars(required)]
    path: Option<String>,
    /// Methods it takes, others are answered 405; absent: all but TRACE and CONNECT. `GET` admits `HEAD`. Example:
    /// `[POST]`.
    methods: Option<List<String>>,
    /// Name of the upstream; absent: the only one. Example: `rtms`.
    upstream: Option<String>,
    /// Whether a token is asked for.
    auth: RouteAuth,
    /// Where this route's requests name an identity. Each kind takes a list of places: `path.NAME` (a name of the
    /// template), `query.NAME`, `header.NAME`, or `body.NAME` with dots for nested members of a JSON body. What stands
    /// there must be what the token says.
    identities: Identities,
    /// How much of what a request names the token must vouch for.
    vouch: RouteVouch,
    /// Bound on the body; over it 413. With `body.` places, of what is read before forwarding: at most `64KiB`, and that
    /// is the default. Without: of the stream; absent: no bound. Example: `16KiB`.
    max_body_bytes: Option<Size>,
    /// Form of rejections on this route; absent: `auth.rejection`.
    rejection: Option<Rejection>,
    /// What happens to apps without a secret on this route; absent: `auth.open_apps`.
    open_apps: Option<OpenApps>,
    /// Pass on a token that was judged on this route; absent: `auth.forward_token`.
    forward_token: Option<bool>,
}

words! {
    /// Whether a route asks for a token.
    #[derive(Default)]
    RouteAuth {
        /// The app is found by `{appId}` and its token judged.
        #[default]
        Jwt,
        /// Every request is forwarded as it is.
        None,
    }
}

words! {
    /// How much the token must vouch for.
    #[derive(Default)]
    RouteVouch {
        /// Every kind of identity that the request names.
        #[default]
        All,
        /// One kind is enough; what the token has must still be equal.
        Any,
    }
}

/// What the routes lean on.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The names of the upstreams, in their order.
    pub upstreams: &'a [String],
    /// What `auth` says for routes that don't.
    pub defaults: RouteDefaults,
}

/// Checks all routes, and that no two of them say the same.
pub fn settle(routes: List<Route>, around: Around<'_>, at: &YamlPath, check: &mut Check) -> Vec<settings::Route> {
    if routes.is_empty() {
        check.refuse(at, "lists no route; list one, or take the key out for the shipped table");
    }
    let mut settled = Vec::new();
    for (n, route) in routes.into_entries() {
        settled.extend(route.settle(around, &at.index(n), check).map(|route| (n, route)));
    }
    let table = settled.iter().map(|(_, route)| (route.template.clone(), route.methods.clone())).collect();
    for conflict in RouteTable::build(table).err().unwrap_or_default() {
        let place = |of: usize| settled.get(of).map(|(n, _)| *n).unwrap_or_default();
        let (first, second) = (place(conflict.first), at.index(place(conflict.second)).key("path"));
        let problem = format!("has the same template and a method in common with routes[{first}]; keep one of them");
        check.refuse(&second, problem);
    }
    settled.into_iter().map(|(_, route)| route).collect()
}

impl Route {
    fn settle(self, around: Around<'_>, at: &YamlPath, check: &mut Check) -> Option<settings::Route> {
        let template = self.template(at, check);
        let methods = settle_methods(self.methods, &at.key("methods"), check);
        let upstream = settle_upstream(self.upstream, around.upstreams, &at.key("upstream"), check);
        let bound_at = at.key("max_body_bytes");
        let max_body_bytes = body_bound(self.max_body_bytes, self.identities.read_the_body(), &bound_at, check);
        let places = match &template {
            Some(template) => self.identities.settle(template, &at.key("identities"), check),
            None => None,
        };
        let template = template?;
        let name = settle_name(self.name, &template, &at.key("name"), check);
        Some(settings::Route {
            name,
            methods: methods?,
            upstream: upstream?,
            judged: self.auth == RouteAuth::Jwt,
            places: places?,
            vouch: match self.vouch {
                RouteVouch::All => Vouch::All,
                RouteVouch::Any => Vouch::Any,
            },
            max_body_bytes,
            rejection: self.rejection.unwrap_or(around.defaults.rejection).form(),
            reject_open_apps: self.open_apps.unwrap_or(around.defaults.open_apps) == OpenApps::Reject,
            forward_token: self.forward_token.unwrap_or(around.defaults.forward_token),
            template,
        })
    }

    fn template(&self, at: &YamlPath, check: &mut Check) -> Option<Template> {
        let at = at.key("path");
        let Some(text) = &self.path else {
            check.missing(&at, "write a path template, as in `/rtmsAPI/api/{version}/{appId}/{rest*}`");
            return None;
        };
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(error) => {
                let why = check.explain(&at, &error, "write words and `{name}`, separated by `/`");
                check.refuse(&at, format!("{} is no path template: {why}", check.show(&at, text)));
                return None;
            }
        };
        let has_app = template.segments().iter().any(|s| matches!(s, Segment::One(name) if &**name == "appId"));
        if self.auth == RouteAuth::Jwt && !has_app {
            check.refuse(&at, "has no segment `{appId}` to find the app by; put one in, or write `auth: none`");
        }
        Some(template)
    }
}

fn settle_name(name: Option<String>, template: &Template, at: &YamlPath, check: &mut Check) -> String {
    let Some(name) = name else { return template.as_str().to_owned() };
    let odd = name.is_empty() || name.len() > 128 || name.chars().any(char::is_control);
    // `none` is the label of requests that no route took.
    if odd || name == "none" {
        check.refuse(at, format!("{} can't be a metric label; write a short name", check.show(at, &name)));
    }
    name
}

fn settle_methods(methods: Option<List<String>>, at: &YamlPath, check: &mut Check) -> Option<MethodSet> {
    let Some(methods) = methods else { return Some(MethodSet::default()) };
    if methods.is_empty() {
        check.refuse(at, "lists no method; list one, or take the key out for all methods");
    }
    let before = check.count();
    let mut words: Vec<String> = Vec::new();
    for (n, word) in methods.into_entries() {
        let at = at.index(n);
        if MethodSet::parse(&[&word]).is_err() {
            let shown = check.show(&at, &word);
            check.refuse(
                &at,
                format!("{shown} is no method to route by; write it as in `GET` or `POST`, in upper case"),
            );
        } else if words.contains(&word) {
            check.refuse(&at, "is listed twice; keep one of them");
        }
        words.push(word);
    }
    if check.count() == before { MethodSet::parse(&words).ok() } else { None }
}

fn settle_upstream(name: Option<String>, names: &[String], at: &YamlPath, check: &mut Check) -> Option<usize> {
    let Some(name) = name else {
        if names.len() > 1 {
            check.missing(at, "there are several: name one");
        }
        // No upstream at all was reported as that.
        return Some(0);
    };
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = known.iter().position(|n| *n == name);
    // One that is there but was refused is no mistake of the route's.
    if found.is_none() && !check.refused(&YamlPath::default().key("upstreams").key(&name)) {
        let shown = check.show(at, &name);
        let remedy = match nearest::nearest(&name, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there is {}", nearest::list(&known, "and")),
        };
        check.refuse(at, format!("{shown} is not among the upstreams; {remedy}"));
    }
    found
}

fn body_bound(bound: Option<Size>, buffered: bool, at: &YamlPath, check: &mut Check) -> Option<u64> {
    match bound {
        None if buffered => Some(MOST_BUFFERED),
        Some(Size(bytes)) if buffered && bytes > MOST_BUFFERED => {
            check.refuse(
                at,
                "is over `64KiB`, the most that can be read for `body.` places; write less, or take them out",
            );
            None
        }
        bound => bound.map(|size| size.0),
    }
}
