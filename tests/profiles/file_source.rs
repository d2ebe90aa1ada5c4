//! With an apps file the API reads, and says why it doesn't write.

use serde_json::json;

use crate::support::gateway::gateway;
use crate::support::gateway::profiles::{call, call_with};
use crate::support::upstream::Upstream;
use crate::support::{APP, SECRET};

#[tokio::test]
async fn apps_of_a_file_are_read_as_they_are_in_force_and_not_written() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream)
        .customer()
        .app("TR2", "short")
        .document(json!({"appId": "TR1", "jwt_secretkey": 5}))
        .profiles()
        .start()
        .await;
    let page = gateway.called(&call("GET", "apps?limit=2"), 200).await;
    let apps: Vec<_> =
        page["apps"].as_array().unwrap().iter().map(|a| (a["appId"].as_str(), a["state"].as_str())).collect();
    assert_eq!(apps, [(Some("TR1"), Some("unusable")), (Some("TR2"), Some("jwt"))]);
    let rest = gateway.called(&call("GET", "apps?limit=2&after=TR2"), 200).await;
    assert_eq!((&rest["apps"][0]["appId"], &rest["next"]), (&json!(APP), &json!(null)));
    assert_eq!(gateway.called(&call("GET", &format!("apps/{APP}")), 200).await["in_force"], true);
    gateway.called(&call("GET", "apps/TR9"), 404).await;

    let body = json!({"appId": "TR3", "jwt_secretkey": SECRET});
    let writes = [
        call_with("POST", "apps", &body),
        call_with("POST", "apps", &json!({})),
        call_with("PATCH", "apps/TR2", &body),
        call_with("POST", "apps/TR2/rotate", &body),
        call("POST", "apps/TR2/disable"),
        call("POST", "apps/TR9/revoke"),
        call("DELETE", "apps/TR2"),
    ];
    for request in &writes {
        let answer = gateway.called(request, 409).await;
        let status = answer["status"].as_str().unwrap();
        assert!(status.starts_with("read-only: the apps come from the file"), "{status}");
    }
}
