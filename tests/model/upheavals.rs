//! What happens to the collection as a whole.

use mongodb::Collection;
use mongodb::bson::{Document, doc};

use super::documents;
use super::operations::Documents;
use super::rig::Rig;

/// A collection's fate.
#[derive(Clone, Copy, Debug)]
pub(super) enum Upheaval {
    /// Dropped.
    Drop,
    /// Dropped with everything around it.
    DropDatabase,
    /// Dropped and filled again, as a restore with `--drop` does it.
    Restore,
    /// Emptied and filled again, by bulk writes.
    Bulk,
    /// Renamed away, perhaps missed by writers, and back.
    AwayAndBack,
    /// Another collection takes its name.
    Over,
}

impl Upheaval {
    pub(super) const ALL: [Self; 6] =
        [Self::Drop, Self::DropDatabase, Self::Restore, Self::Bulk, Self::AwayAndBack, Self::Over];
}

impl Rig {
    pub(super) async fn upheaval(&mut self, upheaval: Upheaval) {
        self.note(format!("{upheaval:?}"));
        match upheaval {
            Upheaval::Drop => {
                self.mongo.drop_collection().await;
                self.become_these(Documents::new());
            }
            Upheaval::DropDatabase => {
                self.mongo.client().database(self.mongo.database()).drop().await.expect("a drop");
                self.become_these(Documents::new());
            }
            Upheaval::Restore => {
                self.mongo.drop_collection().await;
                let restored = self.reworked();
                insert(&self.mongo.apps(), &restored).await;
                self.become_these(restored);
            }
            Upheaval::Bulk => {
                self.mongo.apps().delete_many(doc! {}).await.expect("a bulk delete");
                let restored = self.reworked();
                insert(&self.mongo.apps(), &restored).await;
                self.become_these(restored);
            }
            Upheaval::AwayAndBack => self.away_and_back().await,
            Upheaval::Over => {
                let restored = self.reworked();
                insert(&self.elsewhere(), &restored).await;
                self.rename("elsewhere", "apps").await;
                self.become_these(restored);
            }
        }
    }

    async fn away_and_back(&mut self) {
        // The mark is written by upserts: the collection is always there.
        self.rename("apps", "elsewhere").await;
        if self.rng.bool() {
            let missed = doc! { "_id": "written meanwhile", "appId": documents::app(&mut self.rng) };
            self.mongo.insert(missed).await;
        }
        self.rename("elsewhere", "apps").await;
    }

    fn elsewhere(&self) -> Collection<Document> {
        self.mongo.client().database(self.mongo.database()).collection("elsewhere")
    }

    async fn rename(&self, from: &str, to: &str) {
        let name = |collection: &str| format!("{}.{collection}", self.mongo.database());
        let command = doc! { "renameCollection": name(from), "to": name(to), "dropTarget": true };
        self.mongo.admin(command).await;
    }

    /// Most of the documents, some of them changed.
    fn reworked(&mut self) -> Documents {
        let mut kept = self.documents.clone();
        kept.retain(|_, document| super::ladder::is_one(document) || self.rng.u8(..8) > 0);
        for document in kept.values_mut().filter(|d| !super::ladder::is_one(d)) {
            if self.rng.u8(..4) == 0 {
                let mut other = doc! { "_id": document["_id"].clone() };
                other.extend(documents::document(&mut self.rng));
                *document = other;
            }
        }
        kept
    }

    fn become_these(&mut self, documents: Documents) {
        for id in self.documents.keys().chain(documents.keys()).cloned().collect::<Vec<_>>() {
            self.remember(&id, &format!("bulk: now {:?}", documents.get(&id)));
        }
        self.documents = documents;
    }
}

async fn insert(collection: &Collection<Document>, documents: &Documents) {
    if !documents.is_empty() {
        collection.insert_many(documents.values()).await.expect("a bulk insert");
    }
}
