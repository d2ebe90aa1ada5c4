//! Families of certificates.

use prometheus::{IntCounterVec, IntGaugeVec, Result};

use super::Registrar;
use crate::telemetry::certificates::CertificateReload;

/// Families of certificates.
#[derive(Clone)]
pub struct CertificateFamilies {
    /// `rtms_certificate_reloads_total{result}`
    pub reloads: IntCounterVec,
    /// `rtms_certificate_expiry_timestamp_seconds{certificate}`
    pub expiry: IntGaugeVec,
}

impl CertificateFamilies {
    pub(super) fn register(r: &mut Registrar) -> Result<Self> {
        let reloads = "Certificate files that changed, by what came of them.";
        let expiry = "When the certificate in force expires, in seconds since the epoch.";
        let reloads = r.counters("rtms_certificate_reloads_total", reloads, &["result"])?;
        for result in CertificateReload::ALL {
            reloads.with_label_values(&[result.as_str()]);
        }
        let expiry = r.gauges("rtms_certificate_expiry_timestamp_seconds", expiry, &["certificate"])?;
        Ok(Self { reloads, expiry })
    }
}
