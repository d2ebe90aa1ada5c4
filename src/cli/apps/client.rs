//! The API's client: carries one call after the other, and tells what was refused from what may have been done.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use serde::Deserialize;
use ureq::tls::TlsConfig;
use ureq::{Agent, Error, Timeout};
use zeroize::Zeroizing;

use super::show::plain;

/// The most that is read of an answer, in bytes.
const MOST_ANSWER: u64 = 64 << 20;
/// Until when a secret would have been good that a rotation threw out.
const THROWN_OUT: &str = "x-rtms-previous-dropped";
/// The other end closed the connection.
const HUNG_UP: [ErrorKind; 3] = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof];
/// There was no connection, or it was closed before the call was written to its end.
const NOT_SENT: [ErrorKind; 4] =
    [ErrorKind::ConnectionRefused, ErrorKind::HostUnreachable, ErrorKind::NetworkUnreachable, ErrorKind::BrokenPipe];

/// A token, as the header that carries it. No `Debug`.
pub struct Bearer(HeaderValue);

impl Bearer {
    /// `None`: it holds characters that no token has.
    pub fn new(token: &str) -> Option<Self> {
        if !token.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        let line = Zeroizing::new(format!("Bearer {token}"));
        let mut value = HeaderValue::from_str(&line).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A call, from its beginning to the end of its answer.
    pub answer: Duration,
    /// A connection, with its TLS handshake.
    pub connect: Duration,
}

/// A call. No `Debug`: the body may hold a secret.
pub struct Call<'c> {
    method: Method,
    path: String,
    condition: Option<&'c str>,
    body: Option<&'c [u8]>,
}

impl<'c> Call<'c> {
    /// A call of this path behind `/api/v1/`, with its query.
    pub const fn new(method: Method, path: String) -> Self {
        Self { method, path, condition: None, body: None }
    }

    /// Only if the app is in this state.
    pub const fn if_match(mut self, tag: Option<&'c str>) -> Self {
        self.condition = tag;
        self
    }

    /// With this JSON.
    pub const fn body(mut self, json: &'c [u8]) -> Self {
        self.body = Some(json);
        self
    }
}

/// A good answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body, JSON; empty: there is none.
    pub body: Vec<u8>,
    /// The app's state, without its quotes.
    pub tag: Option<String>,
    /// Until when a secret would have been good that was thrown out.
    pub thrown_out: Option<String>,
}

/// Why there is no good answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The API said no, or was never reached: nothing was changed.
    Refused(String),
    /// A change may have been made or not.
    Unknown(String),
}

/// The client.
pub struct Client {
    agent: Agent,
    base: String,
    token: Bearer,
}

/// What the API says when it doesn't do something.
#[derive(Deserialize)]
struct Refusal {
    status: String,
    #[serde(default)]
    mistakes: Vec<Mistake>,
}

#[derive(Deserialize)]
struct Mistake {
    field: String,
    problem: String,
}

