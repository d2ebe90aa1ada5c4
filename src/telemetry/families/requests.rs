//! Families of requests and how they were judged.

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, Result};

use super::Registrar;

/// From a microsecond, about what an HMAC costs, to a millisecond, which would be far too much.
const AUTH_SECONDS: &[f64] =
    &[0.000_001, 0.000_002, 0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001];

/// Families of requests and how they were judged.
#[derive(Clone)]
pub struct RequestFamilies {
    /// `rtms_requests_total{route,method,status}`
    pub answered: IntCounterVec,
    /// `rtms_request_duration_seconds{route}`
    pub seconds: HistogramVec,
    /// `rtms_rejections_total{route,code,reason}`
    pub rejections: IntCounterVec,
    /// `rtms_errors_total{route,reason}`
    pub errors: IntCounterVec,
    /// `rtms_limited_total{limit}`
    pub limited: IntCounterVec,
    /// `rtms_auth_duration_seconds`
    pub auth_seconds: Histogram,
    /// `rtms_key_matches_total{key}`
    pub key_matches: IntCounterVec,
    /// `rtms_token_suspect_exp_total`
    pub suspect_exp: IntCounter,
    /// `rtms_encrypted_bodies_total`
    pub encrypted_bodies: IntCounter,
}

impl RequestFamilies {
    pub(super) fn register(r: &mut Registrar) -> Result<Self> {
        let answered = "Requests answered, by the gateway or an upstream; status 499: the client left first.";
        let rejections = "Requests judged and turned away.";
        let errors = "Requests the gateway could not judge or forward.";
        let limited = "Requests answered with 429, by the limit they were over.";
        let seconds = "From the request's head to the end of its answer.";
        let auth = "Time to judge a token and its identities, without waiting for a body.";
        let keys = "Signatures verified, by the app's current or previous secret.";
        let exp = "Good tokens whose exp is so far ahead that it was probably minted in milliseconds.";
        let encrypted = "Bodies of the form {\"encrypted\": ..} on routes that read bodies: nothing could be compared.";
        Ok(Self {
            answered: r.counters("rtms_requests_total", answered, &["route", "method", "status"])?,
            seconds: r.exchange_seconds("rtms_request_duration_seconds", seconds, "route")?,
            rejections: r.counters("rtms_rejections_total", rejections, &["route", "code", "reason"])?,
            errors: r.counters("rtms_errors_total", errors, &["route", "reason"])?,
            limited: r.counters("rtms_limited_total", limited, &["limit"])?,
            auth_seconds: r.histogram("rtms_auth_duration_seconds", auth, AUTH_SECONDS)?,
            key_matches: r.counters("rtms_key_matches_total", keys, &["key"])?,
            suspect_exp: r.counter("rtms_token_suspect_exp_total", exp)?,
            encrypted_bodies: r.counter("rtms_encrypted_bodies_total", encrypted)?,
        })
    }
}
