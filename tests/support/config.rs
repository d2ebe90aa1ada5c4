//! The configuration that tests start from, as a value.

use serde_json::{Value, json};

/// The tests' routes: one for each kind of place that an identity may stand in, and one for each exemption.
pub fn routes() -> Value {
    let api = |path: &str| format!("/rtmsAPI/api/{{version}}/{path}");
    let in_body = json!({ "userId": ["body.userId"], "clientApp": ["body.clientId"] });
    let customer =
        json!({ "customerId": ["body.customerId"], "clientUser": ["body.clientId"], "clientApp": ["body.clientId"] });
    json!([
        { "name": "setuserid", "path": api("app/{appId}/setuserid"), "methods": ["POST"], "upstream": "rtms", "identities": in_body },
        { "name": "sdk", "path": api("sdk/{appId}/setuserid"), "methods": ["POST"], "upstream": "rtms", "identities": in_body,
          "rejection": "sdk" },
        { "name": "customer", "path": api("{appId}/setCustomerId"), "methods": ["POST"], "upstream": "rtms",
          "identities": customer, "vouch": "any" },
        { "name": "threads", "path": api("apps/{appId}/user/{userId*}/threads"), "methods": ["GET", "POST"],
          "upstream": "rtms", "identities": { "userId": ["path.userId"] } },
        { "name": "lookup", "path": api("{appId}/lookup"), "methods": ["GET"], "upstream": "rtms",
          "identities": { "userId": ["query.userId"] } },
        { "name": "byheader", "path": api("{appId}/byheader"), "upstream": "rtms",
          "identities": { "userId": ["header.X-User"] } },
        { "name": "plain", "path": api("{appId}/plain"), "upstream": "rtms" },
        { "name": "public", "path": "/public/{rest*}", "upstream": "rtms", "auth": "none" },
    ])
}

/// Sets the value at a JSON pointer; the objects on the way are made, list items must be there.
pub fn set(config: &mut Value, pointer: &str, value: Value) {
    let mut at = config;
    for word in pointer.split('/').skip(1) {
        at = match at {
            Value::Array(items) => {
                items.get_mut(word.parse::<usize>().expect("an index")).expect("an item that is there")
            }
            other => {
                if other.is_null() {
                    *other = json!({});
                }
                &mut other[word]
            }
        };
    }
    *at = value;
}

/// The text of a configuration: JSON is YAML.
pub fn text(config: &Value) -> String {
    serde_json::to_string_pretty(config).expect("values of ours")
}
