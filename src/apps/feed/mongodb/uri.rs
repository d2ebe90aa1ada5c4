//! The connection string: whether the driver takes it, what is left out of it, and what of it is secret.

use std::borrow::Cow;

use ::mongodb::options::ConnectionString;
use zeroize::Zeroizing;

use super::errors::readable;
use crate::percent;

/// Options that other drivers have, so that people write them, and that this one refuses to work with: every exchange
/// of the feed has a time limit of its own, and what it reads is small.
const LEFT_OUT: [&str; 3] = ["sockettimeoutms", "compressors", "zlibcompressionlevel"];

/// Whether the driver takes this connection string. Asks nobody, not even the DNS.
///
/// # Errors
/// What is wrong with it, without a word of it that could be secret.
pub fn check_uri(uri: &str) -> Result<(), String> {
    parse(uri).map(drop)
}

/// The connection string as the driver understands it.
pub(super) fn parse(uri: &str) -> Result<ConnectionString, String> {
    ConnectionString::parse(understood(uri).as_str()).map_err(|error| {
        // What the driver quotes may be half a password, where that holds a `/`, `:` or `@` that isn't encoded.
        if uri.contains('@') {
            "not a MongoDB connection string; in user name and password, percent-encode all but letters and digits"
                .to_owned()
        } else {
            format!("not a MongoDB connection string: {}", readable(&error))
        }
    })
}

/// The text without [`LEFT_OUT`].
fn understood(uri: &str) -> Zeroizing<String> {
    let Some((before, query)) = uri.split_once('?') else { return Zeroizing::new(uri.to_owned()) };
    let left_out = |pair: &&str| {
        let key = pair.split_once('=').map_or(*pair, |(key, _)| key);
        LEFT_OUT.contains(&key.to_ascii_lowercase().as_str())
    };
    let kept: Vec<&str> = query.split('&').filter(|pair| !left_out(pair)).collect();
    Zeroizing::new(format!("{before}?{}", kept.join("&")))
}

/// User name and password as they stand and decoded, and the values of options that carry credentials.
pub(super) fn secrets(uri: &str) -> Vec<Zeroizing<String>> {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut found: Vec<String> = Vec::new();
    if let Some((userinfo, _)) = before_query.rsplit_once('@') {
        let password = userinfo.split_once(':').map_or("", |(_, password)| password);
        found.extend([userinfo.to_owned(), password.to_owned(), decoded(password)]);
    }
    for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        if ["authmechanismproperties", "tlscertificatekeyfilepassword", "proxypassword"]
            .contains(&key.to_ascii_lowercase().as_str())
        {
            found.extend([value.to_owned(), decoded(value)]);
        }
    }
    found.retain(|s| !s.is_empty());
    found.into_iter().map(Zeroizing::new).collect()
}

fn decoded(text: &str) -> String {
    percent::decode(text.as_bytes(), false).map_or_else(|_| text.to_owned(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_only_other_drivers_have_are_left_out() {
        let uri = "mongodb://u:p%3F@h/db?socketTimeoutMS=1&replicaSet=r&compressors=zlib,zstd&ZlibCompressionLevel=6";
        assert_eq!(understood(uri).as_str(), "mongodb://u:p%3F@h/db?replicaSet=r");
        assert_eq!(understood("mongodb://h/?compressors=zlib").as_str(), "mongodb://h/?");
        for uri in [uri, "mongodb://h/?compressors=zlib", "mongodb://h", "mongodb://h/?"] {
            assert!(check_uri(uri).is_ok(), "{uri}");
        }
    }

    #[test]
    fn passwords_are_known_as_written_and_as_meant() {
        let found = secrets("mongodb://user:p%40ss@a,b/db?authMechanismProperties=TOKEN:t%2F&replicaSet=r");
        let found: Vec<&str> = found.iter().map(|s| s.as_str()).collect();
        assert_eq!(found, ["user:p%40ss", "p%40ss", "p@ss", "TOKEN:t%2F", "TOKEN:t/"]);
        assert!(secrets("mongodb://a:1,b:2/db?replicaSet=r").is_empty());
    }

    #[test]
    fn a_bad_connection_string_is_refused_without_being_quoted() {
        for uri in ["mongodb://user:hun/ter2@host/db", "mongodb://user:hunter2@host:port/"] {
            let problem = check_uri(uri).unwrap_err();
            assert!(!problem.contains("hun") && !problem.contains("ter2"), "{problem}");
        }
        assert!(check_uri("localhost:27017").unwrap_err().contains("scheme"));
        assert!(check_uri("mongodb://h:1/?maxPoolSize=many").unwrap_err().contains("maxpoolsize"));
        assert!(check_uri("mongodb://user:p%40ss@a,b:2/db?replicaSet=r").is_ok());
        assert!(check_uri("mongodb+srv://cluster.example.net/rtms").is_ok());
    }
}
