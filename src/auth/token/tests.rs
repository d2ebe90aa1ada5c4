use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn mint(header: &[u8], payload: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let tag = HmacKey::new(SECRET).sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn read(token: &str) -> Result<(bool, String), Reason> {
    let mut scratch = Vec::new();
    let unverified = Parts::split(token)?.check_header(&mut scratch)?;
    let signed = unverified.signed_by(&HmacKey::new(SECRET));
    unverified.claims(&mut scratch).map(|c| (signed, format!("{c:?}")))
}

fn header_of(json: &str) -> Result<(), Reason> {
    read(&mint(json.as_bytes(), b"{}")).map(drop)
}

fn claims_of(json: &str) -> Result<(), Reason> {
    read(&mint(br#"{"alg":"HS256","typ":"JWT"}"#, json.as_bytes())).map(|(signed, _)| assert!(signed))
}

#[test]
fn exactly_hs256_and_nothing_that_changes_the_reading() {
    assert_eq!(header_of(r#"{"alg":"HS256","typ":"JWT"}"#), Ok(()));
    assert_eq!(header_of(r#"{"typ":5,"cty":[],"kid":"../../etc/passwd","jku":"http://x","alg":"\u0048S256"}"#), Ok(()));
    for alg in ["none", "None", "HS256 ", "hs256", "HS384", "HS512", "RS256", "ES256", ""] {
        assert_eq!(header_of(&format!(r#"{{"alg":"{alg}"}}"#)), Err(Reason::AlgorithmNotAllowed), "{alg}");
    }
    for missing in ["{}", r#"{"alg":["HS256"]}"#, r#"{"alg":null}"#, r#"{"ALG":"HS256"}"#] {
        assert_eq!(header_of(missing), Err(Reason::AlgorithmNotAllowed), "{missing}");
    }
    let bad = [
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","b64":false}"#,
        r#"{"alg":"HS256","b64":true}"#,
        r#"{"alg":"HS256","zip":"DEF"}"#,
        r#"{"alg":"HS256","enc":"A128GCM"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","x":1,"\u0078":1}"#,
        r#"["HS256"]"#,
        r#""HS256""#,
        r#"{"alg":"HS256"}x"#,
        "",
    ];
    for header in bad {
        assert_eq!(header_of(header), Err(Reason::TokenMalformed), "{header}");
    }
}

#[test]
fn the_usual_headers_are_what_they_are_taken_for() {
    for usual in USUAL_HEADERS {
        assert_eq!(header(decode(usual, &mut Vec::new()).unwrap()), Ok(()), "{usual}");
    }
    assert_eq!(
        USUAL_HEADERS.map(|usual| URL_SAFE_NO_PAD.decode(usual).unwrap()),
        [&br#"{"alg":"HS256","typ":"JWT"}"#[..], br#"{"typ":"JWT","alg":"HS256"}"#, br#"{"alg":"HS256"}"#]
    );
}

#[test]
fn one_canonical_spelling_of_each_part() {
    let good = mint(br#"{"alg":"HS256"}"#, br#"{"a":1}"#);
    assert!(read(&good).is_ok());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    // 43 characters carry 258 bits: the last one has two that must be zero.
    let last = signature.chars().last().unwrap();
    let twin = char::from(last as u8 + 1);
    let respelled = format!("{signed}.{}{twin}", &signature[..42]);
    for bad in [format!("{good}="), format!("{good}."), format!(".{good}"), signed.to_owned(), respelled, String::new()]
    {
        assert_eq!(read(&bad).map(drop), Err(Reason::TokenMalformed), "{bad}");
    }
    for short in [format!("{signed}."), format!("{signed}.AAAA")] {
        assert_eq!(read(&short).map(drop), Err(Reason::SignatureInvalid), "{short}");
    }
}

#[test]
fn a_changed_byte_anywhere_fails() {
    let good = mint(br#"{"alg":"HS256"}"#, br#"{"appId":"A","userId":"u"}"#);
    let (signed, _) = good.rsplit_once('.').unwrap();
    let other = HmacKey::new(b"other").sign(signed.as_bytes());
    let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(other));
    assert!(matches!(read(&forged), Ok((false, _))));
    assert!(matches!(read(&good), Ok((true, _))));
}

#[test]
fn identities_are_plain_strings() {
    for good in [r#"{"appId":"A","userId":"é"}"#, r#"{"userId":null,"customerId":""}"#, r#"{"x":{"appId":1}}"#] {
        assert_eq!(claims_of(good), Ok(()), "{good}");
    }
    for bad in [
        r#"{"appId":1}"#,
        r#"{"userId":["u"]}"#,
        r#"{"userId":"a\r\nb"}"#,
        r#"{"customerId":true}"#,
        r#"{"appUserId":{}}"#,
        r#"{"userId":"\u0000"}"#,
    ] {
        assert_eq!(claims_of(bad), Err(Reason::ClaimsInvalid), "{bad}");
    }
}

#[test]
fn times_are_numbers_finite_and_not_negative() {
    for good in ["0", "1584525821", "1.5e9", "1584525821.25", "1e308"] {
        for claim in ["exp", "nbf", "iat"] {
            assert_eq!(claims_of(&format!(r#"{{"{claim}":{good}}}"#)), Ok(()), "{claim} {good}");
        }
    }
    for bad in ["-1", "-0", "-0.0", "1e400", "\"1584525821\"", "null", "[]", "true", "{}"] {
        for claim in ["exp", "nbf", "iat"] {
            assert_eq!(claims_of(&format!(r#"{{"{claim}":{bad}}}"#)), Err(Reason::ClaimsInvalid), "{claim} {bad}");
        }
    }
}

#[test]
fn the_payload_is_one_object_without_duplicates() {
    let bad = [
        r#"["exp","appId"]"#,
        r#"{"exp":1,"exp":2}"#,
        r#"{"appId":"A","app\u0049d":"B"}"#,
        r#"{"x":1,"x":1}"#,
        r#"{"a":1} {"b":2}"#,
        "\u{feff}{}",
        "null",
        "",
    ];
    for payload in bad {
        assert_eq!(claims_of(payload), Err(Reason::TokenMalformed), "{payload}");
    }
    assert_eq!(read(&mint(br#"{"alg":"HS256"}"#, b"{\"a\":\"\xff\"}")).map(drop), Err(Reason::TokenMalformed));
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    assert_eq!(claims_of(&deep), Err(Reason::TokenMalformed));
}
