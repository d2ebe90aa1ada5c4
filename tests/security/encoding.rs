//! base64url: one spelling, or none.

use crate::support::client::get;
use crate::support::tokens::{self, Token};
use crate::support::{APP, USER, plain};
use crate::table::{Expect, INVALID, Row, row, run};

/// Another spelling of a part.
type Respell = fn(&str) -> String;

fn of(name: &str, token: &str, expect: Expect) -> Row {
    row(name, &get(plain(APP)).token(token), expect)
}

/// Good claims whose base64url has both `-` and `_`, and a length that would take padding.
fn special() -> Token {
    let token = tokens::claims(format!(r#"{{"appId":"{APP}","userId":"{USER}","x":"{}"}}"#, "?>~\u{7ff}".repeat(3)));
    let token = token.header(r#"{"alg":"HS256","x":12}"#);
    let [header, claims, _] = token.parts();
    assert!(claims.contains('-') && claims.contains('_'), "{claims}");
    assert!(header.len() % 4 != 0 && claims.len() % 4 != 0, "{header} {claims}");
    token
}

/// The part with the unused low bits of its last letter set: decodes alike where nobody looks.
fn trailing_bits(part: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert_ne!(part.len() % 4, 0, "there are unused bits");
    let (rest, last) = part.split_at(part.len() - 1);
    let at = ALPHABET.iter().position(|letter| [*letter] == last.as_bytes()).expect("base64url");
    format!("{rest}{}", char::from(ALPHABET[at | 1]))
}

#[tokio::test]
async fn signed_parts_have_one_spelling() {
    let token = special();
    let both = |change: Respell| {
        [
            token.spell(|[header, claims]| [header, change(&claims)]),
            token.spell(|[header, claims]| [change(&header), claims]),
        ]
    };
    let mut rows = vec![of("as it should be", &token.mint(), Expect::Forwarded)];
    let changes: [(&str, Respell); 6] = [
        ("padding", |part| format!("{part}{}", "=".repeat(3 - (part.len() + 3) % 4))),
        ("one pad", |part| format!("{part}=")),
        ("a space at its end", |part| format!("{part} ")),
        ("a space inside", |part| format!("{} {}", &part[..4], &part[4..])),
        ("another letter outside the alphabet", |part| format!("{}*{}", &part[..4], &part[5..])),
        ("one letter left over", |part| format!("{part}{}", "A".repeat(5 - part.len() % 4))),
    ];
    for (name, change) in changes {
        for (which, spelled) in ["claims", "header"].iter().zip(both(change)) {
            rows.push(of(&format!("{name}, {which}"), &spelled, INVALID));
        }
    }
    let standard = token.spell(|[header, claims]| [header, claims.replace('-', "+").replace('_', "/")]);
    rows.push(of("the standard alphabet", &standard, INVALID));
    rows.push(of("trailing bits", &token.spell(|[header, claims]| [header, trailing_bits(&claims)]), INVALID));
    run(rows).await;
}

#[tokio::test]
async fn a_signature_has_one_spelling() {
    let [header, claims, signature] = special().parts();
    let spelled = |signature: &str| format!("{header}.{claims}.{signature}");
    let rows = vec![
        of("trailing bits", &spelled(&trailing_bits(&signature)), INVALID),
        of("padding", &spelled(&format!("{signature}=")), INVALID),
        of("the standard alphabet", &spelled(&format!("+/{}", &signature[2..])), INVALID),
        of("a space inside", &spelled(&format!("{} {}", &signature[..4], &signature[4..])), INVALID),
        of("as it should be", &spelled(&signature), Expect::Forwarded),
    ];
    run(rows).await;
}

#[tokio::test]
async fn control_and_foreign_bytes_in_a_token_reach_nobody() {
    let token = tokens::good();
    let head = |bytes: &[u8]| {
        let mut out = format!("GET {} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ", plain(APP)).into_bytes();
        out.extend(bytes);
        out.extend(b"\r\n\r\n");
        out
    };
    let inside = |byte: &[u8]| head(&[&token.as_bytes()[..9], byte, &token.as_bytes()[9..]].concat());
    let rows = vec![
        crate::table::raw("NUL", inside(b"\0"), Expect::Refused),
        crate::table::raw("a control character", inside(b"\x01"), Expect::Refused),
        crate::table::raw("DEL", inside(b"\x7f"), Expect::Refused),
        crate::table::raw("a byte above ASCII", inside(b"\xe9"), INVALID),
        crate::table::raw("a no-break space", inside("\u{a0}".as_bytes()), INVALID),
    ];
    run(rows).await;
}
