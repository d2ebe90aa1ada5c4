//! `telemetry`: what is told about requests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::auth::words;
use super::mistakes::Check;
use super::nearest;
use super::settings::{self, CountedApps};
use super::tracing::Tracing;
use super::yaml_path::YamlPath;
use crate::telemetry::format::Fault;
use crate::telemetry::{Field, Format, ShownUser, UserKey};

/// Each has two dozen series at worst, in every scrape.
const MOST_APPS: u64 = 1000;
/// The forms that have a name.
const PRESETS: [&str; 2] = ["json", "combined"];
/// The shortest key: with less, all of them can be tried.
const LEAST_KEY: usize = 16;

/// What is told about requests.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// The access log: one line a request; never the query, a token or a secret.
    access_log: AccessLog,
    /// Counters of single apps (`rtms_app_requests_total`, `rtms_app_rejections_total`), for the busiest of them.
    per_app: PerApp,
    /// How many apps have counters of their own at most; all others are counted together as `other`. From 1 to 1000.
    /// Example: `20`.
    per_app_max: u64,
    /// Traces: where the time of single requests went, for a collector that speaks OTLP. `traceparent` and `tracestate` are
    /// passed on with and without. Absent: off.
    tracing: Option<Tracing>,
}

/// The access log.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLog {
    /// Form of a line: `json`, one flat object; `combined`, as nginx and Apache write it; or a text with fields in braces,
    /// by the names they have in JSON (docs/observability.md). `{{` and `}}` are braces. Example:
    /// `'{time} {client} "{method} {path} {protocol}" {status} {duration_ms} {reason}'`.
    format: String,
    /// `stdout`, or a file that lines are appended to; SIGUSR1 opens it anew. Example: `/var/log/rtms-gateway.log`.
    path: String,
    /// Share of requests that are logged, from `0` (none) to `1` (all). Example: `0.1`.
    sample: f64,
    /// The same for requests that were not forwarded, or not answered by their upstream. Absent: as `sample`. Example: `1`.
    sample_rejections: Option<f64>,
    /// Whether lines tell the user of a verified token.
    user: User,
    /// What users are hashed with, 16 bytes or more: the same hashes in every gateway that has it, today and tomorrow.
    /// Absent: a key of the process's own: hashes differ between processes, and after a restart. Example:
    /// `${USER_HASH_KEY}`, set to what `openssl rand -base64 32` prints.
    user_hash_key: Option<String>,
}

words! {
    /// How users are told.
    User {
        /// Not at all.
        Off,
        /// By 16 hex digits: the same for the same user.
        Hashed,
        /// As the token names them.
        Plain,
    }
}

words! {
    /// What is counted of single apps.
    PerApp {
        /// Nothing.
        Off,
        /// Requests that were judged and turned away, by reason.
        Rejections,
        /// All requests, and rejections by reason.
        All,
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { access_log: AccessLog::default(), per_app: PerApp::Off, per_app_max: 100, tracing: None }
    }
}

impl Default for AccessLog {
    fn default() -> Self {
        Self {
            format: "json".to_owned(),
            path: "stdout".to_owned(),
            sample: 1.0,
            sample_rejections: None,
            user: User::Off,
            user_hash_key: None,
        }
    }
}

impl Telemetry {
    /// The normal form.
    #[must_use]
    pub fn settle(self, at: &YamlPath, check: &mut Check) -> settings::Telemetry {
        let per_app = self.per_app(at, check);
        let tracing = self.tracing.and_then(|tracing| tracing.settle(&at.key("tracing"), check));
        settings::Telemetry { access_log: self.access_log.settle(&at.key("access_log"), check), per_app, tracing }
    }

    fn per_app(&self, at: &YamlPath, check: &mut Check) -> settings::PerApp {
        let apps = match self.per_app {
            PerApp::Off => CountedApps::Off,
            PerApp::Rejections => CountedApps::Rejections,
            PerApp::All => CountedApps::All,
        };
        if !(1..=MOST_APPS).contains(&self.per_app_max) {
            check.refuse(&at.key("per_app_max"), "is out of range; write a number from 1 to 1000");
        }
        settings::PerApp { apps, max: usize::try_from(self.per_app_max).unwrap_or_default() }
    }
}

impl AccessLog {
    fn settle(self, at: &YamlPath, check: &mut Check) -> settings::AccessLog {
        let mut share = |key: &str, share: f64| {
            if !(0.0..=1.0).contains(&share) {
                check.refuse(&at.key(key), "is no share; write a number from 0 to 1");
            }
            share
        };
        let sample = share("sample", self.sample);
        let sample_rejections = self.sample_rejections.map_or(sample, |own| share("sample_rejections", own));
        let path = if self.path == "stdout" { None } else { Some(check.output(&at.key("path"), &self.path)) };
        let format = format(&self.format, &at.key("format"), check);
        let user = user(self.user, self.user_hash_key, at, check);
        settings::AccessLog { format, path, sample, sample_rejections, user }
    }
}

fn format(text: &str, at: &YamlPath, check: &mut Check) -> Format {
    let problem = match Format::parse(text) {
        Ok(format) => return format,
        Err(Fault::Unbalanced) => {
            "has a brace without its counterpart; write fields as `{status}`, and `{{` or `}}` for \
                                   a brace"
                .to_owned()
        }
        Err(Fault::Control) => "holds a control character; write one line, without its end".to_owned(),
        Err(Fault::NoField) => match nearest::nearest(text, &PRESETS) {
            Some(preset) => format!("names no field; did you mean `{preset}`?"),
            None => {
                "names no field; write `json`, `combined`, or a text with fields in braces, as in `{client} {status}`"
                    .to_owned()
            }
        },
        Err(Fault::Unknown(name)) => {
            let fields: Vec<&str> = Field::ALL.iter().map(|field| field.as_str()).collect();
            let shown = check.show(at, &format!("{{{name}}}"));
            match nearest::nearest(&name, &fields) {
                Some(field) => format!("{shown} is no field; did you mean `{{{field}}}`?"),
                None => format!("{shown} is no field; the fields are {}", nearest::list(&fields, "and")),
            }
        }
    };
    check.refuse(at, problem);
    Format::Json
}

/// Nothing of the key is shown.
fn user(user: User, key: Option<String>, at: &YamlPath, check: &mut Check) -> ShownUser {
    let key = key.map(Zeroizing::new);
    let at_key = at.key("user_hash_key");
    if key.is_some() && user != User::Hashed {
        check.refuse(&at_key, "has no use without `user: hashed`; write that, or take the key out");
    }
    if key.as_ref().is_some_and(|key| key.len() < LEAST_KEY) {
        check.refuse(&at_key, "is too short to keep anything from anybody; give 16 bytes or more");
    }
    match user {
        User::Off => ShownUser::Off,
        User::Plain => ShownUser::Plain,
        User::Hashed => {
            let key = key.map(|key| UserKey::new(key.as_bytes())).or_else(UserKey::of_process);
            if key.is_none() {
                check.refuse(&at_key, "missing, and the system gives no random bytes; give 16 bytes or more");
            }
            key.map_or(ShownUser::Off, ShownUser::Hashed)
        }
    }
}
