//! What an app's document decides.

use serde_json::{Value, json};

use crate::support::client::get;
use crate::support::gateway::{Builder, gateway};
use crate::support::upstream::Upstream;
use crate::support::{APP, SECRET, USER, apps_file, plain, poll, tokens};

fn invalid() -> (u16, String) {
    (401, "38".into())
}

fn passed() -> (u16, String) {
    (200, "0".into())
}

#[tokio::test]
async fn an_app_without_a_secret_passes_whatever_authorization_says() {
    let upstream = Upstream::start().await;
    let open = [json!({ "appId": "TR_OPEN" }), json!({ "appId": "TR_NULL", "jwt_secretkey": null })];
    let gateway = open.into_iter().fold(gateway(&upstream), Builder::document).start().await;
    for app in ["TR_OPEN", "TR_NULL"] {
        for request in [
            get(plain(app)),
            get(plain(app)).token("garbage"),
            get(plain(app)).header("Authorization: Basic YTpi"),
            get(plain(app)).token(tokens::expired()),
        ] {
            assert_eq!(gateway.ask(&request).await.verdict(), passed(), "{request:?}");
        }
    }
    // It got what the client sent, and no identity that nobody vouched for.
    let seen = upstream.take();
    assert_eq!(seen[1].head.get("Authorization"), Some("Bearer garbage"));
    assert!(seen.iter().all(|r| !r.head.headers.iter().any(|(n, _)| n.to_lowercase().starts_with("x-rtms"))));
}

#[tokio::test]
async fn open_apps_may_be_refused_everywhere_or_on_a_route() {
    let upstream = Upstream::start().await;
    let open = || gateway(&upstream).customer().document(json!({ "appId": "TR_OPEN" }));
    let everywhere = open().set("/auth/open_apps", "reject".into()).start().await;
    assert_eq!(everywhere.ask(&get(plain("TR_OPEN"))).await.verdict(), invalid());
    assert_eq!(everywhere.verdict(APP, &tokens::good()).await, passed());
    everywhere.counted("rtms_rejections_total", &[("reason", "app_unusable")], 1).await;

    // Route 6 is `plain`.
    let on_route = open().set("/routes/6/open_apps", "reject".into()).start().await;
    assert_eq!(on_route.ask(&get(plain("TR_OPEN"))).await.verdict(), invalid());
    assert_eq!(on_route.ask(&get("/rtmsAPI/api/v1/TR_OPEN/byheader")).await.verdict(), passed());
}

#[tokio::test]
async fn a_disabled_app_is_rejected_even_with_a_good_token_and_even_if_open() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream)
        .document(json!({ "appId": APP, "jwt_secretkey": SECRET, "disabled": true }))
        .document(json!({ "appId": "TR_OPEN", "disabled": true }))
        .document(json!({ "appId": "TR_ON", "disabled": false }))
        .start()
        .await;
    assert_eq!(gateway.verdict(APP, &tokens::good()).await, invalid());
    assert_eq!(gateway.ask(&get(plain("TR_OPEN"))).await.verdict(), invalid());
    assert_eq!(gateway.ask(&get(plain("TR_ON"))).await.verdict(), passed());
    assert_eq!(gateway.metrics().await.count("rtms_apps", &[("state", "disabled")]), 2);
}

#[tokio::test]
async fn tokens_issued_before_the_cut_are_revoked() {
    let upstream = Upstream::start().await;
    let cut = 1_700_000_000;
    let document = |after: &str| json!({ "appId": APP, "jwt_secretkey": SECRET, "tokens_valid_after": after });
    // 2023-11-14T22:13:20Z is second 1 700 000 000.
    let exact = gateway(&upstream).document(document("2023-11-14T22:13:20Z")).start().await;
    let rounded = gateway(&upstream).document(document("2023-11-14T22:13:20.001Z")).start().await;
    let issued = |at: i64| tokens::good_claims(&format!(r#","iat":{at}"#)).mint();
    assert_eq!(exact.verdict(APP, &issued(cut)).await, passed());
    assert_eq!(exact.verdict(APP, &issued(cut - 1)).await, invalid());
    assert_eq!(exact.verdict(APP, &tokens::good_claims("").mint()).await, invalid(), "no iat");
    assert_eq!(rounded.verdict(APP, &issued(cut)).await, invalid());
    assert_eq!(rounded.verdict(APP, &issued(cut + 1)).await, passed());
    exact.counted("rtms_rejections_total", &[("reason", "token_revoked")], 2).await;
}

#[tokio::test]
async fn both_secrets_verify_until_the_previous_one_expires_by_the_clock() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).app(APP, "the old secret").start().await;
    let old = tokens::of(APP, USER, "the old secret");
    let new = tokens::of(APP, USER, "the new secret");
    assert_eq!(gateway.verdict(APP, &old).await, passed());

    // Dates count whole milliseconds.
    let expires = time::OffsetDateTime::now_utc().truncate_to_millisecond() + std::time::Duration::from_secs(5);
    let rotated = json!({
        "appId": APP, "jwt_secretkey": "the new secret", "jwt_secretkey_previous": "the old secret",
        "previous_expires_at": expires.format(&time::format_description::well_known::Rfc3339).unwrap(),
    });
    apps_file::replace(&gateway.apps_file(), &apps_file::text(&[rotated]));
    poll::until_true("the new secret is in force", async || gateway.verdict(APP, &new).await == passed()).await;

    // Nothing changes any more but the time: the old secret passes before the moment, and not after it.
    let mut passes = 0;
    poll::until_true("the previous secret expires", async || {
        let before = time::OffsetDateTime::now_utc();
        let verdict = gateway.verdict(APP, &old).await;
        if verdict == passed() {
            assert!(before < expires, "passed after it had expired");
            passes += 1;
            return false;
        }
        assert_eq!(verdict, invalid());
        assert!(time::OffsetDateTime::now_utc() >= expires, "rejected before it expired");
        true
    })
    .await;
    assert_eq!(gateway.verdict(APP, &new).await, passed());
    gateway.counted("rtms_key_matches_total", &[("key", "previous")], passes).await;
    assert!(passes > 0, "the previous secret was in force for a while");
}

