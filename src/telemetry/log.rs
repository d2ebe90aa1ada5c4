//! The operational log: JSON lines on standard error.
//!
//! Records of this crate pass by the level in `RTMS_LOG`; those of libraries at warn and above only. Nothing of
//! `pingora_proxy` passes: its records quote request lines with their query and, for a malformed head, the raw bytes
//! with whatever token they hold. The gateway counts and logs those requests itself.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer as _, fmt};

/// The environment variable that sets the level.
pub const VARIABLE: &str = "RTMS_LOG";

/// Why the operational log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A level nobody knows.
    #[error("{VARIABLE}: `{0}` is no level; use error, warn, info or debug")]
    Level(String),
    /// There is one already.
    #[error("the log is set up already: {0}")]
    Twice(#[from] TryInitError),
}

/// Sets the log up for the whole process. `level` is the value of [`VARIABLE`]; absent or empty: `info`.
///
/// # Errors
/// An unknown level, or a second call.
pub fn start(level: Option<&str>) -> Result<(), LogError> {
    let level = parse(level)?;
    let logger = tracing_subscriber::registry().with(layer(level, std::io::stderr));
    logger.try_init()?;
    // Only a second logger could be in the way, and there is no first.
    if log::set_logger(&Bridge).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
    std::panic::set_hook(Box::new(|panic| {
        // The message of a panic can quote the text it was about; the place says enough.
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a bug: the task at this place was stopped");
    }));
    Ok(())
}

/// Passes records of the `log` crate on: Pingora writes those.
struct Bridge;

/// The target of everything that came over the bridge.
const BRIDGED: &str = "library";

impl log::Log for Bridge {
    fn enabled(&self, record: &log::Metadata<'_>) -> bool {
        let silent = |target: &str| {
            record.target().strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        record.level() <= log::Level::Warn && !SILENT.into_iter().any(silent)
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let (library, text) = (record.target(), record.args());
        if library == LISTENING && text.to_string().starts_with(HANDSHAKE) {
            // Whoever scans ports makes one a second. Those who look for a reason find it.
            tracing::debug!(target: "rtms_gateway::listener", "{text}");
        } else if record.level() == log::Level::Error {
            tracing::error!(target: BRIDGED, library, "{text}");
        } else {
            tracing::warn!(target: BRIDGED, library, "{text}");
        }
    }

    fn flush(&self) {}
}

/// Where a failed TLS handshake is told as an error of the server's, and how.
const LISTENING: &str = "pingora_core::services::listening";
const HANDSHAKE: &str = "Downstream handshake";

/// Libraries of which nothing passes. The proxy quotes requests. A lost race for an idle connection is an error to
/// the connectors; each failed connect is in the access log. A client that leaves without TLS's last word is a warning to
/// the protocol.
const SILENT: [&str; 3] = ["pingora_proxy", "pingora_core::connectors", "pingora_core::protocols::tls"];

fn parse(level: Option<&str>) -> Result<LevelFilter, LogError> {
    match level.unwrap_or_default() {
        "" | "info" => Ok(LevelFilter::INFO),
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "debug" => Ok(LevelFilter::DEBUG),
        other => Err(LogError::Level(other.to_owned())),
    }
}

fn targets(level: LevelFilter) -> Targets {
    let targets = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("rtms_gateway", level);
    targets.with_targets(SILENT.map(|silent| (silent, LevelFilter::OFF)))
}

fn layer<S, W>(level: LevelFilter, out: W) -> impl tracing_subscriber::Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(out)
        .with_filter(targets(level))
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The records that pass at a level, as JSON.
    fn logged(level: &str, say: impl FnOnce()) -> Vec<Value> {
        let out = Buffer::default();
        let writer = out.clone();
        let layer = layer(parse(Some(level)).unwrap(), move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), say);
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    #[test]
    fn a_record_is_one_json_line() {
        let lines = logged("info", || {
            tracing::info!(app = "TR1", "two\nlines");
            tracing::debug!("too fine");
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(
            (&lines[0]["message"], &lines[0]["app"], &lines[0]["level"]),
            (&Value::from("two\nlines"), &Value::from("TR1"), &Value::from("INFO"))
        );
    }

    #[test]
    fn libraries_pass_at_warn_and_the_proxy_not_at_all() {
        let say = || {
            tracing::info!(target: "pingora_core::server", "chatty");
            tracing::warn!(target: "pingora_core::server", "passes at debug and warn");
            tracing::error!(target: "mongodb", "always passes");
            tracing::error!(target: "pingora_proxy", "Fail to proxy: buf: GET /?token=t");
            tracing::error!(target: "pingora_proxy::proxy_h1", "GET /?token=t");
        };
        assert_eq!(logged("debug", say).len(), 2);
        assert_eq!(logged("warn", say).len(), 2);
        assert_eq!(logged("error", say).len(), 1);
    }

    #[test]
    fn records_by_way_of_the_log_crate_obey_the_same_rules() {
        let say = |target: &str, level: log::Level| {
            let text = format_args!("said");
            log::Log::log(&Bridge, &log::Record::builder().target(target).level(level).args(text).build());
        };
        let lines = logged("info", || {
            say("pingora_proxy", log::Level::Error);
            say("pingora_proxy::proxy_h1", log::Level::Error);
            say("pingora_core::connectors", log::Level::Error);
            say("pingora_core::protocols::http", log::Level::Info);
            say("pingora_core::services::listening", log::Level::Error);
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(
            (&lines[0]["library"], &lines[0]["message"]),
            (&"pingora_core::services::listening".into(), &"said".into())
        );
    }

    #[test]
    fn a_failed_handshake_is_the_clients_business() {
        let say = || {
            let text = format_args!("Downstream handshake error from 192.0.2.1:1: eof");
            let record = log::Record::builder().target(LISTENING).level(log::Level::Error).args(text).build();
            log::Log::log(&Bridge, &record);
        };
        assert_eq!(logged("info", say), Vec::<Value>::new());
        assert_eq!(logged("debug", say).len(), 1);
    }

    #[test]
    fn an_unknown_level_says_which_ones_there_are() {
        assert_eq!(
            parse(Some("trace")).unwrap_err().to_string(),
            "RTMS_LOG: `trace` is no level; use error, warn, info or debug"
        );
        assert_eq!(parse(None).unwrap(), LevelFilter::INFO);
        assert_eq!(parse(Some("")).unwrap(), LevelFilter::INFO);
    }
}
