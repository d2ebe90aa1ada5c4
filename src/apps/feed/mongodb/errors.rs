//! The error table: what each failure of the driver means for the token and the next attempt.

use ::mongodb::error::{Error, ErrorKind};
use zeroize::Zeroizing;

use super::client::{Observed, ServerKind};
use super::{Failure, FailureKind};

/// Said of a server without change streams.
pub(super) const STANDALONE: &str =
    "the server is not a replica set, so it has no change stream; start it as one (a single member will do)";

/// The time's signature isn't ours, the time is far ahead, the key that it was signed with isn't known.
const FOREIGN_TIME: [i32; 3] = [204, 205, 211];

/// The longest text that goes into logs and `/status`.
const LONGEST: usize = 400;

/// Turns errors into failures.
pub(super) struct Translator<'a> {
    /// What no text may show.
    pub(super) secrets: &'a [Zeroizing<String>],
    /// What the client saw, where there is one.
    pub(super) observed: Option<&'a Observed>,
}

impl Translator<'_> {
    /// What an error means, in words that hold no secret.
    pub(super) fn failure(&self, error: &Error) -> Failure {
        if matches!(*error.kind, ErrorKind::ServerSelection { .. }) && self.observed.is_some_and(Observed::is_deserted)
        {
            return self.nobody();
        }
        if let (ErrorKind::Command(c), Some(observed)) = (&*error.kind, self.observed)
            && FOREIGN_TIME.contains(&c.code)
        {
            observed.misled();
        }
        match kind(error) {
            FailureKind::Standalone => Failure::new(FailureKind::Standalone, STANDALONE),
            // Cut last: half a password would not be known as one.
            kind => Failure::new(kind, shortened(self.redacted(words(error)))),
        }
    }

    /// Why the driver struck off the servers that answered.
    pub(super) fn nobody(&self) -> Failure {
        let text = match self.observed.and_then(Observed::found) {
            Some(ServerKind::Standalone) => return Failure::new(FailureKind::Standalone, STANDALONE),
            Some(ServerKind::Member(set)) => {
                format!("the server belongs to the replica set {set}, the connection string asks for another")
            }
            _ => "no server that answered is a member of the replica set the connection string asks for".to_owned(),
        };
        Failure::new(FailureKind::Transient, text)
    }

    fn redacted(&self, mut text: String) -> String {
        for secret in self.secrets {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), "***");
            }
        }
        text
    }
}

/// The error in a line of bounded length, without its labels and the server's whole reply.
pub(super) fn readable(error: &Error) -> String {
    shortened(words(error))
}

fn words(error: &Error) -> String {
    match &*error.kind {
        ErrorKind::Command(c) => format!("the server answered {} ({}): {}", c.code, c.code_name, c.message),
        // The driver puts the labels and sources of other errors into its texts.
        other => without(other.to_string(), ", labels: {", "server response: None"),
    }
}

fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// The text without every part that begins and ends so.
fn without(mut text: String, begin: &str, end: &str) -> String {
    while let Some(from) = text.find(begin) {
        let Some(to) = text.get(from..).and_then(|rest| rest.find(end)) else { break };
        text.replace_range(from..from + to + end.len(), "");
    }
    text
}

fn kind(error: &Error) -> FailureKind {
    match &*error.kind {
        ErrorKind::Command(c) => of_code(c.code),
        ErrorKind::Authentication { .. } => match code_below(error).map(of_code) {
            // A server that is shutting down may fail in the middle of a handshake.
            Some(FailureKind::Transient) => FailureKind::Transient,
            _ => FailureKind::Unauthorised,
        },
        ErrorKind::SessionsNotSupported => FailureKind::Standalone,
        ErrorKind::Bson(_) | ErrorKind::InvalidResponse { .. } | ErrorKind::MissingResumeToken => FailureKind::Unlisted,
        // Sockets, server selection, the pool, DNS, TLS, a setting that is wrong: all of it may be put right.
        _ => FailureKind::Transient,
    }
}

