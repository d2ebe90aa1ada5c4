//! The command line: `run`, `check`, `token`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use crate::apps::reading::{decode_base64, valid_app_id};
use crate::auth::provider;
use crate::{config, server, telemetry};

/// Failed at run time.
const FAILED: u8 = 1;
/// Bad usage or configuration.
const UNUSABLE: u8 = 2;

/// Edge gateway for the real-time messaging API: judges every request's JWT by its app's own secret.
#[derive(Debug, Parser)]
#[command(name = "rtms-gateway", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway until it is told to stop (SIGTERM drains, SIGINT stops at once).
    Run(ConfigFile),
    /// Check a configuration, and every file it names, as a start would; dials nothing.
    Check(ConfigFile),
    /// Print a token, for trying things out.
    Token(Token),
}

#[derive(Args, Debug)]
struct ConfigFile {
    /// The configuration, YAML.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Args, Debug)]
struct Token {
    /// The app the token is for.
    #[arg(long, value_name = "ID", value_parser = app_id)]
    app: String,
    /// The user it speaks for.
    #[arg(long, value_name = "U")]
    user: Option<String>,
    /// The customer it speaks for.
    #[arg(long, value_name = "C")]
    customer: Option<String>,
    /// How long it is good for, such as `90s`, `15m`, `1h`.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    ttl: Duration,
    /// The environment variable that holds the app's secret.
    #[arg(long, value_name = "VAR")]
    secret_env: String,
    /// The secret is base64.
    #[arg(long)]
    base64: bool,
}

fn app_id(text: &str) -> Result<String, String> {
    if valid_app_id(text) { Ok(text.to_owned()) } else { Err("1 to 64 characters of A-Z a-z 0-9 . _ -".to_owned()) }
}

fn duration(text: &str) -> Result<Duration, String> {
    config::values::duration(text)
}

impl Cli {
    /// Does what the command line says; the code is 0 for good, 1 for failed at run time, 2 for bad usage or
    /// configuration.
    #[must_use]
    pub fn execute(self) -> ExitCode {
        match self.command {
            Command::Run(file) => run(&file.config),
            Command::Check(file) => check(&file.config),
            Command::Token(token) => token.print(),
        }
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn run(file: &Path) -> ExitCode {
    if let Err(error) = telemetry::log::start(environment("RTMS_LOG").as_deref()) {
        return fail(UNUSABLE, &error);
    }
    let loaded = match config::load(file, &environment) {
        Ok(loaded) => loaded,
        Err(mistakes) => return fail(UNUSABLE, &mistakes),
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    match server::run(&loaded.settings, file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(FAILED, &error),
    }
}

fn check(file: &Path) -> ExitCode {
    match config::load(file, &environment) {
        Ok(loaded) if loaded.warnings.is_empty() => {
            let _ = writeln!(std::io::stdout(), "{}: good", file.display());
            ExitCode::SUCCESS
        }
        Ok(loaded) => fail(UNUSABLE, &loaded.warnings),
        Err(mistakes) => fail(UNUSABLE, &mistakes),
    }
}

fn fail(code: u8, message: &dyn std::fmt::Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{message}");
    ExitCode::from(code)
}

impl Token {
    fn print(&self) -> ExitCode {
        let Some(secret) = environment(&self.secret_env).filter(|s| !s.is_empty()) else {
            return fail(UNUSABLE, &format!("{} is not set; it must hold the app's secret", self.secret_env));
        };
        let key = if self.base64 {
            match decode_base64(&secret) {
                Some(key) => EncodingKey::from_secret(&key),
                None => return fail(UNUSABLE, &format!("{} is not base64", self.secret_env)),
            }
        } else {
            EncodingKey::from_secret(secret.as_bytes())
        };
        provider::install();
        match jsonwebtoken::encode(&Header::new(Algorithm::HS256), &self.claims(), &key) {
            Ok(token) => {
                let _ = writeln!(std::io::stdout(), "{token}");
                ExitCode::SUCCESS
            }
            Err(error) => fail(FAILED, &error),
        }
    }

    fn claims(&self) -> serde_json::Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut claims = json!({ "appId": self.app, "iat": now.as_secs(), "exp": (now + self.ttl).as_secs() });
        for (name, value) in [("userId", &self.user), ("customerId", &self.customer)] {
            if let (Some(value), Some(claims)) = (value, claims.as_object_mut()) {
                claims.insert(name.to_owned(), json!(value));
            }
        }
        claims
    }
}
