//! The audit log: a line for every change and every attempt that was denied, on the operational log, with the target
//! `rtms_gateway::audit`. Who, what, which app, from where, and what came of it; no secret, no token.

use std::net::IpAddr;

use http::{Method, StatusCode};
use tracing::{info, warn};

use super::access::Denied;

const TARGET: &str = "rtms_gateway::audit";

/// A change that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'e> {
    /// The name of the token.
    pub who: &'e str,
    /// Their address.
    pub from: IpAddr,
    /// The call.
    pub what: &'static str,
    /// The app.
    pub app: &'e str,
}

impl Entry<'_> {
    /// It was done. `changed`: whether anything differs from before; `fields`: what was written, by name.
    pub fn done(&self, status: StatusCode, changed: bool, fields: &str) {
        let Self { who, from, what, app } = self;
        info!(target: TARGET, who, %from, what, app, status = status.as_u16(), changed, fields, "app profile");
    }

    /// It wasn't done.
    pub fn refused(&self, status: StatusCode, why: &str) {
        let Self { who, from, what, app } = self;
        warn!(target: TARGET, who, %from, what, app, status = status.as_u16(), why, "app profile not changed");
    }
}

/// Somebody wasn't let in.
pub fn denied(from: IpAddr, denied: Denied<'_>, method: &Method, path: &str) {
    let why = match denied {
        Denied::Missing => "no token",
        Denied::Unknown => "unknown token",
        Denied::Scope(_) => "the token's scope is read",
        Denied::Throttled(_) => "too many failures",
    };
    let who = if let Denied::Scope(who) = denied { who } else { "" };
    let path: String = path.chars().take(200).collect();
    warn!(target: TARGET, who, %from, %method, path, why, "app profiles: access denied");
}
