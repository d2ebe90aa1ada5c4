//! Whom `/status` is read by: people get a page, programs JSON (RFC 9110 section 12.5.1).
//!
//! JSON is the default, as it was there first: only who asks for `text/html` by name, and doesn't like JSON better,
//! is taken for a browser.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// Whether the page is wanted. `query` decides where it has a `format` that is known.
pub(super) fn wants_page(headers: &HeaderMap, query: Option<&str>) -> bool {
    for pair in query.unwrap_or_default().split('&') {
        match pair {
            "format=json" => return false,
            "format=html" => return true,
            _ => {}
        }
    }
    let accept = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    let ranges: Vec<(&str, u16)> = accept.map(range).collect();
    let quality = |wanted: &str| {
        let place = ranges.iter().position(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        ranges.get(place).map(|(_, quality)| (*quality, place))
    };
    match (quality("text/html"), quality("application/json")) {
        (None, _) => false,
        (Some((html, _)), None) => html > 0,
        // Equally liked: whichever is named first.
        (Some((html, at)), Some((json, then))) => html > 0 && (html > json || (html == json && at < then)),
    }
}

/// A media range and its weight in thousandths; 1000 unless it says another.
fn range(text: &str) -> (&str, u16) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (name, weight.map_or(1000, |q| thousandths(q).unwrap_or(0)))
}

/// A weight (RFC 9110 section 12.4.2): from 0 to 1, with three decimals at most.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let decimals: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(decimals),
        "1" if decimals == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(accept: &str, query: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        wants_page(&headers, query)
    }

    #[test]
    fn browsers_get_the_page_and_everybody_else_json() {
        assert!(!wants_page(&HeaderMap::new(), None));
        for accept in [
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
            "text/html",
            "TEXT/HTML; charset=utf-8",
            "application/json;q=0.5, text/html",
            "text/html, application/json",
            "application/json;q=0.25, text/html;q=0.3",
            "text/html;q=1.000",
        ] {
            assert!(asked(accept, None), "{accept}");
            assert!(!asked(accept, Some("format=json")), "{accept}");
        }
        for accept in [
            "*/*",
            "text/*",
            "application/json",
            "application/json, text/html",
            "text/html;q=0.5, application/json",
            "text/html;q=0",
            "text/html;q=often",
            "text/html;q=2",
            "text/html;q=1.001",
            "text/html;q=0.0000",
            "text/html;q=-1",
            "text/html;q=0.25, application/json;q=0.3",
            "",
        ] {
            assert!(!asked(accept, None), "{accept}");
            assert!(!asked(accept, Some("formation=html&x")), "{accept}");
            assert!(asked(accept, Some("a=b&format=html")), "{accept}");
        }
    }
}
