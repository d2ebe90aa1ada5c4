//! The call that gives an app a new secret.
#![allow(unused_qualifications, reason = "the macros that describe the calls qualify names that are in scope")]

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::Value as Json;
use utoipa::ToSchema;
use zeroize::{Zeroize as _, Zeroizing};

use super::Api;
use super::answer::{Failure, Refused};
use super::apps::{AppId, IfMatch};
use super::input::{App, Writer, members};
use super::wait::{Patience, Wait};
use super::write::{Call, THROWN_OUT};
use crate::profiles::change::{self, Rotation};
use crate::profiles::edit::{LONGEST_SECRET, Mistakes};
use crate::profiles::profile::Profile;

/// The overlap, unless the request says otherwise.
const OVERLAP: &str = "24h";

/// What a rotation is asked for with.
#[derive(Deserialize, ToSchema)]
pub struct RotateBody {
    /// The new secret, encoded as the app's secrets are.
    #[schema(min_length = 32, max_length = 1024)]
    #[allow(dead_code, reason = "the shape is for the description; the body is read member by member")]
    jwt_secretkey: String,
    /// For how long the secret in force stays good beside it: a whole number and `ms`, `s`, `m` or `h`, up to a year.
    /// `0s`: not at all.
    #[schema(
        default = "24h",
        pattern = "^([0-9]{1,9}ms|[0-9]{1,7}s|[0-9]{1,5}m|[0-7]?[0-9]{1,3}h|8[0-6][0-9]{2}h|87[0-7][0-9]h|878[0-4]h)$",
        example = "24h"
    )]
    #[allow(dead_code, reason = "the same")]
    overlap: Option<String>,
}

/// Gives an app a new secret, while the one before it stays good for a time.
///
/// Asked for twice with one secret, it happens once. A rotation within the overlap of another throws the oldest secret
/// out; the header `X-Rtms-Previous-Dropped` then says until when that one would have been good. `"overlap": "0s"` with
/// the secret in force ends the overlap.
#[utoipa::path(post, path = "/api/v1/apps/{appId}/rotate", tag = "apps", params(AppId, IfMatch, Wait), request_body = RotateBody, responses(
    (status = 200, description = "The app as it is now", body = Profile, headers(("ETag" = String, description = "Its state"))),
    (status = 400, description = "Every mistake in the body", body = Failure),
    (status = 409, description = "The app has no secret to rotate, or the store is read-only", body = Failure),
))]
pub async fn rotate(
    State(api): State<Arc<Api>>,
    Writer(caller): Writer,
    App(app): App,
    Patience(patience): Patience,
    request: Request,
) -> Result<Response, Refused> {
    let headers = request.headers().clone();
    let rotation = rotation(members(request).await?)?;
    let call = Call { api: &api, caller: &caller, what: "rotate", app: &app, headers: &headers, patience };
    let now = change::now();
    let mut thrown_out = None;
    let done = call
        .change(|stored| {
            let edit = change::rotate(&stored.document, &api.rules, &rotation, now)?;
            thrown_out = edit.as_ref().and_then(|_| change::thrown_out(&stored.document, now));
            Ok(edit)
        })
        .await;
    let mut answer = call.answer(done, StatusCode::OK).await?;
    let until = thrown_out.and_then(change::rfc3339);
    if let Some(until) = until.and_then(|until| HeaderValue::try_from(until).ok()) {
        answer.headers_mut().insert(THROWN_OUT, until);
    }
    Ok(answer)
}

/// What a body asks for.
fn rotation(mut members: serde_json::Map<String, Json>) -> Result<Rotation, Refused> {
    let mut mistakes = Mistakes::default();
    let secret = secret(members.get_mut("jwt_secretkey"));
    if let Err(problem) = secret {
        mistakes.note("jwt_secretkey", problem);
    }
    let overlap = match members.get("overlap") {
        None | Some(Json::Null) => change::overlap(OVERLAP, &mut mistakes),
        Some(Json::String(text)) => change::overlap(text, &mut mistakes),
        Some(_) => {
            mistakes.note("overlap", "must be a string such as `24h`");
            std::time::Duration::ZERO
        }
    };
    for name in members.keys().filter(|name| !["jwt_secretkey", "overlap"].contains(&name.as_str())) {
        mistakes.note(name, "is nothing that a rotation has; give `jwt_secretkey` and `overlap`");
    }
    mistakes.or(()).map_err(Refused::mistakes)?;
    Ok(Rotation { secret: secret.unwrap_or_default(), overlap })
}

fn secret(value: Option<&mut Json>) -> Result<Zeroizing<String>, &'static str> {
    match value {
        None | Some(Json::Null) => Err("is missing; give the new secret"),
        Some(value) => match take_string(value) {
            Some(text) if text.is_empty() => Err("is empty; give the new secret"),
            Some(text) if text.chars().count() > LONGEST_SECRET => Err("is too long; use up to 1024 characters"),
            Some(text) => Ok(text),
            None => Err("must be a string"),
        },
    }
}

/// A string taken out of a body, which is wiped there.
fn take_string(value: &mut Json) -> Option<Zeroizing<String>> {
    let Json::String(text) = value else { return None };
    let taken = Zeroizing::new(text.clone());
    text.zeroize();
    Some(taken)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Json) -> Result<(String, u64), String> {
        let Json::Object(members) = body else { panic!("an object") };
        match rotation(members) {
            Ok(rotation) => Ok((rotation.secret.to_string(), rotation.overlap.as_secs())),
            Err(refused) => Err(refused.text().to_owned()),
        }
    }

    #[test]
    fn a_rotation_has_a_secret_and_an_overlap() {
        assert_eq!(read(json!({"jwt_secretkey": "s", "overlap": "90s"})), Ok(("s".to_owned(), 90)));
        assert_eq!(read(json!({"jwt_secretkey": "s"})), Ok(("s".to_owned(), 24 * 3600)));
        assert_eq!(read(json!({"jwt_secretkey": "s", "overlap": "0s"})), Ok(("s".to_owned(), 0)));
        let wrong = json!({"overlap": 5, "jwt_secretkey": "", "force": true});
        assert_eq!(read(wrong), Err("3 fields can't be written".to_owned()));
        for body in [json!({}), json!({"jwt_secretkey": "s", "overlap": "1d"}), json!({"jwt_secretkey": ["s"]})] {
            assert_eq!(read(body), Err("one field can't be written".to_owned()));
        }
    }
}
