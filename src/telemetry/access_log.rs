//! The access log: one line a request, written by a thread of its own.
//!
//! A request never waits for the log: where the output doesn't keep up, lines are dropped and counted. The thread
//! writes what has piled up in one go, so the cost of a system call is shared under load.

mod writer;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use prometheus::IntCounter;

use self::writer::{LogFile, Message, Sink, Stdout, Writer};
pub use super::entry::Entry;
use super::line::Form;
use crate::config::settings;

/// Lines that may wait: about 4 MiB of ordinary ones, a third of a second at 25 000 requests a second.
const WAITING: usize = 8192;
/// How long a dropped log waits for its last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The access log; shared by all workers.
pub struct AccessLog {
    lines: SyncSender<Message>,
    reopen: Arc<AtomicBool>,
    form: Form,
    sample: Sample,
    dropped: IntCounter,
}

/// Which requests are logged: a share of them.
#[derive(Clone, Copy)]
struct Sample {
    forwarded: f64,
    rejected: f64,
}

impl AccessLog {
    /// Opens the log and starts its thread. Call it after the process forked, if it does. `dropped` counts lines
    /// that were given up.
    ///
    /// # Errors
    /// The file can't be opened for appending, or no thread can be started.
    pub fn open(settings: &settings::AccessLog, dropped: IntCounter) -> io::Result<Self> {
        let sink: Box<dyn Sink> = match &settings.path {
            None => Box::new(Stdout::default()),
            Some(path) => Box::new(LogFile::open(path)?),
        };
        let sample = Sample { forwarded: settings.sample, rejected: settings.sample_rejections };
        let form = Form { format: settings.format.clone(), user: settings.user.clone() };
        Self::start(sink, (form, sample), WAITING, dropped)
    }

