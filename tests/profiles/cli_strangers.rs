//! `rtms-gateway apps` against servers that aren't the API's, or don't keep to it.

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
