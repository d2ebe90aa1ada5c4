//! The error table: what each failure of the driver means for the token and the next attempt.

use ::mongodb::error::{Error, ErrorKind};
use zeroize::Zeroizing;

use super::{Failure, FailureKind};

/// Said of a server without change streams.
pub(super) const STANDALONE: &str =
    "the server is not a replica set, so it has no change stream; start it as one (a single member will do)";

/// The longest text that goes into logs and `/status`.
const LONGEST: usize = 400;

/// Turns errors into failures.
pub(super) struct Translator<'a> {
    /// What no text may show.
    pub(super) secrets: &'a [Zeroizing<String>],
    /// A server said that it isn't a replica set.
    pub(super) standalone: bool,
}

impl Translator<'_> {
    /// What an error means, in words that hold no secret.
    pub(super) fn failure(&self, error: &Error) -> Failure {
        let mut kind = kind(error);
        if self.standalone && matches!(*error.kind, ErrorKind::ServerSelection { .. }) {
            kind = FailureKind::Standalone;
        }
        if kind == FailureKind::Standalone {
            return Failure::new(kind, STANDALONE);
        }
        Failure::new(kind, self.redacted(readable(error)))
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

/// The error in a line, without its labels and the server's whole reply.
pub(super) fn readable(error: &Error) -> String {
    let mut text = match &*error.kind {
        ErrorKind::Command(c) => format!("the server answered {} ({}): {}", c.code, c.code_name, c.message),
        other => other.to_string(),
    };
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push_str("...");
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
    fn sockets_are_transient_and_no_text_shows_a_secret() {
        let secrets = [Zeroizing::new("u:p@ss".to_owned()), Zeroizing::new("p@ss".to_owned())];
        let translator = Translator { secrets: &secrets, standalone: false };
        let error = Error::from(std::io::Error::other("could not log in u:p@ss, p@ss refused"));
        let failure = translator.failure(&error);
        assert_eq!(failure.kind, FailureKind::Transient);
        assert_eq!(failure.text, "I/O error: could not log in ***, *** refused");
    }

    #[test]
    fn texts_are_bounded() {
        let error = Error::from(std::io::Error::other("ü".repeat(2000)));
        assert!(readable(&error).len() < 900);
    }
}
