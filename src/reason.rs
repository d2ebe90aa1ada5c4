//! Why a request was not forwarded: one closed list.
//!
//! The metric label, the log field, the response, the dashboards and the documentation all derive from
//! [`Reason`]; nothing else in the crate invents a word for a failure. A *rejection* says something about the
//! request, an *error* says that the gateway could not judge or forward: the two are never mixed.

use std::fmt;

/// What kind of statement a [`Reason`] makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request was judged and turned away (`rtms_rejections_total`).
    Rejection,
    /// The gateway could not judge or forward (`rtms_errors_total`).
    Error,
    /// The client went away before it had an answer (status 499 in logs, never sent).
    ClientClosed,
}

/// The code in the body of an answer of the gateway's own, in rtmsAPI's vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// 1: internal error.
    Internal,
    /// 4: invalid request.
    InvalidRequest,
    /// 38: invalid token.
    InvalidToken,
    /// 39: a token is required.
    TokenRequired,
    /// 40: the token expired.
    TokenExpired,
}

impl Code {
    /// The code's digits, as they stand in the `standard` form and in the `code` label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "1",
            Self::InvalidRequest => "4",
            Self::InvalidToken => "38",
            Self::TokenRequired => "39",
            Self::TokenExpired => "40",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $code:ident, $status:literal, $kind:ident, $text:literal;)*) => {
        /// Every reason for which a request is not forwarded, or not answered by its upstream.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Reason { $($(#[$doc])* $variant,)* }

        impl Reason {
            /// All reasons, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in metrics, logs, dashboards and documentation.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $word,)* } }

            /// The code in the answer's body.
            #[must_use]
            pub const fn code(self) -> Code { match self { $(Self::$variant => Code::$code,)* } }

            /// The HTTP status in the `standard` form (the `sdk` form answers codes 38 to 40 with 200).
            #[must_use]
            pub const fn status(self) -> u16 { match self { $(Self::$variant => $status,)* } }

            /// Rejection, error, or the client's own departure.
            #[must_use]
            pub const fn kind(self) -> Kind { match self { $(Self::$variant => Kind::$kind,)* } }

            /// The `status` text of the answer. Uniform over code 38: it never tells one cause from another.
            #[must_use]
            pub const fn text(self) -> &'static str { match self { $(Self::$variant => $text,)* } }
        }
    };
}

