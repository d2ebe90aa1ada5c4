//! Answers: a profile, a list, or what is wrong, always JSON and never stored by anybody on the way.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::course::Untold;
use crate::auth::rejection::{Form, challenge};
use crate::profiles::access::Denied;
use crate::profiles::change::Refusal;
use crate::profiles::edit::Mistake;
use crate::profiles::store::StoreError;
use crate::reason::Reason;

/// What is wrong with a request.
const CLIENT: &str = "4";
/// What is wrong on this side.
const SERVER: &str = "1";

/// Why a call wasn't done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Failure {
    /// `4`: the request; `1`: this side; `38` and `39`: the token.
    #[schema(example = "4")]
    pub code: String,
    /// What is wrong, and what would be right.
    #[schema(example = "two fields can't be written")]
    pub status: String,
    /// Every mistake in the body, where that is what is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<Mistake>,
}

/// An answer other than success.
#[derive(Debug)]
pub struct Refused {
    status: StatusCode,
    failure: Failure,
    retry_after: Option<u64>,
    challenge: Option<&'static str>,
    /// The audit log has a line of it.
    told: bool,
}

impl Refused {
    /// The request can't be done like this.
    pub fn client(status: StatusCode, text: impl Into<String>) -> Self {
        Self::new(status, CLIENT, text)
    }

    /// This side can't do it now.
    pub fn server(status: StatusCode, text: impl Into<String>) -> Self {
        Self::new(status, SERVER, text)
    }

    fn new(status: StatusCode, code: &str, text: impl Into<String>) -> Self {
        let failure = Failure { code: code.to_owned(), status: text.into(), mistakes: Vec::new() };
        Self { status, failure, retry_after: None, challenge: None, told: false }
    }

    /// The body holds mistakes.
    pub fn mistakes(mistakes: Vec<Mistake>) -> Self {
        let text = match mistakes.len() {
            1 => "one field can't be written".to_owned(),
            n => format!("{n} fields can't be written"),
        };
        let mut refused = Self::client(StatusCode::BAD_REQUEST, text);
        refused.failure.mistakes = mistakes;
        refused
    }

    /// There is no such app.
    pub fn unknown() -> Self {
        Self::client(StatusCode::NOT_FOUND, "there is no such app")
    }

    /// The status, for the audit log.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong, for the audit log.
    pub fn text(&self) -> &str {
        &self.failure.status
    }

    /// The audit log has a line of it.
    #[must_use]
    pub const fn told(mut self) -> Self {
        self.told = true;
        self
    }

    /// Tells the client to come back after so many seconds.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl From<Denied<'_>> for Refused {
    fn from(denied: Denied<'_>) -> Self {
        let token = |reason: Reason| Self {
            challenge: challenge(reason, Form::Standard),
            ..Self::new(StatusCode::UNAUTHORIZED, reason.code().as_str(), reason.text())
        };
        match denied {
            Denied::Missing => token(Reason::TokenMissing),
            Denied::Unknown => token(Reason::SignatureInvalid),
            Denied::Scope(_) => Self {
                challenge: Some(r#"Bearer realm="rtms", error="insufficient_scope", scope="write""#),
                ..Self::client(StatusCode::FORBIDDEN, "this token may read apps, not change them")
            },
            Denied::Throttled(wait) => Self::client(StatusCode::TOO_MANY_REQUESTS, "too many wrong tokens")
                .retry_after(wait.as_secs().saturating_add(1)),
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Mistakes(mistakes) => Self::mistakes(mistakes),
            Refusal::Together(mistakes) => {
                let mut refused = Self::client(StatusCode::CONFLICT, "does not fit what stands");
                refused.failure.mistakes = mistakes;
                refused
            }
            Refusal::Conflict(why) => Self::client(StatusCode::CONFLICT, why),
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        match error {
            StoreError::ReadOnly(_) | StoreError::Exists => Self::client(StatusCode::CONFLICT, text),
            StoreError::Unreachable(_) => Self::server(StatusCode::SERVICE_UNAVAILABLE, text).retry_after(1),
            StoreError::Unconfirmed(_) => {
                let remedy = format!("{text}; ask for the app, or repeat the call: it does no harm");
                Self::server(StatusCode::GATEWAY_TIMEOUT, remedy)
            }
            StoreError::Denied(_) | StoreError::Failed(_) => Self::server(StatusCode::BAD_GATEWAY, text),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = json(self.status, &self.failure);
        if !self.told {
            response.extensions_mut().insert(Untold(self.failure.status));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// A JSON answer.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    match serde_json::to_vec(value) {
        Ok(body) => (status, headers, Body::from(body)).into_response(),
        // What is written here has only strings for keys.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
