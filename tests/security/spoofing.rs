//! Headers by which a client claims to be somebody: rows plant `evil` in each of them.

use crate::support::client::{Request, get, set_user};
use crate::support::{APP, USER, plain, tokens};
use crate::table::{Expect, Row, row, run};

/// Header lines that some upstream would fold into an identity of ours.
const LINES: [&str; 24] = [
    "X-Rtms-App-Id: evil",
    "x-rtms-app-id: evil",
    "X-RTMS-APP-ID: evil",
    "X_Rtms_App_Id: evil",
    "X.Rtms.App.Id: evil",
    "x_rtms-app.id: evil",
    "X-Rtms-User-Id: evil",
    "X_RTMS_USER_ID: evil",
    "X-Rtms-Customer-Id: evil",
    "X.rtms-customer_id: evil",
    "X-Rtms-Anything: evil",
    "X-Rtms-: evil",
    "X_Rtms_: evil",
    "X-Rtms-User-Id: a\r\nX-Rtms-User-Id: evil",
    "Forwarded: for=evil",
    "X-Forwarded-For: evil",
    "X-Forwarded-Host: evil",
    "X-Forwarded-Proto: evil",
    "X_Forwarded_For: evil",
    "x.forwarded.host: evil",
    "X-Forwarded_Proto: evil",
    "X_Request_Id: evil",
    "Connection: X-Rtms-App-Id, X-Evil\r\nX-Evil: evil",
    "Keep-Alive: evil",
];

fn rows(what: &str, request: &Request) -> Vec<Row> {
    LINES.iter().map(|line| row(format!("{what}: {line}"), &request.clone().header(*line), Expect::Forwarded)).collect()
}

#[tokio::test]
async fn claims_to_be_somebody_never_arrive() {
    let token = tokens::good();
    let mut all = rows("a judged request", &get(plain(APP)).token(&token));
    all.extend(rows("a judged body", &set_user(APP, USER).token(&token)));
    all.extend(rows("an exempt route", &get("/public/x")));
    run(all).await;
}
