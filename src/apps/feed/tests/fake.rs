//! A store in memory: documents, a log of changes, and faults on demand.

use std::collections::{BTreeMap, VecDeque};

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};

use super::super::source::{Signal, Source};
use super::*;

/// A fault of one exchange.
pub(super) enum Fault {
    Fail(FailureKind),
    Hang,
}

#[derive(Default)]
struct Store {
    documents: BTreeMap<u8, String>,
    /// Every change with its time; a token is the number of changes before it.
    log: Vec<(u64, u8)>,
    faults: VecDeque<Fault>,
    calls: Vec<&'static str>,
    /// Streams from before this one are cut.
    generation: usize,
    silent: bool,
    not_before: Option<OpTime>,
}

/// The store and the bell that rings when it changes.
pub(super) struct Fake {
    store: Mutex<Store>,
    bell: watch::Sender<()>,
}

impl Fake {
    pub(super) fn new(apps: &[(u8, &str)]) -> Arc<Self> {
        let store =
            Store { documents: apps.iter().map(|(n, short)| (*n, (*short).to_owned())).collect(), ..Store::default() };
        Arc::new(Self { store: Mutex::new(store), bell: watch::channel(()).0 })
    }

    pub(super) fn put(&self, n: u8, short: &str) {
        let mut store = self.store.lock().unwrap();
        store.documents.insert(n, short.to_owned());
        let at = store.log.len() as u64 + 1;
        store.log.push((at, n));
        drop(store);
        self.bell.send_replace(());
    }

    /// Cuts every stream, and lets the next exchanges fail.
    pub(super) fn cut(&self, faults: Vec<Fault>) {
        let mut store = self.store.lock().unwrap();
        store.generation += 1;
        store.faults.extend(faults);
        drop(store);
        self.bell.send_replace(());
    }

    /// From now on streams stay open and say nothing, not even that there is nothing.
    pub(super) fn fall_silent(&self, silent: bool) {
        self.store.lock().unwrap().silent = silent;
    }

    pub(super) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.store.lock().unwrap().calls)
    }

    async fn call(&self, name: &'static str) -> Result<(), Failure> {
        let fault = {
            let mut store = self.store.lock().unwrap();
            store.calls.push(name);
            store.faults.pop_front()
        };
        match fault {
            None => Ok(()),
            Some(Fault::Fail(kind)) => Err(failure(kind)),
            Some(Fault::Hang) => std::future::pending().await,
        }
    }

    fn all(&self) -> Documents {
        let store = self.store.lock().unwrap();
        let apps: Vec<(u8, &str)> = store.documents.iter().map(|(n, short)| (*n, short.as_str())).collect();
        documents(&apps, store.log.len() as u64)
    }

    fn batch(&self, from: &mut usize) -> Batch {
        let store = self.store.lock().unwrap();
        let changes = store.log.iter().skip(*from);
        let events = changes.map(|(at, n)| insert(*at, *n, store.documents.get(n).unwrap())).collect();
        *from = store.log.len();
        Batch { events, token: Some(Token(Arc::new(from.to_le_bytes()))), resumed: false }
    }
}

#[async_trait]
impl Source for Fake {
    async fn position(&self) -> Result<Token, Failure> {
        self.call("position").await?;
        let at = self.store.lock().unwrap().log.len();
        Ok(Token(Arc::new(at.to_le_bytes())))
    }

    async fn load(&self) -> Result<Documents, Failure> {
        self.call("load").await?;
        Ok(self.all())
    }

    async fn compare(&self, _: OpTime) -> Result<Documents, Failure> {
        self.call("compare").await?;
        Ok(self.all())
    }

    async fn read(&self, _: Vec<DocId>) -> Result<Documents, Failure> {
        self.call("read").await?;
        Ok(self.all())
    }

    fn not_before(&self, at: OpTime) {
        self.store.lock().unwrap().not_before = Some(at);
    }

    async fn follow(&self, after: Token, sink: mpsc::Sender<Signal>) -> Failure {
        if let Err(failure) = self.call("follow").await {
            return failure;
        }
        let mut bell = self.bell.subscribe();
        let generation = self.store.lock().unwrap().generation;
        let mut from = usize::from_le_bytes(after.0.as_ref().try_into().unwrap());
        let _ = sink.send(Signal::Opened(None)).await;
        loop {
            let (now, silent) = {
                let store = self.store.lock().unwrap();
                (store.generation, store.silent)
            };
            if now != generation {
                return failure(FailureKind::Transient);
            }
            if !silent && sink.send(Signal::Batch(self.batch(&mut from))).await.is_err() {
                return failure(FailureKind::Transient);
            }
            let _ = tokio::time::timeout(Duration::from_secs(1), bell.changed()).await;
        }
    }

    async fn close(&self) {
        self.store.lock().unwrap().calls.push("close");
    }

    fn server(&self) -> Option<String> {
        Some("fake".to_owned())
    }
}
