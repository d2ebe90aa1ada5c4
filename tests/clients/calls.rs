//! The calls of the SDKs, as templates: each identity in its place, so that any one of them can be changed.

use serde_json::Value;

use crate::support::client::{Request, get, post};
use crate::support::gateway::{Builder, Gateway, gateway};
use crate::support::upstream::Upstream;
use crate::support::{APP, SECRET, USER, tokens};

/// Where a page of the app's owner comes from.
pub const PAGE: &str = "https://shop.example";
/// Another app, whose owner happens to use the same secret: its tokens differ by their claims alone.
pub const TWIN: &str = "AP09092338";
/// Another app with a secret of its own.
pub const STRANGER: &str = "TR55501234";
/// The stranger's secret.
pub const STRANGER_SECRET: &str = "quite-another-secret-of-more-than-32-bytes";
/// Somebody else of the same app.
pub const VICTIM: &str = "2315";
/// A user id with a slash in it, as the SDKs make them.
pub const SLASHED: &str = "WwopGf/Q==";
/// The customer that some tokens name.
pub const CUSTOMER: &str = "c-77";

/// The base under which most calls are made.
pub const BASE: &str = "/rtmsAPI/api/v1";
/// Every base that real traffic has.
pub const BASES: [&str; 6] =
    [BASE, "/rtmsAPI/api/v2", "/rtmsAPI/api/v3", "/rtmsAPI/api/v4", "/rtmsAPI//api/v1", "/api/v2"];

const JSON: &str = "application/json";
const FORM: &str = "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxk";
const CLIENT: &str = r#"{"clientId":"<client_app>/<client_user>/v2_22315c49b793ad39","channel":"rt"}"#;
const THREAD: &str = r#"{"title":"An order","type":"Conversation","status":"Active"}"#;
const SET_USER: &str = r#"{"clientId":"<client_app>/<old_user>/v2_22315c49b793ad39","userId":"<body_user>"}"#;
const UPLOAD: &str = "------WebKitFormBoundary7MA4YWxk\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\
                      Content-Type: image/png\r\n\r\n\u{89}PNG\r\n------WebKitFormBoundary7MA4YWxk--\r\n";

/// The identities that calls may name. `old_user` is the guest's, which nobody compares.
pub const FIELDS: [&str; 7] =
    ["path_app", "client_app", "body_app", "client_user", "body_user", "path_user", "body_customer"];

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Its route's name.
    pub route: &'static str,
    /// Its method.
    pub method: &'static str,
    /// What follows the version, with `<field>` where an identity stands.
    pub path: &'static str,
    /// The body, likewise.
    pub body: &'static str,
    /// The body's Content-Type.
    kind: &'static str,
    /// Whether the SDK sends a token.
    pub token: bool,
}

const fn json(route: &'static str, method: &'static str, path: &'static str, body: &'static str) -> Call {
    Call { route, method, path, body, kind: JSON, token: true }
}

const fn bare(route: &'static str, method: &'static str, path: &'static str) -> Call {
    Call { route, method, path, body: "", kind: "", token: true }
}

const fn public(route: &'static str, path: &'static str) -> Call {
    Call { token: false, ..bare(route, "GET", path) }
}

