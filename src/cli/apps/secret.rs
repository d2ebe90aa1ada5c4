//! Secrets on their way to the API: read from standard input, or made here. None of them has a `Debug`.

use std::io::{IsTerminal as _, Read as _};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clap::{Args, ValueEnum};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Serialize;
use zeroize::Zeroizing;

use super::Failure;
use crate::cli::note;

/// The length of a key that is made here, in bytes: as long as the hash (RFC 7518 section 3.2).
const GENERATED: usize = 32;
/// The most that is read of standard input, in bytes.
const MOST_INPUT: u64 = 64 << 10;

/// How a secret is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// The string's bytes are the key.
    Raw,
    /// The string is the key's base64.
    Base64,
}

/// Where a new app's secret comes from.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct FirstSecret {
    /// Read the secret from standard input; one newline at its end is no part of it.
    #[arg(long)]
    secret_stdin: bool,
    /// Make a secret of 32 random bytes and print it: alone on standard output, this once.
    #[arg(long)]
    generate: bool,
    /// No secret: the app's requests pass unchecked, where the route lets them.
    #[arg(long)]
    open: bool,
}

/// Where the secret comes from that takes the place of another.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct NextSecret {
    /// Read the secret from standard input; one newline at its end is no part of it.
    #[arg(long)]
    secret_stdin: bool,
    /// Make a secret of 32 random bytes and print it: alone on standard output, this once.
    #[arg(long)]
    pub generate: bool,
}

impl FirstSecret {
    /// The secret; `None`: the app is to have none.
    ///
    /// # Errors
    /// Standard input holds none.
    pub fn take(&self, encoding: Option<Encoding>) -> Result<Option<Secret>, Failure> {
        if self.open { Ok(None) } else { take(self.generate, encoding).map(Some) }
    }
}

impl NextSecret {
    /// The secret.
    ///
    /// # Errors
    /// Standard input holds none.
    pub fn take(&self, encoding: Option<Encoding>) -> Result<Secret, Failure> {
        take(self.generate, encoding)
    }
}

/// A secret, wiped when it is dropped.
pub struct Secret {
    text: Zeroizing<String>,
    /// Whether nobody but this process knows it yet.
    pub generated: bool,
}

impl Secret {
    /// The secret as it is written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn take(generate: bool, encoding: Option<Encoding>) -> Result<Secret, Failure> {
    if generate {
        return generated(encoding);
    }
    if std::io::stdin().is_terminal() {
        note("the secret, then Enter and Ctrl-D (it is shown as you type):");
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    let read = std::io::stdin().lock().take(MOST_INPUT + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::Usage(format!("standard input can't be read ({error}); give the secret there")))?;
    if bytes.len() as u64 > MOST_INPUT {
        return Err(Failure::Usage("standard input is over 64 KiB; give the secret alone there".to_owned()));
    }
    let text = without_newline(&bytes);
    Ok(Secret {
        text: text.map_err(|problem| Failure::Usage(format!("the secret on standard input {problem}")))?,
        generated: false,
    })
}

/// What was read without the newline that `echo` and editors put at its end.
fn without_newline(bytes: &[u8]) -> Result<Zeroizing<String>, &'static str> {
    let line = bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
    match std::str::from_utf8(line) {
        Ok("") => Err("is empty; give one"),
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err("is not UTF-8; give base64, and say so by `secret_encoding`"),
    }
}

/// A new secret. Unless it must be base64, it is in letters, digits, `-` and `_`: good in a URL and a shell, and good as
/// base64 too where the gateway's own setting says that secrets are.
fn generated(encoding: Option<Encoding>) -> Result<Secret, Failure> {
    let mut key = Zeroizing::new([0; GENERATED]);
    let filled = SystemRandom::new().fill(key.as_mut_slice());
    filled.map_err(|_| Failure::Failed("the system gives no random bytes".to_owned()))?;
    let text = match encoding {
        Some(Encoding::Base64) => STANDARD.encode(key.as_slice()),
        Some(Encoding::Raw) | None => URL_SAFE_NO_PAD.encode(key.as_slice()),
    };
    Ok(Secret { text: Zeroizing::new(text), generated: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::reading::decode_base64;

    #[test]
    fn exactly_one_newline_is_no_part_of_a_secret() {
        let read = |bytes: &[u8]| without_newline(bytes).map(|text| text.to_string());
        for same in ["s3", "s3\n", "s3\r\n"] {
            assert_eq!(read(same.as_bytes()).as_deref(), Ok("s3"));
        }
        assert_eq!(read(b" s3 \n\n").as_deref(), Ok(" s3 \n"));
        assert_eq!(read(b"s3\r").as_deref(), Ok("s3\r"));
        for empty in ["", "\n", "\r\n"] {
            assert!(read(empty.as_bytes()).is_err());
        }
        assert!(read(b"\xff").is_err());
    }

    #[test]
    fn generated_secrets_differ_and_decode_to_32_bytes() {
        let text = |encoding| generated(encoding).ok().map(|secret| secret.text().to_owned()).expect("random bytes");
        for encoding in [None, Some(Encoding::Raw), Some(Encoding::Base64)] {
            let (one, other) = (text(encoding), text(encoding));
            assert_ne!(one, other);
            assert_eq!(decode_base64(&one).map(|key| key.len()), Some(GENERATED));
            assert_eq!(one.len(), if encoding == Some(Encoding::Base64) { 44 } else { 43 });
        }
    }
}
