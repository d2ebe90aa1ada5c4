//! What all requests share: one configuration in force, and the handles it needs.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::budgets::Budgets;
use super::cors::Cors;
use crate::apps::Snapshot;
use crate::apps::feed::Status;
use crate::auth::decision::{Rule, TokenRules};
use crate::auth::rejection::Form;
use crate::config::settings::{Auth, Limits, Route, Settings};
use crate::error::StartError;
use crate::limit::InFlight;
use crate::listener::limits::ConnectionLimits;
use crate::listener::trusted::Trusted;
use crate::routing::RouteTable;
use crate::telemetry::{AccessLog, Metrics, Tracing};
use crate::upstream::Cluster;

/// What is in force: a request takes it once, when it comes.
pub type Current = Arc<ArcSwap<State>>;

/// Everything a request may look at.
pub struct State {
    pub(super) table: RouteTable,
    pub(super) routes: Vec<RouteState>,
    pub(super) clusters: Vec<Arc<Cluster>>,
    pub(super) apps: Arc<ArcSwap<Snapshot>>,
    pub(super) staleness: StalenessRule,
    pub(super) limits: Limits,
    pub(super) budgets: Budgets,
    pub(super) allow_encrypted_bodies: bool,
    pub(super) default_form: Form,
    pub(super) cors: Option<Cors>,
    pub(super) trusted: Trusted,
    pub(super) metrics: Arc<Metrics>,
    pub(super) access_log: Arc<AccessLog>,
    /// `None`: no traces are made.
    pub(super) tracing: Option<Arc<Tracing>>,
    pub(super) in_flight: Arc<InFlight>,
    pub(super) connections: Arc<ConnectionLimits>,
    pub(super) leaving: Arc<AtomicBool>,
    pub(super) streams: Arc<AtomicUsize>,
}

/// One route as requests use it; its index is the one in the table and the metrics.
pub(super) struct RouteState {
    pub name: Box<str>,
    /// Which of the template's names is `{appId}`.
    pub app: Option<usize>,
    /// Its path template, for people.
    pub template: Box<str>,
    pub upstream: usize,
    /// How it judges; `None`: it forwards as it is.
    pub rule: Option<Rule>,
    pub form: Form,
    pub max_body_bytes: Option<u64>,
    pub forward_token: bool,
}

/// When requests are refused because the apps are too old.
pub(super) struct StalenessRule {
    status: Arc<Status>,
    /// `None`: never, the last known secrets serve.
    reject_after: Option<Duration>,
}

impl StalenessRule {
    pub(super) fn refuses(&self) -> bool {
        self.reject_after.is_some_and(|limit| self.status.stale(limit))
    }
}

/// The handles a [`State`] shares with the rest of the process.
pub struct Handles {
    /// The snapshot in force.
    pub apps: Arc<ArcSwap<Snapshot>>,
    /// How current it is.
    pub status: Arc<Status>,
    /// The upstreams, in the order of the settings.
    pub clusters: Vec<Arc<Cluster>>,
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// The access log.
    pub access_log: Arc<AccessLog>,
    /// Where traced requests are told; `None`: no traces are made.
    pub tracing: Option<Arc<Tracing>>,
    /// True once the process is asked to stop, or another serves: connections aren't kept open any longer.
    pub leaving: Arc<AtomicBool>,
    /// Requests being worked on.
    pub in_flight: Arc<InFlight>,
    /// How many connections there may be, and are.
    pub connections: Arc<ConnectionLimits>,
    /// Those among them that are streams: tunnels, server-sent events, gRPC.
    pub streams: Arc<AtomicUsize>,
}

/// What other settings may need made anew.
pub struct Fresh {
    /// The upstreams, in the order of the settings.
    pub clusters: Vec<Arc<Cluster>>,
    /// The metrics, for their routes and upstreams.
    pub metrics: Arc<Metrics>,
    /// The access log.
    pub access_log: Arc<AccessLog>,
    /// Where traced requests are told; `None`: no traces are made.
    pub tracing: Option<Arc<Tracing>>,
}

