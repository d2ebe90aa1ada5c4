//! `cors`: which pages may read the gateway's own answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::list::List;
use super::mistakes::Check;
use super::settings;
use super::yaml_path::YamlPath;

/// Which pages of other origins may read the gateway's own answers, so that a page learns code 38, 39 or 40. What the
/// upstream answers is its own: preflights reach it, and its CORS headers pass unchanged. Absent: off.
#[derive(Clone, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cors {
    /// Origins, exactly as browsers send them, or `"*"` alone for all. Example: `["https://example.com"]`.
    #[schemars(required)]
    allowed_origins: Option<List<String>>,
}

impl Cors {
    /// The normal form.
    #[must_use]
    pub fn settle(self, at: &YamlPath, check: &mut Check) -> settings::Cors {
        let at = at.key("allowed_origins");
        let listed = self.allowed_origins.unwrap_or_default();
        if listed.is_empty() {
            check.missing(&at, "list origins, as in `https://example.com`, or take the section out");
        }
        let mut origins = Vec::new();
        let mut any = None;
        for (n, origin) in listed.into_entries() {
            let at = at.index(n);
            if origin == "*" {
                any = Some(at);
            } else if let Some(problem) = problem(&origin) {
                check.refuse(&at, format!("{} {problem}", check.show(&at, &origin)));
            } else {
                origins.push(origin);
            }
        }
        match any {
            Some(at) if !origins.is_empty() => {
                check
                    .refuse(&at, "`*` allows every origin, so the others say nothing; write `*` alone, or take it out");
                settings::Cors::Only(origins)
            }
            Some(_) => settings::Cors::Any,
            None => settings::Cors::Only(origins),
        }
    }
}

/// Why no browser would ever send this origin (RFC 6454 section 6.2), and what it would send.
fn problem(origin: &str) -> Option<String> {
    // Sandboxed pages, and apps that show local files.
    if origin == "null" {
        return None;
    }
    let Some((scheme, rest)) = origin.split_once("://") else {
        return Some("is no origin; write scheme and host, as in `https://example.com`, or `*`".to_owned());
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() || authority.contains(['*', '@', ' ']) || !authority.is_ascii() {
        return Some("is no origin; write scheme and one host (punycode), as in `https://example.com`".to_owned());
    }
    let default_port = match scheme.to_ascii_lowercase().as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    let host = authority.strip_suffix(default_port).unwrap_or(authority);
    let sent = format!("{scheme}://{host}").to_ascii_lowercase();
    (sent != origin).then(|| format!("is never sent by a browser; write `{sent}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for good in
            ["https://example.com", "http://localhost:3000", "https://[::1]:8443", "null", "capacitor://localhost"]
        {
            assert_eq!(problem(good), None, "{good}");
        }
        for (bad, sent) in [
            ("https://example.com/", "https://example.com"),
            ("https://Example.com", "https://example.com"),
            ("https://example.com:443", "https://example.com"),
            ("http://example.com:80/app?x", "http://example.com"),
        ] {
            assert_eq!(problem(bad), Some(format!("is never sent by a browser; write `{sent}`")), "{bad}");
        }
        for bad in ["example.com", "https://", "https://*.example.com", "https://u@example.com", ""] {
            assert!(problem(bad).is_some_and(|p| p.starts_with("is no origin")), "{bad}");
        }
    }
}