/// The surface of rtmsAPI, in the spellings of the vendor's page and of its SDKs.
pub const CALLS: &[Call] = &[
    json("setuserid", "POST", "/app/<path_app>/setuserid", SET_USER),
    json("setuserid", "POST", "/<path_app>/setUserId", SET_USER),
    json("register", "POST", "/<path_app>/register", r#"{"deviceId":"d1","userId":"<body_user>","os":"web"}"#),
    json("unregister", "POST", "/<path_app>/unregister", CLIENT),
    json("removeuserid", "POST", "/<path_app>/removeUserId", CLIENT),
    json("removeuserid", "POST", "/<path_app>/removeuserid", CLIENT),
    json("profileupdate", "POST", "/<path_app>/profileupdate", CLIENT),
    json("profileupdate", "POST", "/<path_app>/profileUpdate", CLIENT),
    json("deliveryupdate", "POST", "/<path_app>/deliveryupdate", CLIENT),
    json("message", "POST", "/<path_app>/message", CLIENT),
    json("removecustomerid", "POST", "/<path_app>/removeCustomerId", CLIENT),
    json("removecustomerid", "POST", "/<path_app>/removecustomerid", CLIENT),
    json(
        "setcustomerid",
        "POST",
        "/<path_app>/setCustomerId",
        r#"{"clientId":"<client_app>/<client_user>/d1","customerId":"<body_customer>"}"#,
    ),
    json(
        "setcustomerid",
        "POST",
        "/<path_app>/setcustomerid",
        r#"{"customerId":"<body_customer>","clientId":"<client_app>/<client_user>/d1"}"#,
    ),
    json(
        "mo",
        "POST",
        "/<path_app>/mo",
        r#"{"appId":"<body_app>","clientId":"<client_app>/<client_user>/d1","userId":"<body_user>","message":"hello"}"#,
    ),
    json("generatemedia", "POST", "/<path_app>/user/<path_user>/generatemedia", r#"{"type":"image"}"#),
    bare("threads", "GET", "/apps/<path_app>/user/<path_user>/threads?offset=0&limit=10"),
    json("threads", "POST", "/apps/<path_app>/user/<path_user>/threads", THREAD),
    json("threads", "PUT", "/apps/<path_app>/user/<path_user>/threads/t-1", THREAD),
    bare("threads", "GET", "/apps/<path_app>/user/<path_user>/threads/t-1/messages?before=1716372000"),
    json("threads", "POST", "/apps/<path_app>/user/<path_user>/threads/t-1/messages", THREAD),
    bare("unreadthreads", "GET", "/apps/<path_app>/user/<path_user>/unreadthreads"),
    json("unreadthreads", "PUT", "/apps/<path_app>/user/<path_user>/unreadthreads", THREAD),
    bare("user-topics", "GET", "/apps/<path_app>/user/<path_user>/topics"),
    json("user-topics", "POST", "/apps/<path_app>/user/<path_user>/topics", THREAD),
    json("app-threads", "POST", "/apps/<path_app>/threads", THREAD),
    json("app-segments", "POST", "/apps/<path_app>/segments", THREAD),
    json("app-segments", "POST", "/apps/<path_app>/segments/s-1", THREAD),
    json("app-topics", "POST", "/apps/<path_app>/topics", THREAD),
    json("topic-subscribe", "POST", "/apps/<path_app>/topics/news/users", "['<old_user>']"),
    bare("topic-user", "GET", "/apps/<path_app>/topics/news/users/<path_user>"),
    bare("topic-user", "DELETE", "/apps/<path_app>/topics/news/users/<path_user>"),
    Call {
        kind: FORM,
        ..json("upload", "POST", "/media/<path_app>/upload?fileName=a.png&mimeType=image%2Fpng", UPLOAD)
    },
    bare("oauth-token", "GET", "/apps/<path_app>/user/<path_user>/oauth/token"),
    public("verifypolicy", "/<path_app>/verifyPolicy"),
    public("verifypolicy", "/<path_app>/verifypolicy?sdkVersion=2.1.0"),
    public("trackdelivery", "/<path_app>/trackDeliveryRequest?appId=<path_app>&tid=1"),
    public("trackread", "/<path_app>/trackReadRequest?appId=<path_app>&tid=1"),
];

impl Call {
    /// Whether this identity stands somewhere in the call.
    pub fn names(&self, field: &str) -> bool {
        let field = format!("<{field}>");
        self.path.contains(&field) || self.body.contains(&field)
    }

    /// Whether it names a user that must be the token's.
    pub fn names_a_user(&self) -> bool {
        ["client_user", "body_user", "path_user"].iter().any(|field| self.names(field))
    }

    /// The target under a base.
    pub fn target(&self, base: &str, names: &Names) -> String {
        format!("{base}{}", names.fill(self.path))
    }

    /// The request, as a browser's SDK sends it.
    pub fn request(&self, target: &str, names: &Names) -> Request {
        let body = names.fill(self.body);
        let request = if self.kind.is_empty() {
            get(target)
        } else {
            post(target, body).header(format!("Content-Type: {}", self.kind))
        };
        request.method(self.method).header(format!("Origin: {PAGE}")).header("Accept: */*")
    }

    /// The question a browser asks before it.
    pub fn preflight(&self, target: &str) -> Request {
        let request = get(target).method("OPTIONS").header(format!("Origin: {PAGE}"));
        let request = request.header(format!("Access-Control-Request-Method: {}", self.method));
        request.header("Access-Control-Request-Headers: authorization,content-type")
    }
}

/// Who stands where.
#[derive(Clone)]
pub struct Names(Vec<(&'static str, String)>);

impl Names {
    /// One app and one user wherever they may stand.
    pub fn of(app: &str, user: &str) -> Self {
        let value = |field: &&'static str| match field.split_once('_').map(|(_, kind)| kind) {
            Some("app") => app,
            Some("user") => user,
            _ => CUSTOMER,
        };
        let named = FIELDS.iter().map(|field| (*field, value(field).to_owned()));
        Self(named.chain([("old_user", "guest-1".to_owned())]).collect())
    }

    /// The same with one identity changed.
    pub fn with(&self, field: &str, value: &str) -> Self {
        let mut changed = self.clone();
        let slot = changed.0.iter_mut().find(|(name, _)| *name == field).expect("a field");
        value.clone_into(&mut slot.1);
        changed
    }

    /// A template with the identities in their places.
    pub fn fill(&self, template: &str) -> String {
        self.0.iter().fold(template.to_owned(), |text, (field, value)| text.replace(&format!("<{field}>"), value))
    }
}

/// A gateway with the routes that are shipped, for the three apps.
pub fn shipped(upstream: &Upstream) -> Builder {
    let built = gateway(upstream).set("/routes", Value::Null).customer();
    built.app(TWIN, SECRET).app(STRANGER, STRANGER_SECRET)
}

/// An upstream, and the gateway with the shipped routes in front of it.
pub async fn start() -> (Upstream, Gateway) {
    let upstream = Upstream::start().await;
    let gateway = shipped(&upstream).start().await;
    (upstream, gateway)
}

/// A token of the customer's app for a user.
pub fn token(user: &str) -> String {
    tokens::of(APP, user, SECRET)
}

/// A token of the customer's app for its user and the customer.
pub fn with_customer() -> String {
    tokens::good_claims(&format!(r#","customerId":"{CUSTOMER}""#)).mint()
}

/// The customer's app and user.
pub fn own() -> Names {
    Names::of(APP, USER)
}