reasons! {
    /// No `Authorization` header, or an empty one.
    TokenMissing = "token_missing", TokenRequired, 401, Rejection, "Token is required to access the requested resource.";
    /// A token that is good but for its age.
    TokenExpired = "token_expired", TokenExpired, 401, Rejection, "Token expired";
    /// Not one compact JWS of strict JSON, or over `limits.max_token_bytes`.
    TokenMalformed = "token_malformed", InvalidToken, 401, Rejection, "Invalid token";
    /// An authorization scheme other than `Bearer`.
    SchemeUnsupported = "scheme_unsupported", InvalidToken, 401, Rejection, "Invalid token";
    /// `alg` is not exactly `HS256`.
    AlgorithmNotAllowed = "algorithm_not_allowed", InvalidToken, 401, Rejection, "Invalid token";
    /// The signature is by neither of the app's secrets in force.
    SignatureInvalid = "signature_invalid", InvalidToken, 401, Rejection, "Invalid token";
    /// `nbf` lies in the future.
    TokenNotYetValid = "token_not_yet_valid", InvalidToken, 401, Rejection, "Invalid token";
    /// Issued before the app's `tokens_valid_after`.
    TokenRevoked = "token_revoked", InvalidToken, 401, Rejection, "Invalid token";
    /// A claim is missing, of the wrong type, or contradicts another.
    ClaimsInvalid = "claims_invalid", InvalidToken, 401, Rejection, "Invalid token";
    /// The token, or a listed place, speaks of another app than the path.
    AppMismatch = "app_mismatch", InvalidToken, 401, Rejection, "Invalid token";
    /// The request names a user the token does not vouch for.
    UserMismatch = "user_mismatch", InvalidToken, 401, Rejection, "Invalid token";
    /// The request names a customer the token does not vouch for.
    CustomerMismatch = "customer_mismatch", InvalidToken, 401, Rejection, "Invalid token";
    /// No app document has this appId.
    AppUnknown = "app_unknown", InvalidToken, 401, Rejection, "Invalid token";
    /// The app is switched off.
    AppDisabled = "app_disabled", InvalidToken, 401, Rejection, "Invalid token";
    /// The app's document makes no sense, or the app is open where open apps are refused.
    AppUnusable = "app_unusable", InvalidToken, 401, Rejection, "Invalid token";
    /// A body that had to be read for identities could not be read unambiguously.
    BodyUnreadable = "body_unreadable", InvalidToken, 401, Rejection, "Invalid token";
    /// Two parties could read the request target differently.
    PathAmbiguous = "path_ambiguous", InvalidRequest, 400, Rejection, "Ambiguous path";
    /// No route has this path.
    RouteUnknown = "route_unknown", InvalidRequest, 404, Rejection, "Unknown path";
    /// The route exists, but not for this method.
    MethodNotAllowed = "method_not_allowed", InvalidRequest, 405, Rejection, "Method not allowed";
    /// The body is over the route's `max_body_bytes`.
    BodyTooLarge = "body_too_large", InvalidRequest, 413, Rejection, "Body too large";
    /// A body that is read before forwarding came too slowly.
    BodyTimeout = "body_timeout", InvalidRequest, 408, Rejection, "Body too slow";
    /// The head is over `limits.max_header_bytes`.
    HeadTooLarge = "head_too_large", InvalidRequest, 431, Rejection, "Headers too large";
    /// Over a rate limit.
    RateLimited = "rate_limited", InvalidRequest, 429, Rejection, "Too many requests";
    /// A request that HTTP or this API does not allow.
    BadRequest = "bad_request", InvalidRequest, 400, Rejection, "Bad request";
    /// The apps are older than `apps.max_staleness`, and `when_stale: reject` is set.
    AppsStale = "apps_stale", Internal, 503, Error, "Temporarily unavailable";
    /// Every peer of the upstream is down or unresolved.
    NoHealthyPeer = "no_healthy_peer", Internal, 503, Error, "No upstream available";
    /// The upstream refused, reset or garbled the exchange.
    UpstreamUnavailable = "upstream_unavailable", Internal, 502, Error, "Upstream unavailable";
    /// The upstream took too long.
    UpstreamTimeout = "upstream_timeout", Internal, 504, Error, "Upstream timed out";
    /// The gateway failed.
    Internal = "internal", Internal, 500, Error, "Internal error";
    /// The client closed the connection before its answer.
    ClientClosed = "client_closed", InvalidRequest, 499, ClientClosed, "Client closed";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_all_codes_agree_with_their_status() {
        let mut seen = std::collections::HashSet::new();
        for reason in Reason::ALL {
            assert!(seen.insert(reason.as_str()), "{reason} twice");
            match reason.code() {
                Code::InvalidToken | Code::TokenRequired | Code::TokenExpired => {
                    assert_eq!(reason.status(), 401, "{reason}");
                    assert_eq!(reason.kind(), Kind::Rejection, "{reason}");
                }
                Code::InvalidRequest => assert!((400..500).contains(&reason.status()), "{reason}"),
                Code::Internal => {
                    assert!(reason.status() >= 500, "{reason}");
                    assert_eq!(reason.kind(), Kind::Error, "{reason}");
                }
            }
        }
    }

    #[test]
    fn code_38_has_one_text_whatever_the_cause() {
        for reason in Reason::ALL.iter().filter(|r| r.code() == Code::InvalidToken) {
            assert_eq!(reason.text(), "Invalid token");
        }
    }
}
