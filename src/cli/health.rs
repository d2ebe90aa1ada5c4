//! `health`: asks the admin pages of a running gateway, so that an image needs no other client for its probe.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http::Uri;
use ureq::Agent;

use super::{FAILED, UNUSABLE, duration, fail};

/// More than any reason takes.
const MOST_REASON: u64 = 4096;

/// Whom to ask, and for what.
#[derive(Args, Debug)]
pub struct Health {
    /// Where the admin pages are, as in `admin.address`.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9901", value_parser = address)]
    address: String,
    /// Whether it should be sent traffic (`/readyz`), not only whether it answers (`/livez`).
    #[arg(long)]
    ready: bool,
    /// How long the answer may take.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    timeout: Duration,
}

impl Health {
    /// Asks once. Good says nothing; why not goes to standard error.
    pub fn ask(&self) -> ExitCode {
        if self.timeout.is_zero() {
            return fail(UNUSABLE, &"--timeout is no time at all; write more than `0s`");
        }
        match self.answer() {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => fail(FAILED, &why),
        }
    }

    fn answer(&self) -> Result<(), String> {
        let url = format!("{}{}", self.address, if self.ready { "/readyz" } else { "/livez" });
        // A probe asks this process, not some proxy of the environment's.
        let agent = Agent::config_builder().timeout_global(Some(self.timeout)).proxy(None).max_redirects(0);
        let agent: Agent = agent.http_status_as_error(false).build().into();
        let mut answer = agent.get(&url).call().map_err(|error| format!("{url}: {error}"))?;
        let status = answer.status();
        if status == 200 {
            return Ok(());
        }
        let why = answer.body_mut().with_config().limit(MOST_REASON).read_to_string().unwrap_or_default();
        // Whoever is there may not be a gateway: its bytes don't get to steer a terminal.
        let why: String = why.trim().chars().filter(|c| !c.is_control()).collect();
        Err(format!("{url}: {} {why}", status.as_u16()))
    }
}

/// `http://host:port`, without a `/` at its end. A problem never quotes it.
fn address(text: &str) -> Result<String, String> {
    let form = || "write `http://host:port`, as the admin pages have no TLS".to_owned();
    let uri: Uri = text.parse().map_err(|_| form())?;
    let plain = uri.scheme_str() == Some("http") && uri.query().is_none() && matches!(uri.path(), "" | "/");
    let known = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if plain && known && !text.contains('#') { Ok(text.trim_end_matches('/').to_owned()) } else { Err(form()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_and_nothing_but_a_host() {
        assert_eq!(address("http://127.0.0.1:9901/").as_deref(), Ok("http://127.0.0.1:9901"));
        assert_eq!(address("http://[::1]:9901").as_deref(), Ok("http://[::1]:9901"));
        for bad in
            ["", "127.0.0.1:9901", "https://a:1", "http://", "http://u:p@a", "http://a/b", "http://a?b", "http://a#b"]
        {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
