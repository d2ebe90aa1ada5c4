//! What differs between two configurations, as far as it matters to a running process.

use super::Settings;

impl Settings {
    /// The sections that only a restart can change and that differ from `next`: sockets, the process, and where the apps
    /// come from. `auth.secret_encoding` is one of them, as every document was read by it.
    #[must_use]
    pub fn fixed_that_differ(&self, next: &Self) -> Vec<&'static str> {
        differing([
            ("listeners", self.listeners != next.listeners),
            ("admin", self.admin != next.admin),
            ("profiles", self.profiles != next.profiles),
            ("apps", self.apps != next.apps),
            ("auth.secret_encoding", self.auth.secret_encoding != next.auth.secret_encoding),
            ("server", self.server != next.server),
        ])
    }

    /// The sections that a running process can change and that differ from `next`.
    #[must_use]
    pub fn reloadable_that_differ(&self, next: &Self) -> Vec<&'static str> {
        differing([
            ("auth", self.auth != next.auth),
            ("upstreams", self.upstreams != next.upstreams),
            ("routes", self.routes != next.routes),
            ("limits", self.limits != next.limits),
            ("cors", self.cors != next.cors),
            ("telemetry", self.telemetry != next.telemetry),
        ])
    }
}

fn differing<const N: usize>(sections: [(&'static str, bool); N]) -> Vec<&'static str> {
    sections.into_iter().filter_map(|(section, differs)| differs.then_some(section)).collect()
}
