//! The log's own thread: takes lines from the queue and writes them in batches.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};

use prometheus::IntCounter;

/// A batch is written when it has grown to this.
const BATCH: usize = 256 * 1024;

/// What the thread is sent.
pub(super) enum Message {
    Line(Vec<u8>),
    /// Look at the `reopen` flag even if no request comes.
    Wake,
    /// Answer once everything before this is written.
    Flush(SyncSender<()>),
}

/// Where lines go.
pub(super) trait Sink: Send {
    fn put(&mut self, batch: &[u8]) -> io::Result<()>;
    fn reopen(&mut self) -> io::Result<()>;
}

pub(super) struct Stdout;

impl Sink for Stdout {
    fn put(&mut self, batch: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(batch)?;
        out.flush()
    }

    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) struct LogFile {
    file: File,
    path: PathBuf,
}

impl LogFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: append(path)?, path: path.to_owned() })
    }
}

impl Sink for LogFile {
    fn put(&mut self, batch: &[u8]) -> io::Result<()> {
        self.file.write_all(batch)
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.file = append(&self.path)?;
        Ok(())
    }
}

/// Opens a file for appending. Others can't read it: paths name users.
fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

/// The thread's side.
pub(super) struct Writer {
    sink: Box<dyn Sink>,
    reopen: Arc<AtomicBool>,
    dropped: IntCounter,
    batch: Vec<u8>,
    /// Lines in the batch.
    count: u64,
    /// The last write failed: said once, not for every batch.
    failing: bool,
}

impl Writer {
    pub(super) fn new(sink: Box<dyn Sink>, reopen: Arc<AtomicBool>, dropped: IntCounter) -> Self {
        Self { sink, reopen, dropped, batch: Vec::with_capacity(BATCH), count: 0, failing: false }
    }

    pub(super) fn run(mut self, inbox: &Receiver<Message>) {
        while let Ok(first) = inbox.recv() {
            let mut flushed = Vec::new();
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Line(line) => {
                        self.batch.extend_from_slice(&line);
                        self.count += 1;
                    }
                    Message::Wake => {}
                    Message::Flush(done) => flushed.push(done),
                }
                next = if self.batch.len() < BATCH { inbox.try_recv().ok() } else { None };
            }
            self.put();
            for done in flushed {
                let _ = done.try_send(());
            }
        }
    }

    fn put(&mut self) {
        if self.reopen.swap(false, Ordering::AcqRel)
            && let Err(e) = self.sink.reopen()
        {
            tracing::warn!("the access log could not be reopened, the old file stays in use: {e}");
        }
        if self.batch.is_empty() {
            return;
        }
        match self.sink.put(&self.batch) {
            Ok(()) => self.failing = false,
            Err(e) => {
                self.dropped.inc_by(self.count);
                if !self.failing {
                    tracing::error!("the access log could not be written, its lines are dropped and counted: {e}");
                }
                self.failing = true;
            }
        }
        self.batch.clear();
        self.count = 0;
    }
}
