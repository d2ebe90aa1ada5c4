//! The gateway's own answers: body, challenge and status in either form.

use std::sync::LazyLock;

use crate::reason::{Code, Reason};

/// How rejections are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// HTTP's way and the founding page's: 401 with a challenge, the code a string.
    #[default]
    Standard,
    /// The vendor's SDKs': 200, the code a number, the text a second time as `description`.
    Sdk,
}

impl Form {
    /// The form of a setting's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "standard" => Some(Self::Standard),
            "sdk" => Some(Self::Sdk),
            _ => None,
        }
    }
}

/// The HTTP status of an answer.
#[must_use]
pub const fn status(reason: Reason, form: Form) -> u16 {
    match (form, reason.code()) {
        (Form::Sdk, Code::InvalidToken | Code::TokenRequired | Code::TokenExpired) => 200,
        _ => reason.status(),
    }
}

/// The body of an answer, exactly as it goes out.
#[must_use]
pub fn body(reason: Reason, form: Form) -> &'static str {
    static BODIES: LazyLock<Vec<[String; 2]>> = LazyLock::new(|| Reason::ALL.iter().map(|r| bodies(*r)).collect());
    let Some([standard, sdk]) = BODIES.get(reason as usize) else { return "{}" };
    match form {
        Form::Standard => standard,
        Form::Sdk => sdk,
    }
}

fn bodies(reason: Reason) -> [String; 2] {
    let (code, text) = (reason.code().as_str(), reason.text());
    [
        format!(r#"{{"code":"{code}","status":"{text}"}}"#),
        format!(r#"{{"code":{code},"status":"{text}","description":"{text}"}}"#),
    ]
}

/// The `WWW-Authenticate` challenge (RFC 6750 section 3), where the form and the reason have one.
#[must_use]
pub const fn challenge(reason: Reason, form: Form) -> Option<&'static str> {
    match (form, reason.code()) {
        (Form::Standard, Code::TokenRequired) => Some(r#"Bearer realm="rtms""#),
        (Form::Standard, Code::InvalidToken | Code::TokenExpired) => {
            Some(r#"Bearer realm="rtms", error="invalid_token""#)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bodies_are_the_customers() {
        assert_eq!(body(Reason::SignatureInvalid, Form::Standard), r#"{"code":"38","status":"Invalid token"}"#);
        assert_eq!(
            body(Reason::TokenMissing, Form::Standard),
            r#"{"code":"39","status":"Token is required to access the requested resource."}"#
        );
        assert_eq!(body(Reason::TokenExpired, Form::Standard), r#"{"code":"40","status":"Token expired"}"#);
        assert_eq!(
            body(Reason::AppUnknown, Form::Sdk),
            r#"{"code":38,"status":"Invalid token","description":"Invalid token"}"#
        );
    }

    #[test]
    fn every_answer_is_json_of_its_own_code_and_never_84() {
        for reason in Reason::ALL {
            for form in [Form::Standard, Form::Sdk] {
                let json: serde_json::Value = serde_json::from_str(body(*reason, form)).unwrap();
                let code = match form {
                    Form::Standard => json["code"].as_str().unwrap().to_owned(),
                    Form::Sdk => json["code"].as_u64().unwrap().to_string(),
                };
                assert_eq!(code, reason.code().as_str());
                assert_ne!(code, "84");
                assert_eq!(json["status"], reason.text());
            }
        }
    }

    #[test]
    fn only_token_rejections_are_200_in_the_sdk_form() {
        assert_eq!(status(Reason::TokenExpired, Form::Sdk), 200);
        assert_eq!(status(Reason::TokenExpired, Form::Standard), 401);
        assert_eq!(status(Reason::MethodNotAllowed, Form::Sdk), 405);
        assert_eq!(challenge(Reason::TokenMissing, Form::Sdk), None);
        assert_eq!(challenge(Reason::RouteUnknown, Form::Standard), None);
    }
}
