//! The calls, one function each.
#![allow(unused_qualifications, reason = "the macros that describe the calls qualify names that are in scope")]

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use http::header::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::answer::{Failure, Refused, json};
use super::input::{App, Caller, Reader, Strict, Writer, members, nothing};
use super::wait::{Patience, Wait};
use super::write::{Call, with_tag};
use crate::apps::Document;
use crate::apps::reading::valid_app_id;
use crate::profiles::change::{self, Refusal};
use crate::profiles::edit::{self, Edit};
use crate::profiles::openapi::AppPatch;
use crate::profiles::profile::Profile;
use crate::profiles::rules::Rules;
use crate::profiles::store::Found;

/// Apps in one answer, unless the request says otherwise, and at most.
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 1000;

/// A page of apps.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppList {
    /// The apps, ordered by their ids byte by byte.
    pub apps: Vec<Profile>,
    /// `after` of the next page; null: this is the last one.
    pub next: Option<String>,
}

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// The appId that the page begins after; absent: from the first.
    after: Option<String>,
    /// How many apps at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

/// No parameter at all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

/// The app that a call is about.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct AppId {
    /// The app's id.
    #[param(rename = "appId", pattern = "^[A-Za-z0-9._-]{1,64}$", example = "TR21063826")]
    #[allow(dead_code, reason = "for the description")]
    app_id: String,
}

/// The condition of a change.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfMatch {
    /// Change the app only if it is still in one of these states, as `ETag` told them; `*`: in any.
    #[param(rename = "If-Match", value_type = String, required = false, pattern = "^\"[0-9a-f]{24}\"$")]
    #[allow(dead_code, reason = "for the description")]
    if_match: Option<String>,
}

/// Lists apps.
#[utoipa::path(get, path = "/api/v1/apps", tag = "apps", params(Page), responses(
    (status = 200, description = "A page of apps", body = AppList),
    (status = 400, description = "A parameter that can't be", body = Failure),
))]
pub async fn list(State(api): State<Arc<Api>>, _: Reader, Strict(page): Strict<Page>) -> Result<Response, Refused> {
    let limit = page.limit.unwrap_or(PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(Refused::client(StatusCode::BAD_REQUEST, "`limit` must be 1 to 1000"));
    }
    let (listed, more) = api.store.page(page.after.as_deref().unwrap_or_default(), limit).await?;
    let next = if more { listed.last().map(|last| last.app_id.clone()) } else { None };
    let snapshot = api.published.load();
    let profile = |l: &crate::profiles::store::Listed| Profile::new(&l.app_id, &l.found, &api.rules, &snapshot);
    let apps = listed.iter().filter_map(profile).collect();
    Ok(json(StatusCode::OK, &AppList { apps, next }))
}

/// Creates an app.
///
/// Asked for twice, it happens once: where the same document stands already the answer is 200.
#[utoipa::path(post, path = "/api/v1/apps", tag = "apps", params(Wait), request_body(content = AppPatch), responses(
    (status = 201, description = "Created", body = Profile, headers(("ETag" = String, description = "Its state"))),
    (status = 200, description = "The same document stood there", body = Profile, headers(("ETag" = String, description = "Its state"))),
    (status = 400, description = "Every mistake in the document", body = Failure),
    (status = 409, description = "There is another app with this appId, or the store is read-only", body = Failure),
))]
pub async fn create(
    State(api): State<Arc<Api>>,
    Writer(caller): Writer,
    Patience(patience): Patience,
    request: Request,
) -> Result<Response, Refused> {
    let headers = request.headers().clone();
    let (edit, mistakes) = edit::read(members(request).await?);
    let document = edit.applied_to(Document::default());
    let sound = api.rules.check_also(&document, edit.names(), mistakes).map_err(Refused::mistakes);
    let app = match document.get("appId") {
        Some(crate::apps::Value::Str(app)) if valid_app_id(app) => app.to_string(),
        // One of the mistakes, then.
        _ => String::new(),
    };
    let call = Call { api: &api, caller: &caller, what: "create", app: &app, headers: &headers, patience };
    let done = match sound {
        Ok(()) => call.create(&edit).await,
        Err(refused) => Err(refused),
    };
    call.answer(done, StatusCode::CREATED).await
}

/// Shows an app.
#[utoipa::path(get, path = "/api/v1/apps/{appId}", tag = "apps", params(AppId), responses(
    (status = 200, description = "The app", body = Profile, headers(("ETag" = String, description = "Its state, for If-Match"))),
))]
pub async fn read(
    State(api): State<Arc<Api>>,
    _: Reader,
    App(app): App,
    Strict(NoParameters {}): Strict<NoParameters>,
) -> Result<Response, Refused> {
    let (found, _) = api.store.find(&app).await?;
    let profile = Profile::new(&app, &found, &api.rules, &api.published.load()).ok_or_else(Refused::unknown)?;
    let answer = json(StatusCode::OK, &profile);
    Ok(match &found {
        Found::One(stored) => with_tag(answer, stored),
        _ => answer,
    })
}

