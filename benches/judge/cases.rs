//! Requests that are judged over and over: one that passes, and one for each reason that a token is turned away for.
//!
//! What the gateway does with a head, on plain values: target, route, app, token, identities.

#[path = "../../tests/support/judge.rs"]
mod judge;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Method, header};
use rtms_gateway::apps::key::HmacKey;
use rtms_gateway::apps::{Apps, DocId, Document, SecretEncoding, Value};
use rtms_gateway::auth::decision::Now;
use rtms_gateway::reason::Reason;
use rtms_gateway::request::identities::Kind;
use rtms_gateway::request::target::Target;

use self::judge::Route;

pub const APP: &str = "TR00000042";
pub const USER: &str = "67deb017-5038-4832-a6b9-aa7e00987b6f";
const SECRET: &str = "secret-00000042-0123456789abcdef0123456789";
/// 2026-01-01, in milliseconds.
const NOW: Now = Now(1_767_225_600_000);

/// Routes of the shipped table's shapes, and where their requests name somebody.
const ROUTES: [Route; 5] = [
    ("/rtmsAPI/api/{version}/{appId}/user/{userId*}/threads/{rest*}", &[(Kind::UserId, "path.userId")]),
    ("/rtmsAPI/api/{version}/app/{appId}/user/{userId*}/threads/{rest*}", &[(Kind::UserId, "path.userId")]),
    (
        "/rtmsAPI/api/{version}/app/{appId}/message",
        &[(Kind::ClientApp, "body.clientId"), (Kind::ClientUser, "body.clientId")],
    ),
    ("/rtmsAPI/api/{version}/{appId}/{rest*}", &[]),
    ("/rtmsAPI/api/{version}/app/{appId}/{rest*}", &[]),
];

/// Apps behind these routes.
pub struct Core(judge::Core);

/// A request, ready to be judged again and again.
pub struct Case {
    pub name: &'static str,
    pub outcome: Result<(), Reason>,
    target: String,
    method: Method,
    headers: HeaderMap,
    body: Option<String>,
}

impl Core {
    /// So many apps, [`APP`] among them.
    pub fn new(count: usize) -> Self {
        Self(judge::Core::new(&ROUTES, apps(count).published().load_full()))
    }

    /// Judges it as the gateway does. `scratch` is kept from request to request, as each of its threads does.
    pub fn judge(&self, case: &Case, scratch: &mut Vec<u8>) -> Result<(), Reason> {
        let target = Target::parse(case.target.as_bytes(), Some(b"api.example.com"))?;
        let body = case.body.as_ref().map(String::as_bytes);
        self.0.judge(&target, (&case.method, &case.headers, body), NOW, scratch).map(drop)
    }
}

/// So many apps with a secret each; one of them disabled, one unusable.
pub fn apps(count: usize) -> Apps {
    let mut apps = Apps::new(SecretEncoding::Raw);
    for i in 0..count.max(100) {
        let mut document = Document::default();
        document.set("appId", Value::string(&format!("TR{i:08}")));
        document.set("jwt_secretkey", Value::string(&format!("secret-{i:08}-0123456789abcdef0123456789")));
        match i {
            50 => document.set("disabled", Value::Bool(true)),
            51 => document.set("jwtSecretKey", Value::string("a typo")),
            52 => document.set("tokens_valid_after", Value::Date(NOW.0)),
            _ => {}
        }
        apps.upsert(&DocId::from_bytes(&i.to_be_bytes()), &document);
    }
    apps.publish();
    apps
}

/// Every request.
pub fn cases() -> Vec<Case> {
    let good = claims(APP, USER, 4_102_444_800);
    let case = |name, outcome, token: String| Case::new(name, outcome, Some(format!("Bearer {token}")));
    let rejected = |reason: Reason, token: String| case(reason.as_str(), Err(reason), token);
    let forged = |app: &str| mint(HEADER, &claims(app, USER, 4_102_444_800), "another secret");
    vec![
        case("accepted", Ok(()), mint(HEADER, &good, SECRET)),
        case("accepted_path", Ok(()), mint(HEADER, &good, SECRET)).at(&format!("user/{USER}/threads/1")),
        case("accepted_body", Ok(()), mint(HEADER, &good, SECRET)).posting(message()),
        Case::new("token_missing", Err(Reason::TokenMissing), None),
        rejected(Reason::TokenExpired, mint(HEADER, &claims(APP, USER, 1), SECRET)),
        rejected(Reason::TokenMalformed, "no.token".to_owned()),
        Case::new("scheme_unsupported", Err(Reason::SchemeUnsupported), Some("Basic dTpw".to_owned())),
        rejected(Reason::AlgorithmNotAllowed, mint(r#"{"alg":"none","typ":"JWT"}"#, &good, SECRET)),
        rejected(Reason::SignatureInvalid, forged(APP)),
        rejected(Reason::TokenNotYetValid, mint(HEADER, &good.replace('}', r#","nbf":4102444800}"#), SECRET)),
        rejected(Reason::TokenRevoked, mint(HEADER, &claims("TR00000052", USER, 4_102_444_800), &secret(52)))
            .of("TR00000052"),
        rejected(Reason::ClaimsInvalid, mint(HEADER, &good.replace(USER, ""), SECRET)),
        rejected(Reason::AppMismatch, mint(HEADER, &claims("TR00000041", USER, 4_102_444_800), SECRET)),
        rejected(Reason::UserMismatch, mint(HEADER, &good, SECRET)).at("user/somebody/threads/1"),
        rejected(Reason::AppUnknown, forged("TR99999999")).of("TR99999999"),
        rejected(Reason::AppDisabled, forged("TR00000050")).of("TR00000050"),
        rejected(Reason::AppUnusable, forged("TR00000051")).of("TR00000051"),
        rejected(Reason::BodyUnreadable, mint(HEADER, &good, SECRET)).posting("no JSON".to_owned()),
    ]
}

impl Case {
    fn new(name: &'static str, outcome: Result<(), Reason>, authorization: Option<String>) -> Self {
        let mut headers = HeaderMap::new();
        for (field, value) in [("host", "api.example.com"), ("user-agent", "sdk/1.0"), ("accept", "*/*")] {
            headers.insert(field, HeaderValue::from_static(value));
        }
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
        }
        let target = format!("/rtmsAPI/api/v1/app/{APP}/conversations/1");
        Self { name, outcome, target, method: Method::GET, headers, body: None }
    }

    /// Another call of the app.
    fn at(mut self, path: &str) -> Self {
        self.target = format!("/rtmsAPI/api/v1/app/{APP}/{path}");
        self
    }

    /// Another app in the path.
    fn of(mut self, app: &str) -> Self {
        self.target = self.target.replace(APP, app);
        self
    }

    /// A call whose body names somebody.
    fn posting(mut self, body: String) -> Self {
        self.method = Method::POST;
        self.body = Some(body);
        self.at("message")
    }
}

/// A message of 1 KiB.
fn message() -> String {
    let text = "m".repeat(930);
    format!(r#"{{"clientId":"{APP}/{USER}/browser","message":"{text}"}}"#)
}

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn secret(i: usize) -> String {
    format!("secret-{i:08}-0123456789abcdef0123456789")
}

fn claims(app: &str, user: &str, exp: i64) -> String {
    format!(r#"{{"exp":{exp},"appId":"{app}","userId":"{user}"}}"#)
}

fn mint(header: &str, claims: &str, secret: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let tag = HmacKey::new(secret.as_bytes()).sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}
