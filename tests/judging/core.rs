//! The customer's app behind a few routes, judged on plain values.

#[path = "../support/judge.rs"]
mod judge;

use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, Method, header};
use rtms_gateway::apps::{Apps, DocId, Document, SecretEncoding, Value};
use rtms_gateway::auth::decision::{Now, Verdict};
use rtms_gateway::reason::Reason;
use rtms_gateway::request::identities::Kind;
use rtms_gateway::request::target::Target;

use self::judge::Route;
use crate::support::{APP, SECRET};

/// Templates and where their requests name somebody.
const ROUTES: [Route; 4] = [
    (
        "/rtmsAPI/api/{version}/app/{appId}/setuserid",
        &[(Kind::UserId, "body.userId"), (Kind::ClientApp, "body.clientId")],
    ),
    ("/rtmsAPI/api/{version}/apps/{appId}/user/{userId*}/threads", &[(Kind::UserId, "path.userId")]),
    ("/rtmsAPI/api/{version}/{appId}/lookup", &[(Kind::UserId, "query.userId")]),
    ("/rtmsAPI/api/{version}/{appId}/plain", &[]),
];

/// The customer's app behind these routes.
pub struct Core(judge::Core);

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
        let mut document = Document::default();
        document.set("appId", Value::string(APP));
        document.set("jwt_secretkey", Value::string(SECRET));
        let mut apps = Apps::new(SecretEncoding::Raw);
        apps.upsert(&DocId::from_bytes(b"one"), &document);
        apps.publish();
        Self(judge::Core::new(&ROUTES, apps.published().load_full()))
    }

    /// Judges a request with this token, as the gateway does.
    pub fn judge(&self, target: &[u8], token: &str, body: &[u8]) -> Result<Forwarded, Reason> {
        let target = Target::parse(target, Some(b"h"))?;
        let mut headers = HeaderMap::new();
        // What can't be in a header at all never gets here.
        let value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Reason::BadRequest)?;
        headers.insert(header::AUTHORIZATION, value);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let now = Now(i64::try_from(now).unwrap());
        let mut scratch = Vec::new();
        let (route, verdict) = self.0.judge(&target, (&Method::POST, &headers, Some(body)), now, &mut scratch)?;
        let Verdict::Verified(verified) = verdict else { panic!("the app has a secret") };
        let user = verified.user.as_deref().map(str::to_owned);
        Ok(Forwarded { route, target: target.to_origin_form(), user })
    }
}
