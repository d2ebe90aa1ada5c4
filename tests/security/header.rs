//! The token's header: algorithm, shape, members that change what a token means.

use ring::hmac;

use crate::support::client::get;
use crate::support::tokens::{self, Token};
use crate::support::{APP, SECRET, plain};
use crate::table::{Expect, INVALID, Row, row, run};

fn with(header: &str) -> Token {
    tokens::good_claims("").header(header)
}

fn of(name: &str, token: &str, expect: Expect) -> Row {
    row(name, &get(plain(APP)).token(token), expect)
}

#[tokio::test]
async fn only_hs256_is_an_algorithm() {
    let mut rows = Vec::new();
    let bad = [
        r#""none""#,
        r#""None""#,
        r#""NONE""#,
        r#""nOnE""#,
        r#""""#,
        r#""hs256""#,
        r#""HS256 ""#,
        r#"" HS256""#,
        r#""HS256\u0000""#,
        r#""HS255""#,
        r#""RS256""#,
        r#""ES256""#,
        r#""PS256""#,
        r#""EdDSA""#,
        r#"["HS256"]"#,
        r#"{"HS256":1}"#,
        "null",
        "256",
        "true",
    ];
    for alg in bad {
        let token = with(&format!(r#"{{"alg":{alg},"typ":"JWT"}}"#));
        rows.push(of(&format!("alg {alg}, signed"), &token.mint(), INVALID));
        let [header, claims, _] = token.parts();
        rows.push(of(&format!("alg {alg}, unsigned"), &format!("{header}.{claims}."), INVALID));
    }
    for (name, algorithm) in [("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
        let token = with(&format!(r#"{{"alg":"{name}"}}"#)).algorithm(algorithm);
        rows.push(of(name, &token.mint(), INVALID));
        rows.push(of(&format!("HS256, signed by {name}"), &with(tokens::HEADER).algorithm(algorithm).mint(), INVALID));
    }
    rows.push(of("no alg", &with(r#"{"typ":"JWT"}"#).mint(), INVALID));
    rows.push(of("alg in another case", &with(r#"{"ALG":"HS256"}"#).mint(), INVALID));
    rows.push(of("alg alone", &with(r#"{"alg":"HS256"}"#).mint(), Expect::Forwarded));
    rows.push(of("alg escaped", &with(r#"{"\u0061lg":"HS\u0032\u0035\u0036"}"#).mint(), Expect::Forwarded));
    run(rows).await;
}

#[tokio::test]
async fn a_token_is_three_parts_and_signed() {
    let [header, claims, signature] = tokens::good_claims("").parts();
    let cut = &signature[..signature.len() - 1];
    let flipped: String = signature.chars().rev().collect();
    let rows = [
        ("two parts", format!("{header}.{claims}")),
        ("empty signature", format!("{header}.{claims}.")),
        ("four parts", format!("{header}.{claims}.{signature}.")),
        ("five parts", format!("{header}.{claims}.{signature}.{claims}.{signature}")),
        ("leading dot", format!(".{header}.{claims}.{signature}")),
        ("empty header", format!(".{claims}.{signature}")),
        ("empty claims", format!("{header}..{signature}")),
        ("dots alone", "..".to_owned()),
        ("one part", header.clone()),
        ("cut signature", format!("{header}.{claims}.{cut}")),
        ("longer signature", format!("{header}.{claims}.{signature}AAAA")),
        ("reversed signature", format!("{header}.{claims}.{flipped}")),
        ("claims and header swapped", format!("{claims}.{header}.{signature}")),
        ("signature of nothing", format!("{header}.{claims}.{}", tokens::good_claims("").sign(""))),
    ];
    let mut rows: Vec<Row> = rows.iter().map(|(name, token)| of(name, token, INVALID)).collect();
    rows.push(of("three parts", &format!("{header}.{claims}.{signature}"), Expect::Forwarded));
    run(rows).await;
}

#[tokio::test]
async fn members_that_change_a_tokens_meaning_are_refused() {
    let members = [
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""crit":"exp""#,
        r#""crit":null"#,
        r#""crit":["b64"],"b64":false"#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""zip":"DEF""#,
        r#""enc":"A256GCM""#,
        r#""alg":"HS256""#,
        r#""\u0061lg":"none""#,
        r#""typ":"JWT","typ":"JWT""#,
        r#""x":1,"x":2"#,
        r#""x":1,"\u0078":1"#,
    ];
    let rows =
        members.iter().map(|member| of(member, &with(&format!(r#"{{"alg":"HS256",{member}}}"#)).mint(), INVALID));
    run(rows.collect()).await;
}

#[tokio::test]
async fn members_that_point_elsewhere_are_never_followed() {
    let members = [
        r#""kid":"../../../../dev/null""#,
        r#""kid":"' OR 1=1 --""#,
        r#""kid":7"#,
        r#""jku":"http://127.0.0.1:1/evil""#,
        r#""x5u":"http://127.0.0.1:1/evil""#,
        r#""jwk":{"kty":"oct","k":"AAAA"}"#,
        r#""x5c":["AAAA"]"#,
        r#""typ":"at+jwt""#,
        r#""typ":7"#,
        r#""cty":"JWT""#,
        r#""x":{"x":{"x":1}}"#,
    ];
    let of_member = |member: &str, secret: &str| with(&format!(r#"{{"alg":"HS256",{member}}}"#)).secret(secret).mint();
    let rows = members.iter().flat_map(|member| {
        let signed_by_it = if member.contains("jwk") { "\0\0\0" } else { "" };
        [
            of(member, &of_member(member, SECRET), Expect::Forwarded),
            of(&format!("{member}, signed by what it points to"), &of_member(member, signed_by_it), INVALID),
        ]
    });
    run(rows.collect()).await;
}

#[tokio::test]
async fn a_header_is_one_strict_json_object() {
    let deep = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        format!(r#"{{"alg":"HS256","x":{open}{close}}}"#)
    };
    let bad = [
        r#"["alg","HS256"]"#.to_owned(),
        r#""HS256""#.into(),
        "7".into(),
        "null".into(),
        "{}".into(),
        r#"{"alg":"HS256"} "x""#.into(),
        r#"{"alg":"HS256"}{}"#.into(),
        r#"{"alg":"HS256",}"#.into(),
        "{'alg':'HS256'}".into(),
        r#"{"alg":"HS256""#.into(),
        "\u{feff}{\"alg\":\"HS256\"}".into(),
        r#"{"alg":"HS256","x":"\ud800"}"#.into(),
        "{\"alg\":\"HS256\",\"x\":\"\n\"}".into(),
        r#"{"alg":"HS256","x":NaN}"#.into(),
        r#"{"alg":"HS256","x":01}"#.into(),
        deep(129),
        deep(200),
    ];
    let mut rows: Vec<Row> = bad.iter().map(|header| of(header, &with(header).mint(), INVALID)).collect();
    let not_utf8 = tokens::good_claims("").header(b"{\"alg\":\"HS256\",\"x\":\"\xff\"}");
    rows.push(of("not UTF-8", &not_utf8.mint(), INVALID));
    rows.push(of("spaces", &with(" { \"alg\" :\r\n\t\"HS256\" } ").mint(), Expect::Forwarded));
    rows.push(of("128 levels", &with(&deep(128)).mint(), Expect::Forwarded));
    run(rows).await;
}
