//! Pages of other origins: what they may read, and what the upstream decides.

use serde_json::json;

use crate::support::client::{get, post, set_user};
use crate::support::gateway::{Builder, gateway, to_peers};
use crate::support::upstream::Upstream;
use crate::support::{APP, USER, plain, ports, setuserid, tokens};

const PAGE: &str = "https://app.example";

fn with_cors(builder: Builder, origins: &[&str]) -> Builder {
    builder.customer().set("/cors", json!({ "allowed_origins": origins }))
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_read_every_answer_of_the_gateways_own() {
    let upstream = Upstream::start().await;
    let gateway = with_cors(gateway(&upstream), &[PAGE]).start().await;
    let body = format!(r#"{{"userId":"{USER}"}}"#);
    for (request, status) in [
        (set_user(APP, USER), 401),
        (set_user(APP, USER).token(tokens::expired()), 401),
        (set_user(APP, "another").token(tokens::good()), 401),
        (post(format!("/rtmsAPI/api/v1/sdk/{APP}/setuserid"), body), 200),
        (get("/unknown"), 404),
        (get(setuserid(APP)), 405),
        (get("/a%00"), 400),
    ] {
        let answer = gateway.ask(&request.clone().header(format!("Origin: {PAGE}"))).await;
        assert_eq!(answer.status, status, "{request:?}");
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some(PAGE), "{request:?}");
        let exposed = answer.header("Access-Control-Expose-Headers");
        assert_eq!(exposed, Some("WWW-Authenticate, Retry-After, X-Request-Id"), "{request:?}");
        assert_eq!(answer.header("Vary"), Some("Origin"), "{request:?}");

        for origin in ["Origin: https://other.example", "X-None: 1"] {
            let answer = gateway.ask(&request.clone().header(origin)).await;
            assert_eq!(answer.status, status, "a page elsewhere is judged alike");
            assert_eq!(answer.header("Access-Control-Allow-Origin"), None, "{origin}");
            assert_eq!(answer.header("Vary"), Some("Origin"), "{origin}");
        }
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_star_lets_every_page_read() {
    let dead = ports::free();
    let gateway = with_cors(to_peers(&[dead]), &["*"]).start().await;
    let answer = gateway.ask(&get(plain(APP)).token(tokens::good()).header("Origin: null")).await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("*"));
}

#[tokio::test]
async fn what_the_upstream_says_passes_unchanged_and_preflights_reach_it() {
    let upstream = Upstream::start().await;
    let gateway = with_cors(gateway(&upstream), &[PAGE]).start().await;
    let page = format!("Origin: {PAGE}");
    let preflight = get(setuserid(APP)).method("OPTIONS").header(&page).header("Access-Control-Request-Method: POST");
    for request in [preflight, set_user(APP, USER).header(&page).token(tokens::good())] {
        let answer = gateway.ask(&request).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("Access-Control-Allow-Origin"), None);
        assert_eq!(answer.header("Vary"), None);
    }
    assert_eq!(upstream.count(), 2);
}

#[tokio::test]
async fn without_the_section_nothing_is_said() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let answer = gateway.ask(&set_user(APP, USER).header(format!("Origin: {PAGE}"))).await;
    assert_eq!(answer.status, 401);
    assert_eq!((answer.header("Access-Control-Allow-Origin"), answer.header("Vary")), (None, None));
}
