//! The cache file, read and written on threads that may wait for a disk.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{Slots, Task, finished};
use crate::apps::feed::cache::CacheFile;
use crate::apps::feed::supervisor::{Command, Input, Supervisor};

/// The longest that stopping waits for the file.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// The file, if there is one, and what is under way with it: that outlives every [`Command::Close`].
#[derive(Default)]
pub(super) struct CacheSlot {
    file: Option<Arc<CacheFile>>,
    pub(super) work: Option<Task<Input>>,
}

impl CacheSlot {
    pub(super) fn new(file: Option<CacheFile>) -> Self {
        Self { file: file.map(Arc::new), work: None }
    }

    fn read(&mut self) {
        let Some(file) = self.file.clone() else { return };
        self.work = Some(Task::spawn(async move {
            let read = spawn_blocking(move || file.read(SystemTime::now())).await;
            Input::CacheRead(read.unwrap_or_else(|_| Err(std::io::Error::other("reading it panicked").into())))
        }));
    }

    fn write(&mut self, supervisor: &Supervisor) {
        let image = supervisor.image();
        let (Some(file), Some(image)) = (self.file.clone(), image) else {
            self.work =
                Some(Task::spawn(async { Input::CacheWritten(Err("there was nothing whole to write".into())) }));
            return;
        };
        self.work = Some(Task::spawn(async move {
            let now = SystemTime::now();
            let written = spawn_blocking(move || file.write(&image, now).map_err(|error| error.to_string())).await;
            let written = written.unwrap_or_else(|_| Err("writing it panicked".to_owned()));
            Input::CacheWritten(written.map(|()| now))
        }));
    }
}

impl Slots {
    /// Carries out a command that concerns the cache.
    pub(super) fn execute_cache(&mut self, command: &Command, supervisor: &Supervisor) {
        match command {
            Command::ReadCache => self.cache.read(),
            Command::WriteCache => self.cache.write(supervisor),
            _ => {}
        }
    }

    /// Lets a write under way end, and writes what it doesn't hold; bounded in time.
    pub(super) async fn last_write(&mut self, supervisor: &mut Supervisor) {
        let written = timeout(LAST_WRITE, async {
            if supervisor.writes_cache() {
                supervisor.handle(finished(&mut self.cache.work).await);
            }
            if supervisor.last_write() {
                self.cache.write(supervisor);
                supervisor.handle(finished(&mut self.cache.work).await);
            }
        });
        if written.await.is_err() {
            tracing::warn!("apps: the cache file was not written in time; the one before stays");
        }
    }
}
