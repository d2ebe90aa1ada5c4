//! `/status` tells which peers get requests and why others don't, what came of requests, and of reloads.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, gateway, to_peers};
use crate::support::upstream::{Behaviour, Upstream};
use crate::support::{APP, floods, poll, ports, tokens};

async fn peer(gateway: &Gateway, index: usize) -> Value {
    gateway.status().await["upstreams"][0]["peers"][index].clone()
}

#[tokio::test]
async fn an_unhealthy_peer_is_shown_with_its_fault_and_a_busy_one_with_its_requests() {
    let (good, gone) = (Upstream::start().await, ports::free());
    let check = json!({ "path": "/health", "interval": "50ms", "timeout": "1s", "unhealthy_after": 1 });
    let gateway = to_peers(&[good.address(), gone]).customer().set("/upstreams/rtms/health_check", check).start().await;
    let shown = poll::until("an unhealthy peer", async || {
        let peer = peer(&gateway, 1).await;
        (peer["state"] == "unhealthy").then_some(peer)
    })
    .await;
    assert_eq!(shown["address"], gone.to_string());
    assert!(!shown["fault"].as_str().unwrap().is_empty(), "{shown}");
    assert_eq!(peer(&gateway, 0).await["state"], "healthy");

    good.behave(Behaviour::Hold);
    let mut held = gateway.connect().await;
    let bytes = crate::support::client::get(crate::support::plain(APP)).token(tokens::good()).bytes(held.host());
    held.send(&bytes).await;
    poll::until_true("a request under way", async || peer(&gateway, 0).await["requests"] == 1).await;
    good.release();
    assert_eq!(held.response().await.unwrap().status, 200);
    poll::until_true("none under way", async || peer(&gateway, 0).await["requests"] == 0).await;
}

#[tokio::test]
async fn an_ejected_peer_is_shown_with_the_end_of_its_ejection() {
    let (good, bad) = (Upstream::start().await, Upstream::start().await);
    bad.behave(Behaviour::Close);
    let rules = json!({ "consecutive_failures": 1, "for": "1h" });
    let gateway =
        to_peers(&[good.address(), bad.address()]).customer().set("/upstreams/rtms/ejection", rules).start().await;
    let shown = poll::until("an ejected peer", async || {
        gateway.verdict(APP, &tokens::good()).await;
        let peer = peer(&gateway, 1).await;
        (peer["state"] == "ejected").then_some(peer)
    })
    .await;
    assert!(shown["ejected_until"].as_str().is_some_and(|date| date.ends_with('Z')), "{shown}");
    assert_eq!(peer(&gateway, 0).await["ejected_until"], json!(null));
}

#[tokio::test]
async fn what_came_of_requests_is_told_by_reason_by_code_and_in_their_course() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    gateway.verdict(APP, &tokens::good()).await;
    for _ in 0..2 {
        gateway.verdict(APP, &tokens::expired()).await;
    }
    gateway.verdict("TR_NONE", &tokens::good()).await;
    upstream.behave(Behaviour::Close);
    gateway.verdict(APP, &tokens::good()).await;
    gateway.counted("rtms_requests_total", &[], 5).await;
    let status = gateway.status().await;
    let traffic = &status["traffic"];
    assert_eq!(traffic["requests"], 5, "{traffic}");
    assert_eq!(traffic["by_status"], json!({ "200": 1, "401": 3, "502": 1 }));
    assert_eq!(traffic["by_code"], json!({ "38": 1, "40": 2 }));
    let rejections =
        json!({ "token_expired": { "code": "40", "total": 2 }, "app_unknown": { "code": "38", "total": 1 } });
    assert_eq!(traffic["rejections"], rejections);
    assert_eq!(traffic["errors"], json!({ "upstream_unavailable": 1 }));
    let recent = &status["recent"];
    assert_eq!((&recent["window_seconds"], &recent["step_seconds"]), (&json!(900), &json!(10)));
    for (course, total) in [
        (&recent["requests"], 5),
        (&recent["rejections"]["token_expired"], 2),
        (&recent["rejections"]["app_unknown"], 1),
        (&recent["errors"]["upstream_unavailable"], 1),
    ] {
        let counts = course.as_array().unwrap();
        assert_eq!(counts.len(), recent["requests"].as_array().unwrap().len());
        assert_eq!(counts.iter().map(|n| n.as_u64().unwrap()).sum::<u64>(), total, "{recent}");
    }
    let attempts = &peer(&gateway, 0).await["attempts"];
    assert_eq!(attempts["ok"], 1, "{attempts}");
    assert!(attempts["reset"].as_u64().unwrap() >= 1, "{attempts}");
}

#[tokio::test]
async fn reloads_are_listed_with_their_first_mistakes() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().start().await;
    let file = gateway.dir().join("gateway.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    let before = gateway.status().await;
    assert_eq!(before["reloads"], json!([]));
    for (text, result) in [("nonsense: 1\n".to_owned(), "invalid"), (format!("{good}\n# edited\n"), "ok")] {
        std::fs::write(&file, text).unwrap();
        gateway.signal(Signal::SIGHUP);
        poll::until_true(result, async || gateway.status().await["last_reload"]["result"] == result).await;
        let unchanged = gateway.status().await["configuration"] == before["configuration"];
        assert_eq!(unchanged, result == "invalid");
    }
    let after = gateway.status().await;
    assert_eq!((&after["reloads"][0], &after["reloads"][1]["result"]), (&after["last_reload"], &json!("invalid")));
    let mistakes = after["reloads"][1]["mistakes"].as_array().unwrap();
    assert!(mistakes.iter().any(|m| m.as_str().unwrap().contains("nonsense")), "{mistakes:?}");
    assert_ne!(after["configuration"]["fingerprint"], before["configuration"]["fingerprint"]);
}

#[tokio::test]
async fn draining_is_a_verdict_of_its_own() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().set("/server/drain", json!("5s")).start().await;
    assert_eq!(gateway.status().await["verdict"], "ready");
    gateway.signal(Signal::SIGTERM);
    poll::until_true("draining", async || gateway.status().await["verdict"] == "draining").await;
}

#[tokio::test]
async fn what_is_spoken_on_each_listener_is_shown() {
    let upstream = Upstream::start().await;
    let (builder, _) = floods::over_http2(gateway(&upstream).set("/listeners/0/h2c", json!(true)));
    let shown = builder.start().await.status().await["configuration"]["listeners"].clone();
    let of = |index: usize| ["tls", "http2", "h2c", "proxy_protocol"].map(|option| shown[index][option].clone());
    assert_eq!(of(0), [false, false, true, false].map(Value::from), "{shown}");
    assert_eq!(of(1), [true, true, false, false].map(Value::from), "{shown}");
}
