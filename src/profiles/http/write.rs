//! A change of one app from its reading to its answer: the condition, the attempt, and the wait until it is in force.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::header::{ETAG, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::Api;
use super::answer::{Refused, json};
use super::input::{Caller, condition};
use crate::apps::Document;
use crate::apps::feed::{OpTime, Phase};
use crate::profiles::audit;
use crate::profiles::change::Refusal;
use crate::profiles::edit::Edit;
use crate::profiles::profile::Profile;
use crate::profiles::store::{Attempt, Found, StoreError, Stored};

/// How often a change is worked out again because somebody else was faster.
const ATTEMPTS: usize = 5;
/// How often a wait looks whether the gateway stops.
const LOOK: Duration = Duration::from_millis(200);
/// How long a previous secret that was thrown out would have lasted, for whoever rotated.
pub const THROWN_OUT: HeaderName = HeaderName::from_static("x-rtms-previous-dropped");

/// One call that changes an app.
pub struct Call<'c> {
    /// The API.
    pub api: &'c Arc<Api>,
    /// Who makes it.
    pub caller: &'c Caller,
    /// What it is called in the audit log.
    pub what: &'static str,
    /// The app.
    pub app: &'c str,
    /// The request's headers.
    pub headers: &'c HeaderMap,
    /// For how long to wait until it is in force; `None`: not at all.
    pub patience: Option<Duration>,
}

/// What a change came to.
pub struct Outcome {
    /// The document, now; `None`: it is gone.
    pub stored: Option<Box<Stored>>,
    /// The names of what was written; `None`: all was so already.
    pub written: Option<String>,
    at: Option<OpTime>,
    since: Moment,
}

/// What was in force before a write, and what stood in the store.
#[derive(Clone, Copy)]
struct Moment {
    /// When the last full load began.
    load: Option<std::time::SystemTime>,
    /// The store's time when it was read what the write then changed.
    read: Option<OpTime>,
}