impl Client {
    /// A client of the API at `base`. Proxies of the environment aren't used, and no redirect is followed: the token is
    /// for that address alone.
    pub fn new(base: String, token: Bearer, tls: TlsConfig, patience: Patience) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(patience.connect))
            .timeout_global(Some(patience.answer))
            .user_agent(concat!("rtms-gateway/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls);
        Self { agent: config.build().new_agent(), base, token }
    }

    /// Makes a call.
    ///
    /// # Errors
    /// Any answer but a good one, or none.
    pub fn ask(&self, call: &Call<'_>) -> Result<Answer, Unanswered> {
        let request = self.request(call).map_err(|error| Unanswered::Refused(error.to_string()))?;
        let response = match call.body {
            Some(body) => self.agent.run(request.map(|()| body)),
            None => self.agent.run(request),
        };
        let writes = call.method != Method::GET;
        let lost = |error| self.lost(&error, writes);
        let (parts, mut body) = response.map_err(lost)?.into_parts();
        let body = body.with_config().limit(MOST_ANSWER).read_to_vec().map_err(lost)?;
        let answer = Response::from_parts(parts, body);
        if answer.status().is_success() { Ok(good(answer)) } else { Err(self.refused(&answer)) }
    }

    fn request(&self, call: &Call<'_>) -> Result<Request<()>, http::Error> {
        let uri: Uri = format!("{}/api/v1/{}", self.base, call.path).try_into()?;
        let mut request = Request::builder().method(&call.method).uri(uri).header(AUTHORIZATION, &self.token.0);
        if let Some(tag) = call.condition {
            request = request.header(IF_MATCH, tag);
        }
        if call.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request.body(())
    }

    /// What is wrong, as the API says it.
    fn refused(&self, answer: &Response<Vec<u8>>) -> Unanswered {
        let status = answer.status().as_u16();
        let Ok(refusal) = serde_json::from_slice::<Refusal>(answer.body()) else {
            let text = format!("{} answered {status}, and not as the app profiles API does", self.base);
            return if status < 500 { Unanswered::Refused(text) } else { Unanswered::Unknown(text) };
        };
        let mut text = format!("{} ({status})", plain(&refusal.status));
        if let Some(seconds) = header(answer.headers(), RETRY_AFTER.as_str()).filter(|_| status == 429) {
            let _ = write!(text, "; try again in {seconds} s");
        }
        for Mistake { field, problem } in &refusal.mistakes {
            let field = if field.is_empty() { "the body" } else { field };
            let _ = write!(text, "\n{}: {}", plain(field), plain(problem));
        }
        // 503: the database wasn't reached.
        if status < 500 || status == 503 { Unanswered::Refused(text) } else { Unanswered::Unknown(text) }
    }

    /// No answer came.
    fn lost(&self, error: &Error, writes: bool) -> Unanswered {
        let remedy = if self.base.starts_with("https:") { remedy(error) } else { "" };
        let text = format!("{} gave no answer: {}{remedy}", self.base, plain(&why(error)));
        if never_arrived(error) || !writes {
            Unanswered::Refused(text)
        } else {
            Unanswered::Unknown(format!("{text}; whether it was done isn't known: ask for the app"))
        }
    }
}

/// What would perhaps help, where it is about TLS.
fn remedy(error: &Error) -> &'static str {
    const CERTIFICATE: &str = "; perhaps it asks for another certificate, or for one at all: --cert, --key";
    let Error::Io(error) = error else { return "" };
    match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(_)) => "; a private authority is named by --ca",
        Some(rustls::Error::InvalidMessage(_)) => "; perhaps it speaks plain `http`",
        // Under TLS 1.3 a client's certificate is refused after the client's last word; the alert may come too late.
        Some(rustls::Error::AlertReceived(_)) => CERTIFICATE,
        None if HUNG_UP.contains(&error.kind()) => CERTIFICATE,
        _ => "",
    }
}

fn tls_error(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

fn why(error: &Error) -> String {
    match error {
        Error::Io(error) => error.to_string(),
        Error::Timeout(_) => "timed out".to_owned(),
        other => other.to_string(),
    }
}

fn good(answer: Response<Vec<u8>>) -> Answer {
    let tag = header(answer.headers(), ETAG.as_str()).map(|tag| tag.trim_matches('"').to_owned());
    let thrown_out = header(answer.headers(), THROWN_OUT);
    Answer { status: answer.status().as_u16(), tag, thrown_out, body: answer.into_body() }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(plain)
}

/// Whether the API can't have seen the whole call.
fn never_arrived(error: &Error) -> bool {
    use rustls::Error as Tls;

    let refused = |error: &Tls| {
        // The last one: what answers doesn't speak TLS.
        matches!(
            error,
            Tls::InvalidCertificate(_) | Tls::PeerIncompatible(_) | Tls::AlertReceived(_) | Tls::InvalidMessage(_)
        )
    };
    match error {
        Error::HostNotFound
        | Error::ConnectionFailed
        | Error::Tls(_)
        | Error::Rustls(_)
        | Error::Timeout(Timeout::Resolve | Timeout::Connect) => true,
        Error::Io(error) => NOT_SENT.contains(&error.kind()) || tls_error(error).is_some_and(refused),
        _ => false,
    }
}
