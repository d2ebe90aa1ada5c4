//! CORS for the gateway's own answers (Fetch standard, section 3.3): without it a page sees a network error where the
//! answer says 38, 39 or 40. The upstream's answers carry the upstream's own policy.

use std::collections::HashSet;

use http::{HeaderMap, HeaderValue, header};
use pingora::Result;
use pingora::http::ResponseHeader;

use crate::config::settings;

/// What a page may read besides the body.
const EXPOSED: HeaderValue = HeaderValue::from_static("WWW-Authenticate, Retry-After, X-Request-Id");

/// Which origins may read.
pub(super) enum Cors {
    Any,
    Only(HashSet<Box<[u8]>>),
}

impl Cors {
    pub(super) fn new(settings: &settings::Cors) -> Self {
        match settings {
            settings::Cors::Any => Self::Any,
            settings::Cors::Only(origins) => Self::Only(origins.iter().map(|o| o.as_bytes().into()).collect()),
        }
    }

    /// Says in an answer to this request who may read it.
    pub(super) fn allow(&self, request: &HeaderMap, answer: &mut ResponseHeader) -> Result<()> {
        // Also where nobody is allowed: a cache must not give one origin's answer to another.
        answer.insert_header(header::VARY, HeaderValue::from_static("Origin"))?;
        let Some(allowed) = self.allowed(request) else { return Ok(()) };
        answer.insert_header(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed)?;
        answer.insert_header(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED)
    }

    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let mut origins = request.get_all(header::ORIGIN).iter();
        let origin = origins.next().filter(|_| origins.next().is_none())?;
        match self {
            Self::Any => Some(HeaderValue::from_static("*")),
            Self::Only(these) => these.contains(origin.as_bytes()).then(|| origin.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(cors: &Cors, origins: &[&str]) -> (Option<String>, bool, bool) {
        let mut request = HeaderMap::new();
        for origin in origins {
            request.append(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        let mut answer = ResponseHeader::build(401, None).unwrap();
        cors.allow(&request, &mut answer).unwrap();
        let has = |name| answer.headers.contains_key(name);
        let allowed = answer.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        let allowed = allowed.map(|v| v.to_str().unwrap().to_owned());
        (allowed, has(header::ACCESS_CONTROL_EXPOSE_HEADERS), has(header::VARY))
    }

    #[test]
    fn an_allowed_origin_is_answered_byte_for_byte_and_another_not_at_all() {
        let cors = Cors::new(&settings::Cors::Only(vec!["https://a.example".into(), "null".into()]));
        for good in ["https://a.example", "null"] {
            assert_eq!(answer(&cors, &[good]), (Some(good.to_owned()), true, true));
        }
        let nobody = (None, false, true);
        for bad in [&["https://b.example"][..], &["https://a.example:443"], &["https://A.example"], &[]] {
            assert_eq!(answer(&cors, bad), nobody, "{bad:?}");
        }
        assert_eq!(answer(&cors, &["https://a.example", "https://a.example"]), nobody);
    }

    #[test]
    fn a_star_answers_any_origin_with_a_star_and_a_request_without_one_with_nothing() {
        let cors = Cors::new(&settings::Cors::Any);
        assert_eq!(answer(&cors, &["https://b.example"]), (Some("*".to_owned()), true, true));
        assert_eq!(answer(&cors, &[]), (None, false, true));
    }
}
