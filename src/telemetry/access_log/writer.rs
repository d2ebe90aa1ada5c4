//! The log's own thread: takes lines from the queue and writes them in batches.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use prometheus::IntCounter;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// A batch is written when it has grown to this.
const BATCH: usize = 256 * 1024;

/// Between two batches. Waking a thread costs a request more than its line does: so the thread isn't waited on, but
/// looks by itself. It would take 800 000 lines a second to fill the
/// queue meanwhile.
const GATHER: Duration = Duration::from_millis(10);

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
    /// Writes whole lines.
    fn put(&mut self, batch: &[u8]) -> Result<(), Unwritten>;
    fn reopen(&mut self) -> io::Result<()>;
}

/// A write that ended early.
#[derive(Debug)]
pub(super) struct Unwritten {
    /// Bytes of the batch that were written.
    pub after: usize,
    pub error: io::Error,
}

/// Writes a batch; `torn`: the last line that was written has no end, and gets one first.
fn write_lines(out: &mut impl Write, batch: &[u8], torn: &mut bool) -> Result<(), Unwritten> {
    let mut after = 0;
    let mut write = |bytes: &[u8]| loop {
        match out.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    };
    if *torn {
        write(b"\n").map_err(|error| Unwritten { after, error })?;
        *torn = false;
    }
    while let Some(rest) = batch.get(after..).filter(|rest| !rest.is_empty()) {
        match write(rest) {
            Ok(more) => after += more,
            Err(error) => {
                *torn = after > 0 && batch.get(after - 1) != Some(&b'\n');
                return Err(Unwritten { after, error });
            }
        }
    }
    Ok(())
}

#[derive(Default)]
pub(super) struct Stdout {
    torn: bool,
}

impl Sink for Stdout {
    fn put(&mut self, batch: &[u8]) -> Result<(), Unwritten> {
        let mut out = io::stdout().lock();
        write_lines(&mut out, batch, &mut self.torn)?;
        out.flush().map_err(|error| Unwritten { after: batch.len(), error })
    }

    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) struct LogFile {
    file: File,
    path: PathBuf,
    torn: bool,
}

impl LogFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: append(path)?, path: path.to_owned(), torn: false })
    }
}

impl Sink for LogFile {
    fn put(&mut self, batch: &[u8]) -> Result<(), Unwritten> {
        write_lines(&mut self.file, batch, &mut self.torn)
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.file = append(&self.path)?;
        self.torn = false;
        Ok(())
    }
}

/// Opens a file for appending. Others can't read it: paths name users. A FIFO that nobody reads is an error: opening it
/// would wait for a reader.
fn append(path: &Path) -> io::Result<File> {
    let waits = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().create(true).append(true).mode(0o640).custom_flags(waits).open(path)?;
    // Writing may wait: that is what the thread is for.
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

/// The thread's side.
pub(super) struct Writer {
    sink: Box<dyn Sink>,
    reopen: Arc<AtomicBool>,
    dropped: IntCounter,
    batch: Vec<u8>,
    /// The last write failed: said once, not for every batch.
    failing: bool,
}

impl Writer {
    pub(super) fn new(sink: Box<dyn Sink>, reopen: Arc<AtomicBool>, dropped: IntCounter) -> Self {
        Self { sink, reopen, dropped, batch: Vec::with_capacity(BATCH), failing: false }
    }

    pub(super) fn run(mut self, inbox: &Receiver<Message>) {
        while let Ok(first) = inbox.recv() {
            let mut flushed = Vec::new();
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Line(line) => self.batch.extend_from_slice(&line),
                    Message::Wake => {}
                    Message::Flush(done) => flushed.push(done),
                }
                next = if self.batch.len() < BATCH { inbox.try_recv().ok() } else { None };
            }
            let full = self.batch.len() >= BATCH;
            self.put();
            for done in flushed {
                let _ = done.try_send(());
            }
            if !full {
                thread::park_timeout(GATHER);
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
            Err(Unwritten { after, error: e }) => {
                let lost = self.batch.get(after..).unwrap_or_default().split(|byte| *byte == b'\n').count() - 1;
                self.dropped.inc_by(lost as u64);
                if !self.failing {
                    tracing::error!("the access log could not be written, its lines are dropped and counted: {e}");
                }
                self.failing = true;
            }
        }
        self.batch.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, then has no room until it is given some.
    struct Disk {
        room: usize,
        written: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            self.room -= taken;
            self.written.extend_from_slice(bytes.get(..taken).unwrap());
            if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_torn_by_a_full_disk_is_ended_before_the_next_one() {
        let (mut disk, mut torn) = (Disk { room: 6, written: Vec::new() }, false);
        let unwritten = write_lines(&mut disk, b"one\ntwo\nsix\n", &mut torn).unwrap_err();
        assert_eq!((unwritten.after, torn), (6, true));
        assert!(write_lines(&mut disk, b"ten\n", &mut torn).is_err());
        disk.room = 100;
        write_lines(&mut disk, b"ten\n", &mut torn).unwrap();
        write_lines(&mut disk, b"end\n", &mut torn).unwrap();
        assert_eq!(String::from_utf8_lossy(&disk.written), "one\ntw\nten\nend\n");
    }

    #[test]
    fn a_fifo_that_nobody_reads_is_refused_instead_of_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(append(&path).unwrap_err().raw_os_error(), Some(rustix::io::Errno::NXIO.raw_os_error()));
        let _reader = OpenOptions::new().read(true).custom_flags(0o4000).open(&path).unwrap();
        assert!(append(&path).is_ok());
    }
}
