//! What a request brings: who asks, the body's members, the condition, and whether to wait.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Path, Query, Request};
use http::header::{CONTENT_TYPE, IF_MATCH};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::timeout;
use tracing::warn;

use super::Api;
use super::answer::Refused;
use super::course::Admitted;
use crate::apps::list;
use crate::apps::reading::valid_app_id;
use crate::profiles::access::Scope;
use crate::profiles::audit;

/// Bound on a body.
const MOST_BODY: usize = 64 << 10;
/// How long a body may take.
const SLOWEST_BODY: Duration = Duration::from_secs(10);
/// The other end of the connection; put there by whoever accepted it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Somebody who may read.
pub struct Reader;

/// Who asks, and may write.
pub struct Writer(pub Caller);

/// Whose request this is.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The name of their token.
    pub name: String,
    /// Their address.
    pub address: IpAddr,
}

impl Caller {
    async fn of(parts: &mut Parts, api: &Arc<Api>, needs: Scope) -> Result<Self, Refused> {
        let peer = Extension::<Peer>::from_request_parts(parts, api).await;
        let Ok(Extension(Peer(peer))) = peer else {
            warn!("a request without an address; refused");
            return Err(Refused::server(StatusCode::INTERNAL_SERVER_ERROR, "internal error"));
        };
        let address = peer.ip().to_canonical();
        match api.access.admit(address, &parts.headers, needs) {
            Ok(name) => {
                let caller = Self { name: name.to_owned(), address };
                if let Some(Admitted(slot)) = parts.extensions.get() {
                    let _ = slot.set(caller.clone());
                }
                Ok(caller)
            }
            Err(denied) => {
                if api.access.is_told(address, denied) {
                    audit::denied(address, denied, &parts.method, parts.uri.path());
                }
                Err(denied.into())
            }
        }
    }
}

impl FromRequestParts<Arc<Api>> for Reader {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refused> {
        Caller::of(parts, api, Scope::Read).await.map(|_| Self)
    }
}

impl FromRequestParts<Arc<Api>> for Writer {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refused> {
        let caller = Caller::of(parts, api, Scope::Write).await?;
        // Said before anything else: nothing that could be wrong with the call would make it work.
        match api.store.read_only() {
            None => Ok(Self(caller)),
            Some(why) => Err(Refused::client(StatusCode::CONFLICT, format!("read-only: {why}"))),
        }
    }
}

/// The app of the path. A path that can't be an app's isn't one.
pub struct App(pub String);

impl FromRequestParts<Arc<Api>> for App {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refused> {
        match Path::<String>::from_request_parts(parts, api).await {
            Ok(Path(app)) if valid_app_id(&app) => Ok(Self(app)),
            _ => Err(Refused::unknown()),
        }
    }
}

/// The query, in which nothing unknown may stand.
pub struct Strict<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Api>> for Strict<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refused> {
        match Query::<T>::from_request_parts(parts, api).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(_) => Err(Refused::client(
                StatusCode::BAD_REQUEST,
                "the query holds a parameter that this call doesn't have, or a value that it can't be",
            )),
        }
    }
}

/// The states that `If-Match` asks for; `None`: any (RFC 9110 section 13.1.1).
///
/// # Errors
/// A header that can't be read.
pub fn condition(headers: &HeaderMap) -> Result<Option<Vec<String>>, Refused> {
    let refuse = || Refused::client(StatusCode::BAD_REQUEST, "If-Match must be `*` or entity tags such as `\"5c1f\"`");
    let mut tags = Vec::new();
    let mut any = false;
    let mut present = false;
    for line in headers.get_all(IF_MATCH) {
        present = true;
        for tag in line.to_str().map_err(|_| refuse())?.split(',').map(str::trim) {
            match tag {
                "*" => any = true,
                // A list without a tag is no condition that could be met: a variable that isn't set must not mean any.
                "" => {}
                tag => {
                    // A weak tag never matches here, and says so by not being found.
                    let bare = tag.strip_prefix("W/").unwrap_or(tag);
                    let inner = bare.strip_prefix('"').and_then(|t| t.strip_suffix('"')).ok_or_else(refuse)?;
                    tags.push(if tag.starts_with("W/") { String::new() } else { inner.to_owned() });
                }
            }
        }
    }
    Ok((present && !any).then_some(tags))
}

/// The members of the body's one JSON object.
///
/// # Errors
/// Another type, too large, too slow, not JSON, or a name that stands twice.
pub async fn members(request: Request) -> Result<Map<String, Value>, Refused> {
    let (parts, body) = request.into_parts();
    check_type(&parts.headers)?;
    let bytes = read(body).await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| malformed("is not UTF-8"))?;
    match list::json(text).map_err(|problem| malformed(&problem))? {
        Value::Object(members) => Ok(members),
        _ => Err(malformed("is not an object; write `{..}`")),
    }
}

/// Sees that a call without a body has none, or an empty object.
///
/// # Errors
/// There is something in it.
pub async fn nothing(request: Request) -> Result<(), Refused> {
    let bytes = read(request.into_body()).await?;
    match bytes.trim_ascii() {
        b"" | b"{}" => Ok(()),
        _ => Err(malformed("should be empty: this call takes none")),
    }
}

async fn read(body: Body) -> Result<axum::body::Bytes, Refused> {
    match timeout(SLOWEST_BODY, to_bytes(body, MOST_BODY)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Refused::client(StatusCode::PAYLOAD_TOO_LARGE, "the body is over 64 KiB, or broke off")),
        Err(_) => Err(Refused::client(StatusCode::REQUEST_TIMEOUT, "the body took over 10 s")),
    }
}

/// JSON by its name; or by the one that `curl -d` and others give to whatever they are told to send.
const TYPES: [&str; 3] = ["application/json", "application/merge-patch+json", "application/x-www-form-urlencoded"];

fn check_type(headers: &HeaderMap) -> Result<(), Refused> {
    let media = headers.get(CONTENT_TYPE).map_or(Some("application/json"), |value| value.to_str().ok());
    let media = media.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if TYPES.iter().any(|json| media.eq_ignore_ascii_case(json)) {
        return Ok(());
    }
    Err(Refused::client(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send JSON, as `Content-Type: application/json`"))
}

fn malformed(problem: &str) -> Refused {
    Refused::client(StatusCode::BAD_REQUEST, format!("the body: {problem}"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn tags(lines: &[&str]) -> Result<Option<Vec<String>>, StatusCode> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_MATCH, HeaderValue::from_str(line).unwrap());
        }
        condition(&headers).map_err(|refused| refused.status())
    }

    #[test]
    fn a_condition_is_a_list_of_tags_or_a_star() {
        let list = |tags: &[&str]| Ok(Some(tags.iter().map(|t| (*t).to_owned()).collect()));
        assert_eq!(tags(&[]), Ok(None));
        assert_eq!(tags(&["*"]), Ok(None));
        assert_eq!(tags(&["\"a\""]), list(&["a"]));
        assert_eq!(tags(&["\"a\", \"b\"", "\"c\""]), list(&["a", "b", "c"]));
        assert_eq!(tags(&["W/\"a\""]), list(&[""]));
        assert_eq!(tags(&[""]), list(&[]));
        for bad in ["a", "\"a", "a\""] {
            assert_eq!(tags(&[bad]), Err(StatusCode::BAD_REQUEST), "{bad}");
        }
    }
}
