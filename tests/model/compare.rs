//! The comparison at a quiet point: the verdict for every app, with every key, of every age.

use std::fmt::Write as _;

use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};

use super::documents;
use super::rig::Rig;
use super::verdict::View;

/// Requests to the gateway itself at each quiet point.
const SAMPLE: usize = 16;

impl Rig {
    /// Fails the test where a gateway's verdict isn't the model's.
    pub(super) async fn compare(&mut self) {
        let views: Vec<(String, View)> =
            documents::apps().map(|app| (app.clone(), View::of(&app, self.documents.values()))).collect();
        let view = |app: &str| views.iter().find(|(id, _)| id == app).map(|(_, view)| view).expect("an app of ours");
        let snapshot = self.feed.published.load_full();
        for probe in &self.probes {
            let expected = probe.expected(view(&probe.app));
            let found = self.court.verdict(&snapshot, &probe.app, &probe.token);
            if found != expected {
                self.mismatch("the feed", &probe.app, view(&probe.app), (expected, found)).await;
            }
        }
        for _ in 0..SAMPLE {
            let probe = &self.probes[self.rng.usize(..self.probes.len())];
            let expected = probe.expected(view(&probe.app));
            let good = matches!(expected, "good" | "open");
            let wanted = if good { (200, "0".to_owned()) } else { (401, "38".to_owned()) };
            let found = self.gateway.verdict(&probe.app, &probe.token).await;
            if found != wanted {
                let found = format!("{found:?}");
                self.mismatch("the gateway", &probe.app, view(&probe.app), (expected, &found)).await;
            }
        }
    }

    async fn mismatch(&self, who: &str, app: &str, view: &View, (expected, found): (&str, &str)) -> ! {
        let mut text = format!("seed {}: {who} judges {app} {found}, the model says {expected}\n", self.seed);
        let _ = writeln!(text, "the model's view: {view:?}");
        let in_force = self.feed.published.load().get(app).map(|app| format!("{:?}: {:?}", app.policy, app.document()));
        let _ = writeln!(text, "the feed's: {in_force:?}");
        let claims = |document: &Document| document.get_str("appId").is_ok_and(|id| id == app);
        let model: Vec<&Document> = self.documents.values().filter(|d| claims(d)).collect();
        let _ = writeln!(text, "the model's documents: {model:#?}");
        let cursor = self.mongo.apps().find(doc! { "appId": app }).await.expect("a find");
        let database: Vec<Document> = cursor.try_collect().await.expect("documents");
        let _ = writeln!(text, "the database's documents: {database:#?}");
        for document in model.iter().copied().chain(&database) {
            let _ = writeln!(text, "{:#?}", self.history.get(&document["_id"].to_string()));
        }
        let _ = writeln!(text, "recently: {:#?}\nreloads: {:?}", self.recent, self.watch.reloads());
        let _ = writeln!(text, "the gateway's status: {:#}", self.gateway.status().await);
        panic!("{text}");
    }
}
