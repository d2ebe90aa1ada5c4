//! The calls, and what is printed of their answers: results on standard output, everything else on standard error.

use std::io::{ErrorKind, IsTerminal as _, Write as _};

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::client::{Answer, Call, Client, Unanswered};
use super::secret::{Encoding, Secret};
use super::{Change, Create, Delete, Failure, List, Rotate, Waiting, show};
use crate::cli::note;
use crate::config::values::show_duration;

/// The most apps that the API gives at once.
const PAGE: u64 = 1000;

/// The status of an app's deletion.
const GONE: u16 = 204;

/// A client, and how to print.
pub struct Session {
    /// The client.
    pub client: Client,
    /// Print what the API answered.
    pub json: bool,
}

/// The body of a creation. No `Debug`: it holds a secret.
#[derive(Serialize)]
struct Created<'c> {
    #[serde(rename = "appId")]
    app: &'c str,
    #[serde(rename = "appName", skip_serializing_if = "Option::is_none")]
    name: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt_secretkey: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_encoding: Option<Encoding>,
}

/// The body of a rotation. No `Debug`: it holds a secret.
#[derive(Serialize)]
struct Rotated<'r> {
    jwt_secretkey: &'r str,
    overlap: String,
}

#[derive(Deserialize)]
struct Page {
    apps: Vec<Value>,
    next: Option<String>,
}

/// Pages together.
struct Listed {
    apps: Vec<Value>,
    next: Option<String>,
    /// The answer, where there was one alone.
    only: Option<Answer>,
}

impl Session {
    /// Prints apps, page after page.
    pub fn list(&self, list: &List) -> Result<(), Failure> {
        let Listed { apps, next, only } = self.pages(list)?;
        match only {
            Some(answer) if self.json => return self.show(&answer),
            None if self.json => {
                return print(format!("{}\n", json!({ "apps": apps, "next": next })).as_bytes(), false);
            }
            _ => print(show::table(&apps).as_bytes(), false)?,
        }
        if let Some(next) = next {
            note(&format!("there are more: --after {}", show::plain(&next)));
        }
        Ok(())
    }

    fn pages(&self, list: &List) -> Result<Listed, Failure> {
        let mut apps = Vec::new();
        let mut after = list.after.clone();
        loop {
            let left = list.limit.map_or(PAGE, |limit| limit.saturating_sub(apps.len() as u64).min(PAGE));
            let begin = after.as_deref().map(|after| format!("&after={}", encoded(after))).unwrap_or_default();
            let answer = self.ask(&Call::new(Method::GET, format!("apps?limit={left}{begin}")))?;
            let Page { apps: page, next } = read(&answer)?;
            // Pages go on by id: one that doesn't would be followed for ever.
            if next.is_some() && next <= after {
                return Err(Failure::Failed("the list goes round in circles; is the address the API's?".to_owned()));
            }
            let only = apps.is_empty().then_some(answer);
            apps.extend(page);
            if next.is_none() || list.limit.is_some_and(|limit| apps.len() as u64 >= limit) {
                return Ok(Listed { apps, next, only });
            }
            after = next;
        }
    }

    /// Prints an app.
    pub fn get(&self, app: &str) -> Result<(), Failure> {
        let answer = self.ask(&Call::new(Method::GET, format!("apps/{app}")))?;
        self.show(&answer)
    }

    /// Creates an app.
    pub fn create(&self, create: &Create) -> Result<(), Failure> {
        let secret = create.secret.take(create.secret_encoding)?;
        let body = body(&Created {
            app: &create.app,
            name: create.name.as_deref(),
            jwt_secretkey: secret.as_ref().map(Secret::text),
            secret_encoding: create.secret_encoding,
        })?;
        let path = format!("apps{}", query(&create.waiting));
        let done = self.client.ask(&Call::new(Method::POST, path).body(&body));
        if done.as_ref().is_ok_and(|answer| answer.status == 200) {
            note(&format!("{}: the same app stood there already", create.app));
        }
        self.written(done, secret.as_ref())
    }

    /// Gives an app a new secret.
    pub fn rotate(&self, rotate: &Rotate) -> Result<(), Failure> {
        let Change { app, if_match, waiting } = &rotate.change;
        let encoding = if rotate.secret.generate { Some(self.encoding(app)?) } else { None };
        let secret = rotate.secret.take(encoding)?;
        let body = body(&Rotated { jwt_secretkey: secret.text(), overlap: show_duration(rotate.overlap) })?;
        let call = Call::new(Method::POST, format!("apps/{app}/rotate{}", query(waiting)));
        let done = self.client.ask(&call.if_match(if_match.as_deref()).body(&body));
        if let Some(until) = done.as_ref().ok().and_then(|answer| answer.thrown_out.as_deref()) {
            note(&format!("{app}: this rotation threw out a secret that would have been good until {until}"));
        }
        self.written(done, Some(&secret))
    }