impl State {
    /// Puts settings in force. They come checked, so routes that conflict can't occur.
    ///
    /// # Errors
    /// Names the conflict, should it occur all the same.
    pub fn new(settings: &Settings, handles: Handles) -> Result<Self, StartError> {
        let templates = settings.routes.iter().map(|r| (r.template.clone(), r.methods.clone())).collect();
        let table = RouteTable::build(templates)
            .map_err(|conflicts| StartError::Process(format!("conflicting routes: {conflicts:?}")))?;
        let token = token_rules(&settings.auth, &settings.limits);
        Ok(Self {
            table,
            routes: settings.routes.iter().map(|route| RouteState::new(route, token)).collect::<Result<_, _>>()?,
            clusters: handles.clusters,
            apps: handles.apps,
            staleness: StalenessRule {
                status: handles.status,
                reject_after: settings.apps.reject_when_stale.then_some(settings.apps.max_staleness),
            },
            limits: settings.limits,
            budgets: Budgets::new(&settings.limits),
            allow_encrypted_bodies: settings.auth.allow_encrypted_bodies,
            default_form: settings.auth.rejection,
            cors: settings.cors.as_ref().map(Cors::new),
            trusted: Trusted::new(settings.server.trusted_proxies.clone()),
            metrics: handles.metrics,
            access_log: handles.access_log,
            tracing: handles.tracing,
            leaving: handles.leaving,
            in_flight: handles.in_flight,
            connections: handles.connections,
            streams: handles.streams,
        })
    }

    /// The state that takes the place of this one: other settings, the same process.
    ///
    /// # Errors
    /// As [`State::new`].
    pub fn successor(&self, settings: &Settings, fresh: Fresh) -> Result<Self, StartError> {
        let Fresh { clusters, metrics, access_log, tracing } = fresh;
        let handles = Handles {
            apps: Arc::clone(&self.apps),
            status: Arc::clone(&self.staleness.status),
            clusters,
            metrics,
            access_log,
            tracing,
            leaving: Arc::clone(&self.leaving),
            in_flight: Arc::clone(&self.in_flight),
            connections: Arc::clone(&self.connections),
            streams: Arc::clone(&self.streams),
        };
        let mut next = Self::new(settings, handles)?;
        next.budgets = self.budgets.under(&self.limits, &settings.limits);
        Ok(next)
    }

    /// Tells the metrics which peers get requests, and lets them decide which apps have counters of their own.
    pub fn tell(&self) {
        self.metrics.settle_apps(&self.apps);
        for (upstream, cluster) in self.clusters.iter().enumerate() {
            for (index, peer) in cluster.peers().iter().enumerate() {
                self.metrics.peer_healthy(upstream, index, peer.is_usable());
            }
        }
    }

    /// The upstreams.
    #[must_use]
    pub fn clusters(&self) -> &[Arc<Cluster>] {
        &self.clusters
    }

    /// The metrics, for the routes and upstreams here.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// How many connections there may be, and are.
    #[must_use]
    pub const fn connections(&self) -> &Arc<ConnectionLimits> {
        &self.connections
    }

    /// The access log.
    #[must_use]
    pub const fn access_log(&self) -> &Arc<AccessLog> {
        &self.access_log
    }

    /// Where traced requests are told.
    #[must_use]
    pub const fn tracing(&self) -> Option<&Arc<Tracing>> {
        self.tracing.as_ref()
    }

    /// Whether `address` is a proxy whose `X-Forwarded-*` are believed.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.contains(address)
    }

    /// Opens the access log's file anew.
    pub fn reopen_logs(&self) {
        self.access_log.reopen();
    }

    /// Waits until the access log has written what it holds, and the traces' collector has it; a few seconds at most.
    pub fn flush_logs(&self) {
        self.access_log.flush(Duration::from_secs(1));
        if let Some(tracing) = &self.tracing {
            tracing.flush(Duration::from_secs(2));
        }
    }
}

impl RouteState {
    fn new(route: &Route, token: TokenRules) -> Result<Self, StartError> {
        let app = route.template.names().position(|name| name == "appId");
        let rule = match (route.judged, app) {
            (false, _) => None,
            (true, Some(app)) => Some(Rule {
                app,
                places: route.places.clone(),
                vouch: route.vouch,
                reject_open_apps: route.reject_open_apps,
                token,
            }),
            // The configuration was refused before; should it not have been, nothing may pass unjudged.
            (true, None) => return Err(StartError::Process(format!("route {}: no {{appId}} to judge by", route.name))),
        };
        Ok(Self {
            name: route.name.as_str().into(),
            app,
            template: route.template.to_string().into(),
            upstream: route.upstream,
            rule,
            form: route.rejection,
            max_body_bytes: route.max_body_bytes,
            forward_token: route.forward_token,
        })
    }
}

fn token_rules(auth: &Auth, limits: &Limits) -> TokenRules {
    TokenRules {
        max_bytes: limits.max_token_bytes,
        leeway: auth.leeway.as_secs_f64(),
        max_lifetime: auth.max_lifetime.map(|d| d.as_secs_f64()),
        require_user_claim: auth.require_user_claim,
    }
}