impl Call<'_> {
    /// Works a change out from the document as it stands and writes it, again if somebody else was faster.
    ///
    /// # Errors
    /// There is no such app, or the change can't be made.
    pub async fn change(
        &self,
        mut work_out: impl FnMut(&Stored) -> Result<Option<Edit>, Refusal> + Send,
    ) -> Result<Outcome, Refused> {
        for _ in 0..ATTEMPTS {
            let (stored, since) = self.standing().await?;
            let Some(edit) = work_out(&stored)? else {
                return Ok(Outcome { stored: Some(stored), written: None, at: None, since });
            };
            if let Attempt::Written(written) = self.api.store.update(&stored, &edit).await? {
                let names = edit.names().collect::<Vec<_>>().join(" ");
                return Ok(Outcome { stored: written.stored, written: Some(names), at: written.at, since });
            }
        }
        Err(self.overtaken())
    }

    /// Removes the document.
    ///
    /// # Errors
    /// There is no such app, or it can't be removed.
    pub async fn remove(&self) -> Result<Outcome, Refused> {
        for _ in 0..ATTEMPTS {
            let (stored, since) = self.standing().await?;
            if let Attempt::Written(written) = self.api.store.remove(&stored).await? {
                return Ok(Outcome { stored: None, written: Some(String::new()), at: written.at, since });
            }
        }
        Err(self.overtaken())
    }

    /// Writes a new document; one that stands already and is the same is as good.
    ///
    /// # Errors
    /// There is another one with this appId.
    pub async fn create(&self, edit: &Edit) -> Result<Outcome, Refused> {
        let exists = || Refused::client(StatusCode::CONFLICT, "there is another app with this appId; PATCH changes it");
        for _ in 0..ATTEMPTS {
            let (found, since) = self.found().await?;
            match found {
                Found::One(stored) if stored.is_made_of(edit) => {
                    return Ok(Outcome { stored: Some(stored), written: None, at: None, since });
                }
                Found::One(_) | Found::Several => return Err(exists()),
                Found::Nothing => {}
            }
            match self.api.store.insert(edit).await {
                Ok(written) => {
                    let names = edit.names().collect::<Vec<_>>().join(" ");
                    return Ok(Outcome { stored: written.stored, written: Some(names), at: written.at, since });
                }
                // Somebody else was faster: perhaps with the same document.
                Err(StoreError::Exists) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(exists())
    }

    /// Answers with the app as it is now, once it is in force if that was asked for, and writes the audit line.
    pub async fn answer(&self, done: Result<Outcome, Refused>, status: StatusCode) -> Result<Response, Refused> {
        let entry = audit::Entry { who: &self.caller.name, from: self.caller.address, what: self.what, app: self.app };
        let outcome = match done {
            Ok(outcome) => outcome,
            Err(refused) => {
                entry.refused(refused.status(), refused.text());
                return Err(refused.told());
            }
        };
        let changed = outcome.written.is_some();
        let status = if changed { status } else { StatusCode::OK };
        entry.done(status, changed, outcome.written.as_deref().unwrap_or_default());
        if let Some(patience) = self.patience {
            self.in_force(&outcome, patience).await.map_err(Refused::told)?;
        }
        Ok(self.shown(outcome.stored.as_deref(), status))
    }

    /// The app as it is, or the empty answer where it is gone.
    fn shown(&self, stored: Option<&Stored>, status: StatusCode) -> Response {
        let Some(stored) = stored else {
            let mut gone = Response::new(axum::body::Body::empty());
            *gone.status_mut() = StatusCode::NO_CONTENT;
            return gone;
        };
        let profile = Profile::of(self.app, stored, &self.api.rules, &self.api.published.load());
        with_tag(json(status, &profile), stored)
    }

    /// What there is for the app, and the moment it was read in.
    async fn found(&self) -> Result<(Found, Moment), Refused> {
        let load = self.loaded();
        let (found, read) = self.api.store.find(self.app).await?;
        Ok((found, Moment { load, read }))
    }

    /// The one document there is, in the state that the request asks for.
    async fn standing(&self) -> Result<(Box<Stored>, Moment), Refused> {
        let tags = condition(self.headers)?;
        let (found, since) = self.found().await?;
        let stored = match found {
            Found::One(stored) => stored,
            Found::Nothing => return Err(Refused::unknown()),
            Found::Several => {
                let why = "two documents have this appId; remove one of them in the database";
                return Err(Refused::client(StatusCode::CONFLICT, why));
            }
        };
        if tags.is_some_and(|tags| !tags.contains(&stored.tag)) {
            let why = "the app was changed since; read it again";
            return Err(Refused::client(StatusCode::PRECONDITION_FAILED, why));
        }
        Ok((stored, since))
    }

    fn overtaken(&self) -> Refused {
        let why = format!("others keep changing {}; try again", self.app);
        Refused::client(StatusCode::CONFLICT, why).retry_after(1)
    }

    fn loaded(&self) -> Option<std::time::SystemTime> {
        self.api.feed.last_load().map(|load| load.at)
    }

    /// Waits until this gateway judges by the outcome, or by something newer.
    async fn in_force(&self, outcome: &Outcome, patience: Duration) -> Result<(), Refused> {
        let deadline = Instant::now() + patience;
        let mut progress = self.api.feed.progress();
        loop {
            let through = *progress.borrow_and_update();
            if self.is_in_force(outcome, through) {
                return Ok(());
            }
            let late = |why| Err(Refused::server(StatusCode::GATEWAY_TIMEOUT, why));
            if self.api.feed.phase() == Phase::Stopped {
                return late("stored, but not in force at this gateway, which is stopping");
            }
            // Stopping publishes nothing.
            let _ = timeout_at(deadline.min(Instant::now() + LOOK), progress.changed()).await;
            if Instant::now() >= deadline {
                return late("stored, but not in force at this gateway within the time given; see /status there");
            }
        }
    }

    /// `through`: everything written up to this moment is in force.
    fn is_in_force(&self, outcome: &Outcome, through: OpTime) -> bool {
        if let Some(at) = outcome.at {
            if through >= at {
                return true;
            }
            // That is the time of the answer: on a database that others write to, later than the write's own. Between the
            // reading and the write nobody changed the app, so what is like the outcome and from after the reading is
            // the outcome. Likewise after a full load that began later, which tells no time.
            let since = outcome.since;
            let streamed = since.read.is_some_and(|read| through > read);
            if !streamed && self.loaded() == since.load {
                return false;
            }
        }
        let snapshot = self.api.published.load();
        let here = snapshot.get(self.app).map(|app| app.document());
        match (&here, &outcome.stored) {
            (None, None) => true,
            (Some(here), Some(stored)) => Document::is_same_as(here, &stored.document),
            _ => false,
        }
    }
}

/// Adds the entity tag.
pub fn with_tag(mut response: Response, stored: &Stored) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", stored.tag)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
