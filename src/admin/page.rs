//! The page for people: one file, made of three, that shows what the JSON says and asks for nothing from elsewhere.
//!
//! The browser runs no script and no style but those whose digests the policy names, whatever an app, a peer or an
//! error is called; the page itself writes them as text only.

use std::sync::LazyLock;

use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::http;

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str =
    concat!(include_str!("page/words.js"), include_str!("page/parts.js"), include_str!("page/live.js"));

static PAGE: LazyLock<String> = LazyLock::new(|| HTML.replace("/*STYLE*/", STYLE).replace("/*SCRIPT*/", SCRIPT));

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        digest(SCRIPT),
        digest(STYLE)
    )
});

/// The page, with the headers that keep it to itself.
pub(super) fn answer() -> Response {
    let mut response = http::answer(StatusCode::OK, "text/html; charset=utf-8", PAGE.as_str());
    let headers = response.headers_mut();
    // A digest is made of characters that may stand in a header: the other arm is for the compiler.
    let policy = HeaderValue::from_str(&POLICY).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let same_origin = HeaderValue::from_static("same-origin");
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), same_origin.clone());
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), same_origin);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_small_whole_and_writes_text_only() {
        assert!(PAGE.len() < 40 * 1024, "{}", PAGE.len());
        assert!(PAGE.contains(STYLE) && PAGE.contains(SCRIPT));
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", " style="] {
            assert!(!PAGE.contains(way), "{way}");
        }
        // Nothing from elsewhere; the namespace of drawings is a name, not an address.
        assert!(!PAGE.replace("http://www.w3.org/2000/svg", "").contains("://"));
        // Neither may end the element that it stands in.
        assert!(!SCRIPT.contains("</") && !STYLE.contains("</"));
    }
}