/// The code of the server's error that this one wraps.
fn code_below(error: &Error) -> Option<i32> {
    let source = std::error::Error::source(error)?.downcast_ref::<Error>()?;
    match &*source.kind {
        ErrorKind::Command(c) => Some(c.code),
        _ => None,
    }
}

const fn of_code(code: i32) -> FailureKind {
    match code {
        // Unreachable, not found, network timeout, shutdown, primary stepped down, exceeded time limit, socket
        // exception, not writable primary, interrupted by shutdown or by state change, not primary or secondary.
        6 | 7 | 89 | 91 | 189 | 262 | 9001 | 10107 | 11600 | 11602 | 13435 | 13436 => FailureKind::Transient,
        // Cursor not found, cursor killed, operation over its time.
        43 | 237 | 50 => FailureKind::CursorLost,
        // History lost, fatal, a token it can't read, the capped collection of events fell behind.
        286 | 280 | 260 | 136 => FailureKind::HistoryLost,
        // Unauthorised, authentication failed, user not found.
        13 | 18 | 11 => FailureKind::Unauthorised,
        // "The $changeStream stage is only supported on replica sets".
        40573 => FailureKind::Standalone,
        _ => FailureKind::Unlisted,
    }
}

#[cfg(test)]
mod tests {
    use ::mongodb::bson::{deserialize_from_document, doc};

    use super::*;

    #[test]
    fn every_code_of_the_table_has_its_kind() {
        for code in [6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436] {
            assert_eq!(of_code(code), FailureKind::Transient, "{code}");
        }
        for code in [43, 237, 50] {
            assert_eq!(of_code(code), FailureKind::CursorLost, "{code}");
        }
        for code in [286, 280, 260, 136] {
            assert_eq!(of_code(code), FailureKind::HistoryLost, "{code}");
        }
        for code in [13, 18, 11] {
            assert_eq!(of_code(code), FailureKind::Unauthorised, "{code}");
        }
        assert_eq!(of_code(40573), FailureKind::Standalone);
        assert_eq!(of_code(10334), FailureKind::Unlisted);
    }

    #[test]
    fn a_client_that_remembers_another_clusters_time_is_spent() {
        for (code, spent) in [(91, false), (204, true), (205, true), (211, true)] {
            let observed = Observed::default();
            let translator = Translator { secrets: &[], observed: Some(&observed) };
            let refusal = deserialize_from_document(doc! { "code": code, "codeName": "", "errmsg": "" }).unwrap();
            translator.failure(&Error::from(ErrorKind::Command(refusal)));
            assert_eq!(observed.is_spent(), spent, "{code}");
        }
    }

    #[test]
    fn sockets_are_transient_and_no_text_shows_a_secret() {
        let secrets = [Zeroizing::new("u:p@ss".to_owned()), Zeroizing::new("p@ss".to_owned())];
        let translator = Translator { secrets: &secrets, observed: None };
        let error = Error::from(std::io::Error::other("could not log in u:p@ss, p@ss refused"));
        let failure = translator.failure(&error);
        assert_eq!(failure.kind, FailureKind::Transient);
        assert_eq!(failure.text, "I/O error: could not log in ***, *** refused");
    }

    #[test]
    fn a_secret_at_the_end_of_what_is_shown_is_not_shown_in_part() {
        let secrets = [Zeroizing::new("hunter2hunter2".to_owned())];
        let translator = Translator { secrets: &secrets, observed: None };
        let error = Error::from(std::io::Error::other(format!("{}hunter2hunter2", "x".repeat(380))));
        let text = translator.failure(&error).text;
        assert!(text.ends_with("x***") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn texts_are_bounded_and_free_of_the_drivers_innards() {
        let chatty = "no server: Kind: refused, labels: {\"A\"}, source: None, server response: None }, b, labels: {";
        let error = Error::from(std::io::Error::other(chatty));
        assert_eq!(readable(&error), "I/O error: no server: Kind: refused }, b, labels: {");
        let error = Error::from(std::io::Error::other("ü".repeat(2000)));
        assert!(readable(&error).len() < 900);
    }
}
