//! What differs between two configurations, as far as it matters to a running process.

use super::Settings;

/// What only a restart can change: sockets, the process, and where the apps come from. `auth.secret_encoding` is one of
/// them, as every document was read by it.
pub const FIXED: [&str; 6] = ["listeners", "admin", "profiles", "apps", "auth.secret_encoding", "server"];

impl Settings {
    /// Which of [`FIXED`] differ from `next`.
    #[must_use]
    pub fn fixed_that_differ(&self, next: &Self) -> Vec<&'static str> {
        let differ = [
            self.listeners != next.listeners,
            self.admin != next.admin,
            self.profiles != next.profiles,
            self.apps != next.apps,
            self.auth.secret_encoding != next.auth.secret_encoding,
            self.server != next.server,
        ];
        differing(FIXED, differ)
    }

    /// The sections that a running process can change and that differ from `next`.
    #[must_use]
    pub fn reloadable_that_differ(&self, next: &Self) -> Vec<&'static str> {
        let differ = [
            self.auth != next.auth,
            self.upstreams != next.upstreams,
            self.routes != next.routes,
            self.limits != next.limits,
            self.cors != next.cors,
            self.telemetry != next.telemetry,
        ];
        differing(["auth", "upstreams", "routes", "limits", "cors", "telemetry"], differ)
    }
}

fn differing<const N: usize>(sections: [&'static str; N], differ: [bool; N]) -> Vec<&'static str> {
    sections.into_iter().zip(differ).filter_map(|(section, differs)| differs.then_some(section)).collect()
}
