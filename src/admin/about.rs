//! What `/status` shows of the configuration in force, and of the times it was asked to be reloaded.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use super::listener::ListenerSummary;
use super::status::date;
use crate::config::settings::Settings;
use crate::telemetry::ReloadResult;

/// How many reloads are remembered.
const RELOADS: usize = 10;
/// How many mistakes of each.
const MISTAKES: usize = 5;
/// How many characters of a mistake.
const LONGEST_MISTAKE: usize = 400;

/// The configuration in force, as far as it is shown.
#[derive(Clone, Debug)]
pub struct About {
    pub(super) started: (Instant, SystemTime),
    pub(super) configuration: Configuration,
    /// The last ones, newest first; [`RELOADS`] at most.
    pub(super) reloads: VecDeque<LastReload>,
    /// `apps.max_staleness`.
    pub max_staleness: Duration,
    pub(super) apps_from: String,
    pub(super) when_stale: &'static str,
}

impl About {
    /// What is shown of `settings`, read from `file`. The uptime counts from this call.
    #[must_use]
    pub fn new(settings: &Settings, file: &Path) -> Self {
        Self {
            started: (Instant::now(), SystemTime::now()),
            configuration: Configuration::new(settings, file),
            reloads: VecDeque::new(),
            max_staleness: settings.apps.max_staleness,
            // Its `Debug` leaves the connection string out.
            apps_from: format!("{:?}", settings.apps.source),
            when_stale: if settings.apps.reject_when_stale { "reject" } else { "serve" },
        }
    }

    /// Why the last reload changed nothing.
    #[must_use]
    pub fn last_problem(&self) -> Option<&str> {
        self.reloads.front()?.problem.as_deref()
    }

    /// The same process, after a reload was asked for.
    #[must_use]
    pub fn after(&self, settings: &Settings, file: &Path, last: LastReload) -> Self {
        let mut next = if last.in_force() {
            Self { started: self.started, ..Self::new(settings, file) }
        } else {
            Self { reloads: VecDeque::new(), ..self.clone() }
        };
        next.reloads = self.reloads.iter().take(RELOADS - 1).cloned().collect();
        next.reloads.push_front(last);
        next
    }
}

/// One time that somebody asked for the configuration to be reloaded.
#[derive(Clone, Debug)]
pub struct LastReload {
    /// When.
    pub at: SystemTime,
    /// What came of it: the label of `rtms_config_reloads_total`.
    pub result: &'static str,
    /// Why it isn't in force.
    pub problem: Option<String>,
    /// The first mistakes of the file, [`MISTAKES`] at most, each of bounded length.
    pub mistakes: Vec<String>,
}

impl LastReload {
    /// What came of it, just now.
    #[must_use]
    pub fn new(result: ReloadResult, problem: Option<String>, mistakes: &[String]) -> Self {
        let cut = |text: &String| text.chars().take(LONGEST_MISTAKE).collect();
        let mistakes = mistakes.iter().take(MISTAKES).map(cut).collect();
        Self { at: SystemTime::now(), result: result.as_str(), problem, mistakes }
    }

    fn in_force(&self) -> bool {
        self.result == ReloadResult::Ok.as_str()
    }
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Configuration {
    file: String,
    /// When it was put in force.
    loaded: Option<String>,
    fingerprint: String,
    listeners: Vec<ListenerSummary>,
    routes: usize,
    upstreams: Vec<UpstreamSummary>,
}

#[derive(Clone, Debug, Serialize)]
struct UpstreamSummary {
    name: String,
    protocol: &'static str,
    tls: bool,
    peers: Vec<PeerSummary>,
}

#[derive(Clone, Debug, Serialize)]
struct PeerSummary {
    address: String,
    weight: u32,
}

impl Configuration {
    fn new(settings: &Settings, file: &Path) -> Self {
        let listeners = settings.listeners.iter();
        let upstreams = settings.upstreams.iter().map(|upstream| UpstreamSummary {
            name: upstream.name.clone(),
            protocol: if upstream.http2 { "http2" } else { "http1" },
            tls: upstream.tls.is_some(),
            peers: upstream
                .peers
                .iter()
                .map(|peer| PeerSummary { address: peer.address.clone(), weight: peer.weight })
                .collect(),
        });
        Self {
            file: file.display().to_string(),
            loaded: date(SystemTime::now()),
            fingerprint: settings.fingerprint.clone(),
            listeners: listeners.map(ListenerSummary::new).collect(),
            routes: settings.routes.len(),
            upstreams: upstreams.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const CONFIGURATION: &str = "
listeners: [ { address: 127.0.0.1:8080 } ]
apps: { source: file, file: { path: apps.yaml } }
upstreams: { rtms: { peers: [ { address: 10.0.0.1:80 } ] } }
";

    #[test]
    fn the_last_reloads_are_kept_newest_first_and_a_refused_one_leaves_the_rest_as_it_was() {
        let file = Path::new("gateway.yaml");
        let settings = config::parse(CONFIGURATION.as_bytes(), file, &|_| None).unwrap().settings;
        let edited = format!("{CONFIGURATION}# edited");
        let edited = config::parse(edited.as_bytes(), file, &|_| None).unwrap().settings;
        let first = About::new(&settings, file);
        let long = vec!["x".repeat(LONGEST_MISTAKE * 2); MISTAKES * 2];
        let refused = first.after(&settings, file, LastReload::new(ReloadResult::Invalid, None, &long));
        assert_eq!(refused.configuration.loaded, first.configuration.loaded);
        assert_eq!(refused.reloads[0].mistakes, vec!["x".repeat(LONGEST_MISTAKE); MISTAKES]);
        let reloaded = refused.after(&edited, file, LastReload::new(ReloadResult::Ok, None, &[]));
        assert_ne!(reloaded.configuration.fingerprint, first.configuration.fingerprint);
        assert_eq!(reloaded.started, first.started);
        let results: Vec<_> = reloaded.reloads.iter().map(|r| r.result).collect();
        assert_eq!(results, ["ok", "invalid"]);
        let many = (0..RELOADS * 2).fold(reloaded, |about, _| {
            about.after(&edited, file, LastReload::new(ReloadResult::RestartNeeded, None, &[]))
        });
        assert_eq!(many.reloads.len(), RELOADS);
        assert!(many.reloads.iter().all(|r| r.result == "restart_needed"));
    }
}
