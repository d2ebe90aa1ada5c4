//! The Authorization header: exactly one, `Bearer`, one space, one token.

use crate::support::client::{Request, get};
use crate::support::{APP, plain, tokens};
use crate::table::{Expect, INVALID, MISSING, Row, row, run};

fn with(line: impl Into<String>) -> Request {
    get(plain(APP)).header(line)
}

#[tokio::test]
async fn one_bearer_token_and_nothing_else() {
    let good = tokens::good();
    let authorization = |value: &str| with(format!("Authorization: {value}"));
    let bad = [
        "Bearer".to_owned(),
        "Bearer ".into(),
        good.clone(),
        format!("Bearer{good}"),
        format!("Bearer  {good}"),
        format!("Bearer\t{good}"),
        format!("Bearer \t{good}"),
        format!("Bearer\u{a0}{good}"),
        format!("Bearer\u{2003}{good}"),
        format!("Bearer: {good}"),
        format!("Bearer {good},"),
        format!("Bearer {good}, Bearer {good}"),
        format!("Bearer {good} {good}"),
        format!("Bearer \"{good}\""),
        format!("Bearer token={good}"),
        format!("Basic {good}"),
        format!("JWT {good}"),
        format!("Bearer Bearer {good}"),
        "Basic dXNlcjpwYXNzd29yZA==".into(),
    ];
    let mut rows: Vec<Row> = bad.iter().map(|value| row(value, &authorization(value), INVALID)).collect();
    for value in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        rows.push(row(value, &authorization(&format!("{value} {good}")), Expect::Forwarded));
    }
    rows.push(row("spaces around the value", &with(format!("Authorization:   Bearer {good}  ")), Expect::Forwarded));
    rows.push(row("a lower-case name", &with(format!("authorization: Bearer {good}")), Expect::Forwarded));
    run(rows).await;
}

#[tokio::test]
async fn an_absent_or_empty_header_is_a_missing_token() {
    let good = tokens::good();
    let rows = vec![
        row("absent", &get(plain(APP)), MISSING),
        row("empty", &with("Authorization:"), MISSING),
        row("blank", &with("Authorization:  \t "), MISSING),
        row("elsewhere", &with(format!("Proxy-Authorization: Bearer {good}")), MISSING),
        row("a lookalike", &with(format!("X-Authorization: Bearer {good}")), MISSING),
        row("in the query", &get(format!("{}?access_token={good}", plain(APP))), MISSING),
        row("in a cookie", &with(format!("Cookie: token={good}")), MISSING),
    ];
    run(rows).await;
}

#[tokio::test]
async fn two_headers_are_refused_whatever_they_say() {
    let good = tokens::good();
    let first = with(format!("Authorization: Bearer {good}"));
    let rows = vec![
        row("the same twice", &first.clone().header(format!("Authorization: Bearer {good}")), INVALID),
        row("the second in another case", &first.clone().header(format!("authorization: Bearer {good}")), INVALID),
        row("the second empty", &first.clone().header("Authorization:"), INVALID),
        row("the first empty", &with("Authorization:").header(format!("Authorization: Bearer {good}")), INVALID),
        row("both empty", &with("Authorization:").header("Authorization:"), INVALID),
    ];
    run(rows).await;
}

/// A good token of exactly `size` bytes.
fn sized(size: usize) -> String {
    // base64 grows by thirds: find the filling that hits the size.
    (0..size)
        .map(|fill| {
            tokens::good_claims(&format!(r#","x":"{}""#, "x".repeat((size * 3 / 4).saturating_sub(300) + fill))).mint()
        })
        .find(|token| token.len() >= size)
        .filter(|token| token.len() == size)
        .expect("a filling that fits")
}

#[tokio::test]
async fn tokens_are_bounded() {
    let rows = vec![
        row("8 KiB", &get(plain(APP)).token(sized(8192)), Expect::Forwarded),
        row("8 KiB and one", &get(plain(APP)).token(sized(8193)), INVALID),
        row("8 KiB and one of rubbish", &get(plain(APP)).token("x".repeat(8193)), INVALID),
        row(
            "40 KiB: more than a head may have",
            &get(plain(APP)).token("x".repeat(40 * 1024)),
            Expect::Answer(431, "4"),
        ),
        row("1 MiB", &get(plain(APP)).token("x".repeat(1024 * 1024)), Expect::Refused),
    ];
    run(rows).await;
}
