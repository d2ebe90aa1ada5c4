//! The description of the API, OpenAPI 3.1, made of the functions that answer it.

use serde_json::{Value as Json, json};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

use super::http::{Failure, apps, rotate};
use super::profile::Encoding;

/// Fields of an app to be written; null takes one out. Fields of any other name are kept and ignored.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the shape is for the description; bodies are read field by field")]
pub struct AppPatch {
    /// The secret; without one JWT is off for this app.
    #[schema(min_length = 32, max_length = 1024, example = "a-secret-of-at-least-32-bytes-000")]
    jwt_secretkey: Option<String>,
    /// How the secrets are encoded; absent: as `auth.secret_encoding` says.
    secret_encoding: Option<Encoding>,
    /// The secret before it, good until `previous_expires_at`. Better set by `rotate`.
    #[schema(min_length = 32, max_length = 1024)]
    jwt_secretkey_previous: Option<String>,
    /// Until when the secret before is good; without it, it isn't.
    #[schema(format = "date-time")]
    previous_expires_at: Option<String>,
    /// true: every request of the app on a judged route is rejected.
    disabled: Option<bool>,
    /// Tokens issued before are rejected.
    #[schema(format = "date-time")]
    tokens_valid_after: Option<String>,
    /// The app's name, for people.
    #[serde(rename = "appName")]
    app_name: Option<String>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "rtms-gateway app profiles",
        description = "Apps and their secrets, as they stand in the database that the gateways follow. Secrets go in, \
                       never out. A write is answered once a majority of the database has it; it takes effect through \
                       the same change stream at every gateway.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        apps::list, apps::create, apps::read, apps::change, apps::delete,
        rotate::rotate, apps::disable, apps::enable, apps::revoke,
    ),
    components(schemas(AppPatch, Failure)),
    modifiers(&Bearer),
    security(("token" = [])),
    tags((name = "apps", description = "App profiles")),
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("One of `profiles.tokens`: its scope is `read` or `write`."));
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
    }
}

/// Answers that every call can give, and every call that changes something.
const OF_ALL: [(&str, &str); 4] = [
    ("401", "No token, or an unknown one"),
    ("429", "Too many wrong tokens from this address"),
    ("502", "The database answered with an error"),
    ("503", "The database can't be reached"),
];
const OF_WRITES: [(&str, &str); 2] =
    [("403", "The token may only read"), ("504", "Not confirmed by a majority, or not in force, in time")];
const OF_BODIES: [(&str, &str); 3] =
    [("408", "The body took over 10 s"), ("413", "The body is over 64 KiB"), ("415", "The body isn't JSON")];

/// The description, as JSON.
#[must_use]
pub fn document() -> Json {
    let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
    complete_calls(&mut document);
    complete_schemas(&mut document);
    document
}

/// Adds what many calls have in common.
fn complete_calls(document: &mut Json) {
    let Some(paths) = document.get_mut("paths").and_then(Json::as_object_mut) else { return };
    for (path, calls) in paths {
        let Some(calls) = calls.as_object_mut() else { continue };
        for (method, call) in calls {
            let mut answers = OF_ALL.to_vec();
            if method != "get" {
                answers.extend(OF_WRITES);
            }
            if call.get("requestBody").is_some() {
                answers.extend(OF_BODIES);
            }
            if path.contains("{appId}") {
                answers.push(("404", "There is no such app"));
            }
            if path.contains("{appId}") && method != "get" {
                answers.push(("412", "The app isn't as If-Match says"));
            }
            for (status, description) in answers {
                put(call, &["responses", status], failure(description));
            }
        }
    }
}

fn failure(description: &str) -> Json {
    let schema = json!({ "$ref": "#/components/schemas/Failure" });
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

/// Says what the derived schemas can't.
fn complete_schemas(document: &mut Json) {
    let names = json!({ "pattern": "^[A-Za-z_][A-Za-z0-9_-]{0,63}$" });
    put(document, &["components", "schemas", "RotateBody", "additionalProperties"], json!(false));
    put(document, &["components", "schemas", "AppPatch", "propertyNames"], names);
    put(document, &["components", "schemas", "OtherField"], other_field());
    let other = json!({ "$ref": "#/components/schemas/OtherField" });
    put(document, &["components", "schemas", "AppPatch", "additionalProperties"], other);
    let rules = json!([base64_secrets(), previous_with_current(&[])]);
    put(document, &["components", "schemas", "AppPatch", "allOf"], rules);
    let mut whole = document.pointer("/components/schemas/AppPatch").cloned().unwrap_or_default();
    let text = "An app document as it is written. Fields of any other name are kept and ignored.";
    let app_id = json!({
        "type": "string", "description": "The app's id.", "pattern": "^[A-Za-z0-9._-]{1,64}$", "example": "TR21063826",
    });
    put(&mut whole, &["description"], json!(text));
    put(&mut whole, &["required"], json!(["appId"]));
    put(&mut whole, &["allOf"], json!([base64_secrets(), previous_with_current(&["jwt_secretkey"])]));
    put(&mut whole, &["properties", "appId"], app_id);
    put(document, &["components", "schemas", "AppDocument"], whole);
    let create = ["paths", "/api/v1/apps", "post", "requestBody", "content", "application/json", "schema"];
    put(document, &create, json!({ "$ref": "#/components/schemas/AppDocument" }));
}

/// What a field of somebody else's may hold: what the database can keep.
fn other_field() -> Json {
    let value = json!({ "$ref": "#/components/schemas/OtherField" });
    json!({
        "description": "The value of a field that the gateway keeps and ignores. Up to 20 levels.",
        "anyOf": [
            { "type": ["null", "boolean", "string"] },
            { "type": "integer", "minimum": i64::MIN, "maximum": i64::MAX },
            { "type": "number" },
            { "type": "array", "items": value },
            { "type": "object", "propertyNames": { "pattern": "^([^$\\u0000][^\\u0000]*)?$" }, "additionalProperties": value },
        ],
    })
}

/// Whole groups of four, which is more than is asked for: other lengths and padding are taken, too.
fn base64_secrets() -> Json {
    let secret = json!({ "pattern": "^([A-Za-z0-9_-]{4}){11,200}$" });
    json!({
        "if": { "properties": { "secret_encoding": { "const": "base64" } }, "required": ["secret_encoding"] },
        "then": { "properties": { "jwt_secretkey": secret, "jwt_secretkey_previous": secret } },
    })
}

/// A previous secret stands with a current one.
fn previous_with_current(required: &[&str]) -> Json {
    let previous = json!({ "jwt_secretkey_previous": { "type": "string" } });
    let current = json!({ "jwt_secretkey": { "type": "string" } });
    json!({
        "if": { "properties": previous, "required": ["jwt_secretkey_previous"] },
        "then": { "properties": current, "required": required },
    })
}

/// Sets a member; the objects on the way are made.
fn put(at: &mut Json, path: &[&str], value: Json) {
    match (path, at.as_object_mut()) {
        ([last], Some(members)) => {
            members.insert((*last).to_owned(), value);
        }
        ([first, rest @ ..], Some(members)) => put(members.entry(*first).or_insert_with(|| json!({})), rest, value),
        _ => {}
    }
}
