//! An apps file: the API reads what is in force, and writes nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;

use super::{Attempt, Found, Listed, Store, StoreError, Stored, Written};
use crate::apps::Snapshot;
use crate::apps::feed::OpTime;
use crate::profiles::edit::Edit;

/// The apps of a file, as they are in force.
pub struct FileStore {
    published: Arc<ArcSwap<Snapshot>>,
    path: PathBuf,
}

impl FileStore {
    /// The apps that `published` came to have from this file.
    #[must_use]
    pub const fn new(published: Arc<ArcSwap<Snapshot>>, path: PathBuf) -> Self {
        Self { published, path }
    }

    fn refuse<T>(&self) -> Result<T, StoreError> {
        Err(StoreError::ReadOnly(self.read_only().unwrap_or_default()))
    }
}

#[async_trait]
impl Store for FileStore {
    async fn find(&self, app_id: &str) -> Result<(Found, Option<OpTime>), StoreError> {
        let snapshot = self.published.load();
        Ok((snapshot.get(app_id).map_or(Found::Nothing, |app| Found::One(Box::new(Stored::in_force(app)))), None))
    }

    async fn page(&self, after: &str, limit: usize) -> Result<(Vec<Listed>, bool), StoreError> {
        let snapshot = self.published.load();
        let mut first: BTreeSet<&str> = BTreeSet::new();
        let mut more = false;
        for id in snapshot.apps().filter_map(|app| app.id()).filter(|id| *id > after) {
            first.insert(id);
            if first.len() > limit {
                first.pop_last();
                more = true;
            }
        }
        let listed = first.into_iter().filter_map(|id| {
            let stored = Box::new(Stored::in_force(snapshot.get(id)?));
            Some(Listed { app_id: id.to_owned(), found: Found::One(stored) })
        });
        Ok((listed.collect(), more))
    }

    async fn insert(&self, _: &Edit) -> Result<Written, StoreError> {
        self.refuse()
    }

    async fn update(&self, _: &Stored, _: &Edit) -> Result<Attempt, StoreError> {
        self.refuse()
    }

    async fn remove(&self, _: &Stored) -> Result<Attempt, StoreError> {
        self.refuse()
    }

    fn read_only(&self) -> Option<String> {
        Some(format!("the apps come from the file {}; change it there", self.path.display()))
    }

    async fn attend(&self) {}
}
