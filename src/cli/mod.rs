//! The command line: `run`, `check`, `health`, `token`, `apps`.

mod apps;
mod health;
mod token;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use self::apps::Apps;
use self::health::Health;
use self::token::Token;
use crate::apps::reading::valid_app_id;
use crate::config::Difference;
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
    /// Run the gateway until it is told to stop (SIGTERM drains, SIGINT stops at once, SIGHUP reloads, SIGQUIT hands over
    /// to a new process).
    Run(RunArgs),
    /// Check a configuration, and every file it names, as a start would; dials nothing.
    Check(CheckedFile),
    /// Ask a running gateway whether it is well: 0 if so, 1 if not. For images without another client, and scripts.
    Health(Health),
    /// Print a token, for trying things out.
    Token(Token),
    /// See and change apps through a gateway's app profiles API.
    Apps(Apps),
}

#[derive(Args, Debug)]
struct ConfigFile {
    /// The configuration, YAML.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Args, Debug)]
struct RunArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Take the listening sockets over from a running gateway, which needs a SIGQUIT too, before or after; it serves
    /// until this one does.
    #[arg(long)]
    upgrade: bool,
}

#[derive(Args, Debug)]
struct CheckedFile {
    #[command(flatten)]
    file: ConfigFile,
    /// Print what would change if it took the place of this one, and what of it needs a restart.
    #[arg(long, value_name = "FILE")]
    diff: Option<PathBuf>,
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
            Command::Run(RunArgs { file, upgrade }) => run(&file.config, upgrade),
            Command::Check(CheckedFile { file, diff: None }) => check(&file.config),
            Command::Check(CheckedFile { file, diff: Some(before) }) => diff(&before, &file.config),
            Command::Health(health) => health.ask(),
            Command::Token(token) => token.print(),
            Command::Apps(apps) => apps.execute(),
        }
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn run(file: &Path, upgrade: bool) -> ExitCode {
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
    let socket = loaded.settings.server.upgrade_socket.as_deref();
    if upgrade && socket.is_none() {
        let problem = "--upgrade needs server.upgrade_socket: set the path that the running gateway has there";
        return fail(UNUSABLE, &format!("{}: {problem}", file.display()));
    }
    match server::run(&loaded.settings, file, socket.filter(|_| upgrade)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(FAILED, &error),
    }
}

fn check(file: &Path) -> ExitCode {
    match config::load(file, &environment) {
        Ok(loaded) if loaded.warnings.is_empty() => {
            for advice in &loaded.advice {
                let _ = writeln!(std::io::stderr(), "{advice}");
            }
            let _ = writeln!(std::io::stdout(), "{}: good", file.display());
            ExitCode::SUCCESS
        }
        Ok(loaded) => fail(UNUSABLE, &loaded.warnings),
        Err(mistakes) => fail(UNUSABLE, &mistakes),
    }
}

fn diff(before: &Path, file: &Path) -> ExitCode {
    let differences = match config::differences(before, file, &environment) {
        Ok(differences) => differences,
        Err(mistakes) => return fail(UNUSABLE, &mistakes),
    };
    let mut out = std::io::stdout();
    for difference in &differences {
        let how = if difference.needs_restart() { "  (restart_needed)" } else { "" };
        let _ = writeln!(out, "{difference}{how}");
    }
    let restart = differences.iter().any(Difference::needs_restart);
    let _ = match (differences.len(), restart) {
        (0, _) => writeln!(out, "nothing would change"),
        (_, false) => writeln!(out, "a reload puts it in force"),
        (_, true) => writeln!(out, "a reload is refused: restart"),
    };
    ExitCode::SUCCESS
}

/// Says something that isn't the result.
fn note(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

fn fail(code: u8, message: &dyn std::fmt::Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{message}");
    ExitCode::from(code)
}
