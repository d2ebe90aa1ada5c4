//! The connection string: whether the driver takes it, what is left out of it, and what of it is secret.

use std::borrow::Cow;
use std::path::Path;

use ::mongodb::error::ErrorKind;
use ::mongodb::options::{ClientOptions, ConnectionString, HostInfo, ServerAddress, Tls};
use futures_util::FutureExt as _;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::errors::readable;
use crate::percent;

/// Options that other drivers have, so that people write them, and that this one refuses to work with: every exchange
/// of the feed has a time limit of its own, and what it reads is small.
const LEFT_OUT: [&str; 3] = ["sockettimeoutms", "compressors", "zlibcompressionlevel"];

/// What is wrong with a connection string, without a word of it that could be secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriFault {
    /// It is none.
    #[error("{0}")]
    Form(String),
    /// It is one, but nobody could connect with it.
    #[error("{0}")]
    Option(String),
}

/// Whether the driver takes this connection string, with the options and files that it names. Asks nobody, not even the
/// DNS.
///
/// # Errors
/// What is wrong with it.
pub fn check_uri(uri: &str) -> Result<(), UriFault> {
    let mut parsed = parse(uri).map_err(UriFault::Form)?;
    check_files(&parsed)?;
    if let HostInfo::DnsRecord(_) = parsed.host_info {
        // Its hosts are the DNS's to tell; the options can be judged without them.
        parsed.host_info = HostInfo::HostIdentifiers(vec![ServerAddress::default()]);
    }
    // With its hosts given there is nothing to wait for.
    let Some(Err(error)) = ClientOptions::parse(parsed).into_future().now_or_never() else { return Ok(()) };
    Err(UriFault::Option(match &*error.kind {
        ErrorKind::InvalidArgument { message, .. } => message.clone(),
        _ => readable(&error),
    }))
}

/// The driver reads these anew for every client, and would fail each time.
fn check_files(parsed: &ConnectionString) -> Result<(), UriFault> {
    let Some(Tls::Enabled(tls)) = &parsed.tls else { return Ok(()) };
    let problem = |option: &str, path: &Path, problem: &str| {
        UriFault::Option(format!("`{option}` names {}, which {problem}", path.display()))
    };
    if let Some(path) = &tls.ca_file_path {
        let read = CertificateDer::pem_file_iter(path).map(|mut found| found.any(|one| one.is_ok()));
        if !read.unwrap_or(false) {
            return Err(problem("tlsCAFile", path, "can't be read or holds no certificate in PEM form"));
        }
    }
    if let Some(path) = &tls.cert_key_file_path
        && !(CertificateDer::from_pem_file(path).is_ok() && PrivateKeyDer::from_pem_file(path).is_ok())
    {
        let wanted = "can't be read or doesn't hold a certificate and its key, both in PEM form, the key not encrypted";
        return Err(problem("tlsCertificateKeyFile", path, wanted));
    }
    Ok(())
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
            let problem = check_uri(uri).unwrap_err().to_string();
            assert!(!problem.contains("hun") && !problem.contains("ter2"), "{problem}");
        }
        assert!(check_uri("localhost:27017").unwrap_err().to_string().contains("scheme"));
        assert!(check_uri("mongodb://h:1/?maxPoolSize=many").unwrap_err().to_string().contains("maxpoolsize"));
        assert!(check_uri("mongodb://user:p%40ss@a,b:2/db?replicaSet=r").is_ok());
        assert!(check_uri("mongodb+srv://cluster.example.net/rtms").is_ok());
    }

    #[test]
    fn options_that_the_driver_would_refuse_at_run_time_are_refused_here() {
        let cases = [
            ("mongodb://h/?maxPoolSize=0", "maxPoolSize=0"),
            ("mongodb://u:hunter2@h/?heartbeatFrequencyMS=499", "500ms"),
            ("mongodb+srv://x.example.net/?maxConnecting=0", "maxConnecting=0"),
            ("mongodb://a,b/?directConnection=true", "directConnection"),
            ("mongodb://h/?tls=true&tlsCAFile=/absent.pem", "`tlsCAFile` names /absent.pem"),
            ("mongodb://h/?tls=true&tlsCertificateKeyFile=/absent.pem", "`tlsCertificateKeyFile` names /absent.pem"),
        ];
        for (uri, word) in cases {
            let Err(UriFault::Option(problem)) = check_uri(uri) else { panic!("{uri}") };
            assert!(problem.contains(word) && !problem.contains("hunter2"), "{uri}: {problem}");
        }
    }

    #[test]
    fn a_file_of_authorities_needs_a_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, "no certificate").unwrap();
        let uri = format!("mongodb://h/?tls=true&tlsCAFile={}", path.display());
        assert!(check_uri(&uri).is_err());
        let made = rcgen::generate_simple_self_signed(vec!["h".to_owned()]).unwrap();
        std::fs::write(&path, made.cert.pem()).unwrap();
        assert_eq!(check_uri(&uri), Ok(()));
    }
}