#[tokio::test]
async fn a_previous_secret_without_a_date_is_not_in_force() {
    let upstream = Upstream::start().await;
    let document = json!({ "appId": APP, "jwt_secretkey": SECRET, "jwt_secretkey_previous": "the old secret" });
    let gateway = gateway(&upstream).document(document).start().await;
    assert_eq!(gateway.verdict(APP, &tokens::of(APP, USER, "the old secret")).await, invalid());
    assert_eq!(gateway.verdict(APP, &tokens::good()).await, passed());
}

#[tokio::test]
async fn secrets_are_raw_or_base64_for_the_gateway_or_for_one_app() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream)
        .set("/auth/secret_encoding", "base64".into())
        .document(json!({ "appId": "TR_URL", "jwt_secretkey": "-__-AQ" }))
        .document(json!({ "appId": "TR_STD", "jwt_secretkey": "+//+AQ==" }))
        .document(json!({ "appId": "TR_RAW", "jwt_secretkey": "-__-AQ", "secret_encoding": "raw" }))
        .start()
        .await;
    let key = [0xfb, 0xff, 0xfe, 0x01];
    let of = |app: &str| tokens::claims(format!(r#"{{"appId":"{app}","userId":"u"}}"#));
    for app in ["TR_URL", "TR_STD"] {
        assert_eq!(gateway.verdict(app, &of(app).secret(key).mint()).await, passed(), "{app}");
        assert_eq!(gateway.verdict(app, &of(app).secret("-__-AQ").mint()).await, invalid(), "{app}");
    }
    assert_eq!(gateway.verdict("TR_RAW", &of("TR_RAW").secret("-__-AQ").mint()).await, passed());
}

/// Documents that make no sense; each must make its app unusable, and no other.
fn senseless() -> Vec<(&'static str, Value)> {
    let with = |field: &str, value: Value| {
        let mut document = json!({ "jwt_secretkey": SECRET });
        document[field] = value;
        document
    };
    vec![
        ("TR_NUMBER", with("jwt_secretkey", json!(7))),
        ("TR_EMPTY", with("jwt_secretkey", json!(""))),
        ("TR_LIST", with("jwt_secretkey", json!([SECRET]))),
        ("TR_NOT_BASE64", json!({ "jwt_secretkey": "a*b", "secret_encoding": "base64" })),
        ("TR_ENCODING", with("secret_encoding", json!("hex"))),
        (
            "TR_PREVIOUS_ALONE",
            json!({ "jwt_secretkey_previous": SECRET, "previous_expires_at": "2099-01-01T00:00:00Z" }),
        ),
        ("TR_DISABLED_TEXT", with("disabled", json!("true"))),
        ("TR_DATE", with("tokens_valid_after", json!("yesterday"))),
        ("TR_TYPO", json!({ "jwtSecretKey": SECRET })),
        ("TR_TYPO_CASE", json!({ "JWT_SecretKey": SECRET })),
        ("TR_TYPO_BESIDE", with("Disabled", json!(true))),
    ]
}

#[tokio::test]
async fn a_senseless_document_makes_its_app_unusable_and_no_other() {
    let upstream = Upstream::start().await;
    let mut builder = gateway(&upstream).customer();
    for (app, mut document) in senseless() {
        document["appId"] = json!(app);
        builder = builder.document(document);
    }
    let gateway = builder.start().await;
    for (app, _) in senseless() {
        assert_eq!(gateway.verdict(app, &tokens::of(app, USER, SECRET)).await, invalid(), "{app}");
        assert_eq!(gateway.ask(&get(plain(app))).await.verdict(), invalid(), "{app}: never open");
        assert!(gateway.printed().contains(app), "{app} is named in the log");
    }
    assert_eq!(gateway.verdict(APP, &tokens::good()).await, passed());
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.count("rtms_apps", &[("state", "unusable")]), u64::try_from(senseless().len()).unwrap());
    assert_eq!(metrics.count("rtms_apps", &[("state", "jwt")]), 1);
    assert!(!gateway.printed().contains(SECRET), "no secret in the log");
}

#[tokio::test]
async fn two_documents_with_one_app_id_are_both_unusable_until_one_is_gone() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().app("TR_TWICE", "one").app("TR_TWICE", "two").start().await;
    for secret in ["one", "two"] {
        assert_eq!(gateway.verdict("TR_TWICE", &tokens::of("TR_TWICE", USER, secret)).await, invalid(), "{secret}");
    }
    assert_eq!(gateway.verdict(APP, &tokens::good()).await, passed());
    let one = apps_file::text(&[apps_file::app(APP, SECRET), apps_file::app("TR_TWICE", "two")]);
    apps_file::replace(&gateway.apps_file(), &one);
    let token = tokens::of("TR_TWICE", USER, "two");
    poll::until_true("one is left", async || gateway.verdict("TR_TWICE", &token).await == passed()).await;
}
