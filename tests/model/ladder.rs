//! Documents that only ever go up: their cut-off date grows with every write. If what is in force goes back, however
//! briefly, a change was applied out of order; and the feed itself tells of every moment at which anything is put in
//! force, so that none escapes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::ArcSwap;
use fastrand::Rng;
use mongodb::bson::{Bson, DateTime, Document, doc};
use rtms_gateway::apps::feed::{Change, Events, ReloadCause};
use rtms_gateway::apps::{Counts, Policy, Snapshot};

use super::operations::{Documents, Write};

const RUNGS: usize = 4;
const FIELD: &str = "tokens_valid_after";

fn app(n: usize) -> String {
    format!("LADDER{n}")
}

/// Whether a document is one of these.
pub(super) fn is_one(document: &Document) -> bool {
    document.get_str("appId").is_ok_and(|app| app.starts_with("LADDER"))
}

/// How high they stand in a snapshot.
pub(super) fn heights(snapshot: &Snapshot) -> [Option<i64>; RUNGS] {
    std::array::from_fn(|n| match &snapshot.get(&app(n))?.policy {
        Policy::Jwt(secrets) => secrets.valid_after(),
        _ => None,
    })
}

/// How high they stand in the model.
pub(super) fn heights_of(documents: &Documents) -> [Option<i64>; RUNGS] {
    std::array::from_fn(|n| documents.get(&Bson::String(app(n)).to_string()).map(height))
}

fn height(document: &Document) -> i64 {
    document.get_datetime(FIELD).expect("a date").timestamp_millis() / 1000
}

/// The next write to one of them.
pub(super) fn climb(documents: &Documents, rng: &mut Rng) -> Write {
    let app = app(rng.usize(..RUNGS));
    let id = Bson::String(app.clone());
    let whole = |height: i64| doc! { "appId": &app, "jwt_secretkey": "s", FIELD: date(height) };
    let Some(there) = documents.get(&id.to_string()) else {
        let mut document = doc! { "_id": id };
        document.extend(whole(start()));
        return Write::Insert(document);
    };
    let height = height(there) + 1;
    if rng.u8(..4) == 0 {
        return Write::Replace(id, whole(height));
    }
    Write::Update(id, doc! { FIELD: date(height) }, Document::new())
}

/// One that is made anew starts above all: it may have been higher before it was lost with its collection.
fn start() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    // A second of time is worth more rungs than anybody climbs in it; and the dates keep four digits of a year.
    (i64::try_from(since.as_secs()).expect("small") - 1_700_000_000) * 1000
}

fn date(height: i64) -> Bson {
    DateTime::from_millis(height * 1000).into()
}

/// Watches them at every publish of one feed.
#[derive(Default)]
pub(super) struct Watch {
    published: OnceLock<Arc<ArcSwap<Snapshot>>>,
    seen: Mutex<BTreeMap<usize, i64>>,
    falls: Mutex<Vec<String>>,
    reloads: Mutex<Vec<ReloadCause>>,
}

impl Watch {
    /// What to look at.
    pub(super) fn look_at(&self, published: Arc<ArcSwap<Snapshot>>) {
        let _ = self.published.set(published);
    }

    /// What went back.
    pub(super) fn falls(&self) -> Vec<String> {
        self.falls.lock().unwrap().clone()
    }

    /// All reloads so far.
    pub(super) fn reloads(&self) -> Vec<ReloadCause> {
        self.reloads.lock().unwrap().clone()
    }
}

impl Events for Watch {
    fn changed(&self, _: Change) {}
    fn reloaded(&self, cause: ReloadCause) {
        self.reloads.lock().unwrap().push(cause);
    }
    fn propagated(&self, _: std::time::Duration) {}
    fn counts(&self, _: Counts) {
        let Some(published) = self.published.get() else { return };
        for (n, height) in heights(&published.load()).into_iter().enumerate() {
            let Some(height) = height else { continue };
            let before = self.seen.lock().unwrap().insert(n, height).unwrap_or_default();
            if height < before {
                self.falls.lock().unwrap().push(format!(
                    "{} fell from {before} to {height}, after reloads {:?}",
                    app(n),
                    self.reloads()
                ));
            }
        }
    }
    fn resumed(&self) {}
    fn unusable(&self, _: &str, _: &str) {}
}