    fn start(
        sink: Box<dyn Sink>,
        (form, sample): (Form, Sample),
        waiting: usize,
        dropped: IntCounter,
    ) -> io::Result<Self> {
        let (lines, inbox) = sync_channel(waiting);
        let reopen = Arc::new(AtomicBool::new(false));
        let writer = Writer::new(sink, Arc::clone(&reopen), dropped.clone());
        thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run(&inbox))?;
        Ok(Self { lines, reopen, form, sample, dropped })
    }

    /// Whether there can be any request in the sample.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.sample.forwarded > 0.0 || self.sample.rejected > 0.0
    }

    /// Whether a request is in the sample; `rejected`: it was not forwarded, or not answered by its upstream.
    #[must_use]
    pub fn picks(&self, rejected: bool) -> bool {
        let share = if rejected { self.sample.rejected } else { self.sample.forwarded };
        share >= 1.0 || fastrand::f64() < share
    }

    /// Logs a request. Never blocks.
    pub fn write(&self, entry: &Entry<'_>) {
        if self.lines.try_send(Message::Line(self.form.line(entry))).is_err() {
            self.dropped.inc();
        }
    }

    /// Closes the file and opens its path anew, for log rotation. Standard output is left as it is.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
        // Full: the thread is busy and will look at the flag by itself.
        let _ = self.lines.try_send(Message::Wake);
    }

    /// Waits until everything logged so far is written, at most for `within`; `false`: that wasn't enough.
    #[allow(clippy::must_use_candidate, reason = "at the end there may be nothing left to do about it")]
    pub fn flush(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        let (done, answer) = sync_channel(1);
        let mut message = Message::Flush(done);
        loop {
            match self.lines.try_send(message) {
                Ok(()) => return answer.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok(),
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(_)) if Instant::now() >= until => return false,
                Err(TrySendError::Full(same)) => message = same,
            }
            let _ = answer.recv_timeout(Duration::from_millis(2));
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.flush(LAST_LINES);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender};

    use super::super::line::tests::entry;
    use super::writer::Unwritten;
    use super::*;
    use crate::telemetry::{Format, ShownUser};

    const ALL: Sample = Sample { forwarded: 1.0, rejected: 1.0 };

    fn json() -> Form {
        Form { format: Format::Json, user: ShownUser::Off }
    }

    const SOON: Duration = Duration::from_secs(20);

    fn counter() -> IntCounter {
        IntCounter::new("dropped", "dropped").unwrap()
    }

    fn at(path: &Path, sample: f64) -> settings::AccessLog {
        let (format, user) = (Format::Json, ShownUser::Off);
        settings::AccessLog { format, path: Some(path.to_owned()), sample, sample_rejections: 1.0, user }
    }

    fn lines(path: &Path) -> usize {
        fs::read_to_string(path).unwrap().lines().count()
    }

    /// Says when it is entered, then waits to be let through.
    struct Gate {
        entered: Sender<()>,
        pass: Receiver<io::Result<()>>,
        seen: Arc<Mutex<Vec<u8>>>,
    }

    impl Sink for Gate {
        fn put(&mut self, batch: &[u8]) -> Result<(), Unwritten> {
            self.entered.send(()).unwrap();
            let verdict = self.pass.recv().unwrap();
            self.seen.lock().unwrap().extend_from_slice(batch);
            verdict.map_err(|error| Unwritten { after: 0, error })
        }

        fn reopen(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_arrive_in_order_and_are_appended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        fs::write(&path, "before\n").unwrap();
        let log = AccessLog::open(&at(&path, 1.0), counter()).unwrap();
        for status in [200, 401, 502] {
            log.write(&Entry { status, ..entry() });
        }
        assert!(log.flush(SOON));
        let text = fs::read_to_string(&path).unwrap();
        let statuses: Vec<_> = text.lines().filter_map(|l| l.split("\"status\":").nth(1)?.get(..3)).collect();
        assert!(text.starts_with("before\n"));
        assert_eq!(statuses, ["200", "401", "502"]);
    }

    #[test]
    fn what_the_output_cannot_take_is_dropped_and_counted() {
        let ((entered, is_in), (pass_on, pass)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let dropped = counter();
        let gate = Gate { entered, pass, seen: Arc::clone(&seen) };
        let log = AccessLog::start(Box::new(gate), (json(), ALL), 4, dropped.clone()).unwrap();
        log.write(&entry());
        is_in.recv().unwrap();
        for _ in 0..7 {
            log.write(&entry());
        }
        assert_eq!(dropped.get(), 3);
        assert!(!log.flush(Duration::ZERO));
        // The first batch passes; the second one, of the four that waited, fails.
        pass_on.send(Ok(())).unwrap();
        is_in.recv().unwrap();
        pass_on.send(Err(io::Error::other("disk full"))).unwrap();
        assert!(log.flush(SOON));
        assert_eq!(dropped.get(), 7);
        assert_eq!(String::from_utf8_lossy(&seen.lock().unwrap()).lines().count(), 5);
    }

    #[test]
    fn reopening_follows_a_rotation_without_losing_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let (path, old) = (dir.path().join("access.log"), dir.path().join("access.log.1"));
        let log = AccessLog::open(&at(&path, 1.0), counter()).unwrap();
        log.write(&entry());
        assert!(log.flush(SOON));
        fs::rename(&path, &old).unwrap();
        log.write(&entry());
        assert!(log.flush(SOON));
        log.reopen();
        assert!(log.flush(SOON));
        assert_eq!((lines(&old), lines(&path)), (2, 0), "the new file is there before the next request");
        log.write(&entry());
        assert!(log.flush(SOON));
        assert_eq!((lines(&old), lines(&path)), (2, 1));
    }

    #[test]
    fn a_file_that_cannot_be_reopened_leaves_the_old_one_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("logs");
        fs::create_dir(&sub).unwrap();
        let path = sub.join("access.log");
        let log = AccessLog::open(&at(&path, 1.0), counter()).unwrap();
        let moved = dir.path().join("moved");
        fs::rename(&sub, &moved).unwrap();
        log.reopen();
        log.write(&entry());
        assert!(log.flush(SOON));
        assert_eq!(lines(&moved.join("access.log")), 1);
        assert!(AccessLog::open(&at(&path, 1.0), counter()).is_err());
    }

    #[test]
    fn the_sample_is_a_share_of_requests_and_rejections_have_one_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let of = |sample: f64| AccessLog::open(&at(&dir.path().join("log"), sample), counter()).unwrap();
        let picked = |log: &AccessLog, rejected: bool| (0..2000).filter(|_| log.picks(rejected)).count();
        assert_eq!((picked(&of(0.0), false), picked(&of(1.0), false), picked(&of(0.0), true)), (0, 2000, 2000));
        // Six standard deviations either way.
        let half = picked(&of(0.5), false);
        assert!((866..=1134).contains(&half), "{half}");
    }
}
