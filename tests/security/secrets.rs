//! Secrets that are weak, shared, or no secrets at all.

use serde_json::json;

use crate::support::client::get;
use crate::support::gateway::gateway;
use crate::support::tokens::{self, Token};
use crate::support::upstream::Upstream;
use crate::support::{APP, SECRET, USER, plain};
use crate::table::{Expect, INVALID, Row, row, run_on};

fn of(app: &str) -> Token {
    tokens::claims(format!(r#"{{"appId":"{app}","userId":"{USER}"}}"#))
}

fn rows_for(app: &str, cases: &[(&str, &[u8], Expect)]) -> Vec<Row> {
    let rows = cases.iter().map(|(name, secret, expect)| {
        row(format!("{app}: {name}"), &get(plain(app)).token(of(app).secret(secret).mint()), *expect)
    });
    rows.collect()
}

#[tokio::test]
async fn a_senseless_secret_verifies_nothing() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream)
        .document(json!({ "appId": "TR_EMPTY", "jwt_secretkey": "" }))
        .document(json!({ "appId": "TR_NOT_BASE64", "jwt_secretkey": "a*b=", "secret_encoding": "base64" }))
        .document(json!({ "appId": "TR_PADS", "jwt_secretkey": "====", "secret_encoding": "base64" }))
        .document(json!({ "appId": "TR_BASE64", "jwt_secretkey": "c2VjcmV0", "secret_encoding": "base64" }));
    let mut rows = Vec::new();
    for app in ["TR_EMPTY", "TR_NOT_BASE64", "TR_PADS"] {
        rows.extend(rows_for(
            app,
            &[("an empty key", b"", INVALID), ("the text", b"a*b=", INVALID), ("pads", b"====", INVALID)],
        ));
    }
    rows.extend(rows_for(
        "TR_BASE64",
        &[("the text", b"c2VjcmV0", INVALID), ("the key", b"secret", Expect::Forwarded)],
    ));
    run_on(gateway, &upstream, rows).await;
}

#[tokio::test]
async fn a_key_is_its_exact_bytes() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().app("TR_SHORT", "k").app("TR_NUL", "key\0");
    let mut rows = rows_for(
        APP,
        &[
            ("the key", SECRET.as_bytes(), Expect::Forwarded),
            ("a newline more", format!("{SECRET}\n").as_bytes(), INVALID),
            ("a byte less", &SECRET.as_bytes()[1..], INVALID),
            ("nothing", b"", INVALID),
        ],
    );
    rows.extend(rows_for("TR_SHORT", &[("a short key", b"k", Expect::Forwarded)]));
    // HMAC pads keys with NUL: the two are one key (RFC 2104), and there is nothing that a verifier could tell.
    rows.extend(rows_for(
        "TR_NUL",
        &[("with NUL", b"key\0", Expect::Forwarded), ("without", b"key", Expect::Forwarded)],
    ));
    run_on(gateway, &upstream, rows).await;
}

#[tokio::test]
async fn one_secret_on_two_apps_makes_no_token_of_one_good_for_the_other() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().app("TR_TWIN", SECRET);
    let rows = vec![
        row("its own", &get(plain("TR_TWIN")).token(of("TR_TWIN").mint()), Expect::Forwarded),
        row("the other's", &get(plain("TR_TWIN")).token(tokens::good()), INVALID),
        row("the other's, back", &get(plain(APP)).token(of("TR_TWIN").mint()), INVALID),
    ];
    run_on(gateway, &upstream, rows).await;
}
