//! `rtms-gateway apps` against servers that aren't the API's, or don't keep to it.

use serde_json::Value;

use super::cli::{Done, run};
use crate::support::gateway::profiles::WRITER;
use crate::support::upstream::{Behaviour, Upstream};

/// Runs `apps` against any server.
async fn apps(server: &Upstream, args: &str) -> Done {
    let url = format!("http://{}", server.address());
    let args: Vec<&str> = std::iter::once("apps").chain(args.split_whitespace()).collect();
    run(&args, &[("RTMS_PROFILES_URL", &url), ("RTMS_PROFILES_TOKEN", WRITER)], b"").await
}

async fn answering(status: &'static str, header: &str, body: &str) -> Upstream {
    let server = Upstream::start().await;
    server.behave(Behaviour::Answer(status, vec![header.to_owned()], body.into()));
    server
}

#[tokio::test]
async fn a_list_that_does_not_go_on_is_given_up() {
    let server = answering("200 OK", "X: y", r#"{"apps":[{"appId":"TR1"}],"next":"TR1"}"#).await;
    let done = apps(&server, "list").await;
    assert_eq!((done.code, done.out.as_str(), server.count()), (Some(1), "", 2));
    assert!(done.err.contains("goes round in circles"), "{}", done.err);
}

#[tokio::test]
async fn what_is_no_answer_of_the_api_s_is_no_success() {
    let server = answering("200 OK", "Content-Type: text/html", "<p>Welcome</p>").await;
    for args in ["list", "list --json", "get TR1", "get TR1 --json", "disable TR1 --json", "delete TR1 --yes"] {
        let done = apps(&server, args).await;
        assert_eq!((done.code, done.out.as_str()), (Some(1), ""), "{args}");
        assert!(done.err.contains("not of the app profiles API's form"), "{args}: {}", done.err);
    }
    // It may have been the API behind something that garbles its answers: the secret isn't lost.
    let done = apps(&server, "create TR1 --generate --json").await;
    let printed: Value = serde_json::from_str(&done.out).expect("JSON");
    assert_eq!((done.code, &printed["app"]), (Some(1), &Value::Null));
    assert_eq!(printed["secret"].as_str().map(str::len), Some(43));
}

#[tokio::test]
async fn the_token_is_for_that_address_alone() {
    let elsewhere = Upstream::start().await;
    let to = format!("Location: http://{}/api/v1/apps", elsewhere.address());
    for status in ["301 Moved Permanently", "307 Temporary Redirect"] {
        let server = answering(status, &to, "").await;
        let done = apps(&server, "create TR1 --generate").await;
        assert_eq!((done.code, done.out.as_str()), (Some(1), ""), "{}", done.err);
        assert!(done.err.contains("and not as the app profiles API does"), "{}", done.err);
    }
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test]
async fn a_call_has_an_end_and_a_made_secret_outlives_it() {
    let server = Upstream::start().await;
    server.behave(Behaviour::Hang);
    let read = apps(&server, "list --timeout 200ms").await;
    assert_eq!((read.code, read.out.as_str()), (Some(1), ""));
    assert!(read.err.contains("gave no answer: timed out"), "{}", read.err);
    for behaviour in [Behaviour::Hang, Behaviour::Close, Behaviour::Reset] {
        server.behave(behaviour.clone());
        let write = apps(&server, "create TR1 --generate --timeout 500ms").await;
        assert_eq!((write.code, write.out.trim_end().len()), (Some(1), 43), "{behaviour:?}: {}", write.err);
        assert!(write.err.contains("isn't known"), "{behaviour:?}: {}", write.err);
    }
}
