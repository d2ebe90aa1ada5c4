//! How certificates are counted and shown.

use super::metrics::Metrics;

/// What came of files that differ from what is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateReload {
    /// They are in force.
    Ok,
    /// They are of no use; what was in force before stays.
    Invalid,
}

impl CertificateReload {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Ok, Self::Invalid];

    /// The label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Invalid => "invalid",
        }
    }
}

impl Metrics {
    /// Certificate files changed.
    pub fn certificate_reloaded(&self, result: CertificateReload) {
        self.families.certificates.reloads.with_label_values(&[result.as_str()]).inc();
    }

    /// When a certificate expires, in seconds since the epoch; `None`: there is none by this name.
    pub fn certificate_expires(&self, name: &str, at: Option<i64>) {
        let expiry = &self.families.certificates.expiry;
        match at {
            Some(at) => expiry.with_label_values(&[name]).set(at),
            None => drop(expiry.remove_label_values(&[name])),
        }
    }
}
