//! Some files and what holds them in force: one certificate, from look to look.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use super::contents::{Contents, Digest};
use super::expiry::Expiry;
use super::look::{Found, Look};
use super::shown::{Problem, Shown};
use crate::error::StartError;
use crate::telemetry::{CertificateReload, Metrics};

/// A certificate that is about to expire is warned of this often.
const WARN_EVERY: Duration = Duration::from_hours(24);

/// What the contents of files are in force in.
pub trait Holder: Send + Sync {
    /// Of the contents in force.
    fn digest(&self) -> Digest;

    /// When the certificate in force expires, if there is one.
    fn expiry(&self) -> Option<Expiry>;

    /// Puts contents in force, or has that done before long.
    ///
    /// # Errors
    /// They are of no use; nothing changes.
    fn replace(&self, contents: &Contents) -> Result<(), StartError>;
}

/// Files that are of use together only, and their holder.
pub struct Held {
    /// Where the configuration names them.
    pub name: String,
    /// The files.
    pub files: Vec<PathBuf>,
    /// What they are in force in.
    pub holder: Arc<dyn Holder>,
}

/// The same, and what is known from the looks before.
pub(super) struct Watched {
    held: Held,
    look: Look,
    /// Of what was in force at the last look.
    digest: Digest,
    trouble: Option<Trouble>,
    replaced: Option<SystemTime>,
    warned: Option<SystemTime>,
}

struct Trouble {
    problem: Problem,
    told: bool,
}

impl Watched {
    pub(super) fn new(held: Held) -> Self {
        let (look, digest) = (Look::at(held.files.clone()), held.holder.digest());
        Self { held, look, digest, trouble: None, replaced: None, warned: None }
    }

    pub(super) fn name(&self) -> &str {
        &self.held.name
    }

    /// Whether it is these files that are watched here, whatever holds them by now.
    pub(super) fn is(&self, held: &Held) -> bool {
        (&self.held.name, &self.held.files) == (&held.name, &held.files)
    }

    /// Goes on with a holder that may have taken the place of the one before.
    pub(super) fn held_by(&mut self, holder: Arc<dyn Holder>) {
        self.held.holder = holder;
    }

    /// Looks at the files once. `asked`: somebody wants to know now what is wrong with them.
    pub(super) fn look(&mut self, asked: bool, now: SystemTime, metrics: &Metrics) {
        let looked = self.look.look(&self.held.holder.digest(), now).and_then(|found| match found {
            Found::New(contents) => self.held.holder.replace(&contents).map(|()| None),
            Found::Same => Ok(Some(())),
            Found::Unclear => Ok(None),
        });
        match looked {
            Ok(Some(())) => self.recovered(),
            Ok(None) => {}
            Err(error) => self.troubled(error.to_string(), asked, now, metrics),
        }
        let in_force = self.held.holder.digest();
        if in_force != self.digest {
            self.digest = in_force;
            self.came_into_force(now, metrics);
        }
        self.warn_of_expiry(now);
    }

    fn came_into_force(&mut self, now: SystemTime, metrics: &Metrics) {
        (self.trouble, self.warned, self.replaced) = (None, None, Some(now));
        metrics.certificate_reloaded(CertificateReload::Ok);
        let expires = self.held.holder.expiry().and_then(Expiry::date);
        info!(certificate = self.held.name, expires, "certificates: new files are in force");
    }

    fn recovered(&mut self) {
        if self.trouble.take().is_some_and(|trouble| trouble.told) {
            info!(certificate = self.held.name, "certificates: the files are what is in force again");
        }
    }

    /// Tells a problem once, when it lasts for a second look: the files of a pair are rarely written at the same moment.
    fn troubled(&mut self, text: String, asked: bool, now: SystemTime, metrics: &Metrics) {
        let before = self.trouble.take().filter(|before| before.problem.text == text);
        let lasts = before.is_some();
        let mut trouble = before.unwrap_or(Trouble { problem: Problem { at: now, text }, told: false });
        if !trouble.told && (lasts || asked) {
            trouble.told = true;
            metrics.certificate_reloaded(CertificateReload::Invalid);
            let problem = &trouble.problem.text;
            warn!(
                certificate = self.held.name,
                problem, "certificates: the files are refused, what is in force stays so"
            );
        }
        self.trouble = Some(trouble);
    }

    fn warn_of_expiry(&mut self, now: SystemTime) {
        let recently = |at: SystemTime| now.duration_since(at).is_ok_and(|ago| ago < WARN_EVERY);
        if self.warned.is_some_and(recently) {
            return;
        }
        if let Some(warning) = self.held.holder.expiry().and_then(|expiry| expiry.warning(now)) {
            self.warned = Some(now);
            warn!(certificate = self.held.name, "certificates: {warning}");
        }
    }

    pub(super) fn shown(&self) -> Shown {
        Shown {
            name: self.held.name.clone(),
            expiry: self.held.holder.expiry(),
            replaced: self.replaced,
            problem: self.trouble.as_ref().filter(|trouble| trouble.told).map(|trouble| trouble.problem.clone()),
        }
    }
}
