//! `apps`: calls of the app profiles API by hand. Here are the flags; [`calls`] makes the calls, [`client`] carries them.

mod calls;
mod client;
mod connection;
mod secret;
mod show;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use self::calls::Session;
use self::connection::Connection;
use self::secret::{Encoding, FirstSecret, NextSecret};
use super::{FAILED, UNUSABLE, app_id, duration, fail};

/// What belongs to no flag.
const HELP: &str = "\
The token stands in RTMS_PROFILES_TOKEN or in a file, never on the command line, where everybody on the machine sees it.
Exit code: 0 done; 1 refused, not reached, or not known; 2 wrong usage.";

/// The longest that the API waits.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// The calls of the app profiles API.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Apps {
    #[command(subcommand)]
    verb: Verb,
    /// Print what the API answered, as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List apps.
    List(List),
    /// Show an app.
    Get(Get),
    /// Create an app.
    Create(Create),
    /// Give an app a new secret, while the one before it stays good for a time.
    Rotate(Rotate),
    /// Reject every request of an app, until it is enabled.
    Disable(Change),
    /// Let an app in again that was disabled.
    Enable(Change),
    /// Reject every token of an app that was issued before this moment.
    Revoke(Change),
    /// Delete an app: all its requests are rejected from then on.
    Delete(Delete),
}

#[derive(Args, Debug)]
struct List {
    /// Begin after this app.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// How many apps at most; without it, all of them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

#[derive(Args, Debug)]
struct Get {
    /// The app's id.
    #[arg(value_name = "ID", value_parser = app_id)]
    app: String,
}

#[derive(Args, Debug)]
struct Create {
    /// The app's id.
    #[arg(value_name = "ID", value_parser = app_id)]
    app: String,
    /// Its name, for people.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    #[command(flatten)]
    secret: FirstSecret,
    /// How the app's secrets are encoded; without it, as the gateway's `auth.secret_encoding` says.
    #[arg(long, value_name = "ENCODING")]
    secret_encoding: Option<Encoding>,
    #[command(flatten)]
    waiting: Waiting,
}

#[derive(Args, Debug)]
struct Rotate {
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    secret: NextSecret,
    /// For how long the secret in force stays good beside the new one, up to a year; `0s`: not at all.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration)]
    overlap: Duration,
}

#[derive(Args, Debug)]
struct Delete {
    #[command(flatten)]
    change: Change,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
}

/// What every change of an app takes.
#[derive(Args, Debug)]
struct Change {
    /// The app's id.
    #[arg(value_name = "ID", value_parser = app_id)]
    app: String,
    /// Change it only if it is still in this state: the `tag` that `get` shows.
    #[arg(long, value_name = "TAG", value_parser = tag)]
    if_match: Option<String>,
    #[command(flatten)]
    waiting: Waiting,
}

#[derive(Args, Debug)]
struct Waiting {
    /// End once the change is in force at the gateway that is asked, which may take so long: `10s` without a value, `60s`
    /// at most.
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "10s", value_parser = patience)]
    wait: Option<Duration>,
}

/// How long the API may be asked to wait.
fn patience(text: &str) -> Result<Duration, String> {
    match duration(text) {
        Ok(patience) if !patience.is_zero() && patience <= LONGEST_WAIT => Ok(patience),
        Ok(_) => Err("must be more than `0s`, and `60s` at most".to_owned()),
        Err(problem) => Err(format!("{problem}; the app's id stands before `--wait`")),
    }
}

/// An entity tag, with its quotes or without.
fn tag(text: &str) -> Result<String, String> {
    let sound = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    match text {
        _ if !sound => Err("is no tag; give the one that `get` shows".to_owned()),
        "*" => Ok(text.to_owned()),
        _ if text.contains('"') => Ok(text.to_owned()),
        _ => Ok(format!("\"{text}\"")),
    }
}

/// Why a command wasn't done; the texts hold no secret.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// It was called in a way that can't be.
    Usage(String),
    /// The API refused it, or couldn't be asked.
    Failed(String),
}

impl Apps {
    /// Does what the command line says.
    pub fn execute(&self) -> ExitCode {
        match self.call() {
            Ok(()) => ExitCode::SUCCESS,
            Err(Failure::Usage(text)) => fail(UNUSABLE, &text),
            Err(Failure::Failed(text)) => fail(FAILED, &text),
        }
    }

    fn call(&self) -> Result<(), Failure> {
        let client = self.connection.open(self.verb.wait())?;
        let session = Session { client, json: self.json };
        match &self.verb {
            Verb::List(list) => session.list(list),
            Verb::Get(get) => session.get(&get.app),
            Verb::Create(create) => session.create(create),
            Verb::Rotate(rotate) => session.rotate(rotate),
            Verb::Disable(change) => session.change("disable", change),
            Verb::Enable(change) => session.change("enable", change),
            Verb::Revoke(change) => session.change("revoke", change),
            Verb::Delete(delete) => session.delete(delete),
        }
    }
}

impl Verb {
    /// How long the API is asked to wait before it answers.
    const fn wait(&self) -> Duration {
        let waiting = match self {
            Self::List(_) | Self::Get(_) => return Duration::ZERO,
            Self::Create(create) => &create.waiting,
            Self::Rotate(rotate) => &rotate.change.waiting,
            Self::Disable(change) | Self::Enable(change) | Self::Revoke(change) => &change.waiting,
            Self::Delete(delete) => &delete.change.waiting,
        };
        match waiting.wait {
            Some(wait) => wait,
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_has_an_end() {
        assert_eq!(patience("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(patience("1m"), Ok(LONGEST_WAIT));
        for bad in ["0s", "61s", "TR1", ""] {
            assert!(patience(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_tag_is_given_with_its_quotes_or_without() {
        assert_eq!(tag("5c1f").as_deref(), Ok("\"5c1f\""));
        assert_eq!(tag("\"5c1f\"").as_deref(), Ok("\"5c1f\""));
        assert_eq!(tag("*").as_deref(), Ok("*"));
        // A variable that isn't set is no condition.
        for bad in ["", "5c 1f", "5c\n1f"] {
            assert!(tag(bad).is_err(), "{bad:?}");
        }
    }
}