    /// Makes a change that needs nothing but its name.
    pub fn change(&self, what: &str, change: &Change) -> Result<(), Failure> {
        let Change { app, if_match, waiting } = change;
        let call = Call::new(Method::POST, format!("apps/{app}/{what}{}", query(waiting)));
        self.written(self.client.ask(&call.if_match(if_match.as_deref())), None)
    }

    /// Deletes an app.
    pub fn delete(&self, delete: &Delete) -> Result<(), Failure> {
        let Change { app, if_match, waiting } = &delete.change;
        if !delete.yes && !confirmed(app)? {
            return Err(Failure::Failed(format!("{app}: not deleted")));
        }
        let call = Call::new(Method::DELETE, format!("apps/{app}{}", query(waiting)));
        let answer = self.ask(&call.if_match(if_match.as_deref()))?;
        if answer.status != GONE {
            return Err(foreign());
        }
        note(&format!("{app}: deleted"));
        Ok(())
    }

    fn ask(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        self.client.ask(call).map_err(failed)
    }

    /// How an app's secrets are encoded.
    fn encoding(&self, app: &str) -> Result<Encoding, Failure> {
        let answer = self.ask(&Call::new(Method::GET, format!("apps/{app}")))?;
        let profile: Map<String, Value> = read(&answer)?;
        let base64 = profile.get("secret_encoding").and_then(Value::as_str) == Some("base64");
        Ok(if base64 { Encoding::Base64 } else { Encoding::Raw })
    }

    /// Prints what came of a change; a secret that was made for it is printed unless the change is known not to be made.
    fn written(&self, done: Result<Answer, Unanswered>, secret: Option<&Secret>) -> Result<(), Failure> {
        let Some(secret) = secret.filter(|secret| secret.generated) else {
            return self.show(&done.map_err(failed)?);
        };
        match done {
            Ok(answer) => {
                let app = read(&answer);
                self.print_secret(secret, if app.is_ok() { &answer.body } else { b"null" })?;
                let lines = show::lines(&app?, answer.tag.as_deref());
                if !self.json {
                    note(lines.trim_end());
                }
                Ok(())
            }
            Err(Unanswered::Unknown(why)) => {
                self.print_secret(secret, b"null")?;
                let keep = "the new secret is printed all the same, as it may be the app's: keep it, and repeat the command \
                            with it and --secret-stdin, which does no harm";
                Err(Failure::Failed(format!("{why}\nwarning: {keep}")))
            }
            Err(refused) => Err(failed(refused)),
        }
    }

    fn print_secret(&self, secret: &Secret, app: &[u8]) -> Result<(), Failure> {
        let mut line = Zeroizing::new(Vec::with_capacity(128 + app.len()));
        if self.json {
            // A generated secret has no character that JSON would escape.
            let parts = [br#"{"secret":""#.as_slice(), secret.text().as_bytes(), br#"","app":"#, app, b"}"];
            line.extend(parts.into_iter().flatten());
        } else {
            line.extend_from_slice(secret.text().as_bytes());
        }
        line.push(b'\n');
        print(&line, true).map_err(|failure| {
            let (Failure::Failed(why) | Failure::Usage(why)) = failure;
            Failure::Failed(format!("{why}: the new secret, which may be the app's, is lost; rotate to another"))
        })
    }

    fn show(&self, answer: &Answer) -> Result<(), Failure> {
        let lines = show::lines(&read(answer)?, answer.tag.as_deref());
        if self.json {
            print(&[&answer.body, b"\n".as_slice()].concat(), false)
        } else {
            print(lines.as_bytes(), false)
        }
    }
}

fn failed(unanswered: Unanswered) -> Failure {
    let (Unanswered::Refused(text) | Unanswered::Unknown(text)) = unanswered;
    Failure::Failed(text)
}

fn read<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, Failure> {
    serde_json::from_slice(&answer.body).map_err(|_| foreign())
}

fn foreign() -> Failure {
    Failure::Failed("the answer is not of the app profiles API's form; is the address its?".to_owned())
}

/// A body in memory that is wiped, and is never moved as it grows.
fn body(of: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(512 << 10));
    let written = serde_json::to_writer(&mut *bytes, of);
    written.map(|()| bytes).map_err(|error| Failure::Failed(error.to_string()))
}

/// Text as the value of a parameter: an id that somebody else wrote into the database may be anything.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => out.push(char::from(byte)),
            _ => out.extend(["%".to_owned(), format!("{byte:02X}")]),
        }
        out
    })
}

fn query(waiting: &Waiting) -> String {
    waiting.wait.map(|wait| format!("?wait=applied&timeout={}", show_duration(wait))).unwrap_or_default()
}

/// Asks whoever sits at the terminal.
fn confirmed(app: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(format!("nobody is there to be asked; give --yes to delete {app}")));
    }
    let _ = write!(std::io::stderr(), "Delete {app}? All its requests are rejected from then on. [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    Ok(read.is_ok() && ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

/// Writes to standard output. Whoever stops reading has read enough, unless it `matters`.
fn print(bytes: &[u8], matters: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if matters || error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("standard output can't be written to ({error})")))
        }
        _ => Ok(()),
    }
}