/// Changes fields of an app.
///
/// A JSON merge patch (RFC 7396): fields that aren't named stay, null takes one out. A new `jwt_secretkey` is in force
/// at once and the old one is not any more: `rotate` lets them overlap.
#[utoipa::path(patch, path = "/api/v1/apps/{appId}", tag = "apps", params(AppId, IfMatch, Wait),
    request_body(content((AppPatch = "application/json"), (AppPatch = "application/merge-patch+json"))), responses(
    (status = 200, description = "The app as it is now", body = Profile, headers(("ETag" = String, description = "Its state"))),
    (status = 400, description = "Every mistake in the patch", body = Failure),
    (status = 409, description = "The document doesn't allow it, or the store is read-only", body = Failure),
))]
pub async fn change(
    State(api): State<Arc<Api>>,
    Writer(caller): Writer,
    App(app): App,
    Patience(patience): Patience,
    request: Request,
) -> Result<Response, Refused> {
    let headers = request.headers().clone();
    let (edit, mut mistakes) = edit::read(members(request).await?);
    if edit.would_rename(&app) {
        mistakes.note("appId", "can't be changed; create another app");
    }
    let call = Call { api: &api, caller: &caller, what: "change", app: &app, headers: &headers, patience };
    let done = call
        .change(|stored| {
            change::allowed(&stored.document, &api.rules, &edit, mistakes.clone())?;
            Ok(stored.would_change_by(&edit).then(|| edit.clone()))
        })
        .await;
    call.answer(done, StatusCode::OK).await
}

/// Deletes an app: all its requests are rejected from then on.
#[utoipa::path(delete, path = "/api/v1/apps/{appId}", tag = "apps", params(AppId, IfMatch, Wait), responses(
    (status = 204, description = "Deleted"),
    (status = 400, description = "A parameter that can't be", body = Failure),
    (status = 409, description = "Two documents have this appId, or the store is read-only", body = Failure),
))]
pub async fn delete(
    State(api): State<Arc<Api>>,
    Writer(caller): Writer,
    App(app): App,
    Patience(patience): Patience,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let call = Call { api: &api, caller: &caller, what: "delete", app: &app, headers: &headers, patience };
    let done = call.remove().await;
    call.answer(done, StatusCode::NO_CONTENT).await
}

/// Disables an app: all its requests on judged routes are rejected.
#[utoipa::path(post, path = "/api/v1/apps/{appId}/disable", tag = "apps", params(AppId, IfMatch, Wait), responses(
    (status = 200, description = "The app as it is now", body = Profile, headers(("ETag" = String, description = "Its state"))),
    (status = 400, description = "A body, or a parameter that can't be", body = Failure),
    (status = 409, description = "The document doesn't allow it, or the store is read-only", body = Failure),
))]
pub async fn disable(
    State(api): State<Arc<Api>>,
    Writer(caller): Writer,
    App(app): App,
    Patience(patience): Patience,
    request: Request,
) -> Result<Response, Refused> {
    let asked = Asked { api: &api, caller: &caller, what: "disable", app: &app, patience };
    asked.simply(request, |document, rules| change::set_disabled(document, rules, true)).await
}

/// Enables an app that was disabled.
#[utoipa::path(post, path = "/api/v1/apps/{appId}/enable", tag = "apps", params(AppId, IfMatch, Wait), responses(
    (status = 200, description = "The app as it is now", body = Profile, headers(("ETag" = String, description = "Its state"))),
    (status = 400, description = "A body, or a parameter that can't be", body = Failure),
    (status = 409, description = "The document doesn't allow it, or the store is read-only", body = Failure),
))]
pub async fn enable(
    State(api): State<Arc<Api>>,
    Writer(caller): Writer,
    App(app): App,
    Patience(patience): Patience,
    request: Request,
) -> Result<Response, Refused> {
    let asked = Asked { api: &api, caller: &caller, what: "enable", app: &app, patience };
    asked.simply(request, |document, rules| change::set_disabled(document, rules, false)).await
}

/// Revokes every token of an app that was issued before this moment.
///
/// A token's `iat` decides, rounded down to the second as tokens have it; tokens without one are revoked too.
#[utoipa::path(post, path = "/api/v1/apps/{appId}/revoke", tag = "apps", params(AppId, IfMatch, Wait), responses(
    (status = 200, description = "The app as it is now", body = Profile, headers(("ETag" = String, description = "Its state"))),
    (status = 400, description = "A body, or a parameter that can't be", body = Failure),
    (status = 409, description = "The document doesn't allow it, or the store is read-only", body = Failure),
))]
pub async fn revoke(
    State(api): State<Arc<Api>>,
    Writer(caller): Writer,
    App(app): App,
    Patience(patience): Patience,
    request: Request,
) -> Result<Response, Refused> {
    let asked = Asked { api: &api, caller: &caller, what: "revoke", app: &app, patience };
    asked.simply(request, |document, rules| change::revoke(document, rules, change::now())).await
}

/// A change that takes no body.
struct Asked<'a> {
    api: &'a Arc<Api>,
    caller: &'a Caller,
    what: &'static str,
    app: &'a str,
    patience: Option<Duration>,
}

impl Asked<'_> {
    async fn simply(
        &self,
        request: Request,
        work_out: impl Fn(&Document, &Rules) -> Result<Option<Edit>, Refusal> + Send + Sync,
    ) -> Result<Response, Refused> {
        let &Self { api, caller, what, app, patience } = self;
        let headers = request.headers().clone();
        nothing(request).await?;
        let call = Call { api, caller, what, app, headers: &headers, patience };
        let done = call.change(|stored| work_out(&stored.document, &api.rules)).await;
        call.answer(done, StatusCode::OK).await
    }
}
