//! How long a connection may keep the gateway waiting for a request.
//!
//! Pingora times each read, so a client that sends a byte now and then holds a connection for ever. Here the whole
//! wait has a deadline: `limits.client_idle` until the first byte of a head, then `limits.head_read_timeout` until its
//! last. The stream under Pingora keeps the deadline; the layers above tell it when a head is awaited
//! ([`Timed::first_byte`]) and when it is complete ([`head_complete`]). HTTP/2 has its own idle time once the client's
//! preface is there, so the deadline ends with that.

mod beginning;
mod ending;
mod passed_on;

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pingora::protocols::http::ServerSession;
use pingora::protocols::tls::{SslDigest, TlsRef};
use pingora::protocols::{ALPN, Ssl, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use self::ending::Ending;
use super::ahead::Ahead;
use super::preface::PREFACE;
use super::times::Times;
use crate::telemetry::ListenerSeries;

/// No deadline.
const NEVER: u64 = u64::MAX;
/// One that begins with the first wait: most heads are whole at once, and the clock need not be asked about them.
const UNSET: u64 = u64::MAX - 1;

/// A stream with a deadline for reading heads.
pub struct Timed {
    inner: Stream,
    times: Times,
    born: Instant,
    /// Nanoseconds after `born`, [`UNSET`] or [`NEVER`]. Only the connection's own task looks: atomic, as Pingora lends its
    /// stream shared.
    deadline: AtomicU64,
    /// A byte of the head has come.
    begun: AtomicBool,
    /// Bytes after which the deadline ends by itself.
    preface: AtomicUsize,
    /// Made at the first wait; wakes when it was set to, which may be before the deadline.
    timer: Option<Pin<Box<Sleep>>>,
    /// What [`Timed::sniff`] read, until it is read again.
    ahead: Ahead,
    /// It found HTTP/2.
    h2c: bool,
    ending: Ending,
}

/// The head on this connection is complete: what follows has limits of its own.
pub fn head_complete(session: &ServerSession) {
    if let Some(timed) = find(session) {
        timed.deadline.store(NEVER, Ordering::Relaxed);
        timed.ending.asked.store(true, Ordering::Relaxed);
    }
}

fn find(session: &ServerSession) -> Option<&Timed> {
    session.stream()?.as_any().downcast_ref()
}

impl Timed {
    /// Puts deadlines on a connection that was just accepted.
    #[must_use]
    pub fn new(inner: Stream, times: Times) -> Self {
        let http2 = matches!(inner.selected_alpn_proto(), Some(ALPN::H2));
        let stream = Self {
            inner,
            times,
            born: Instant::now(),
            deadline: AtomicU64::new(NEVER),
            begun: AtomicBool::new(false),
            preface: AtomicUsize::new(if http2 { PREFACE.len() } else { usize::MAX }),
            timer: None,
            ahead: Ahead::default(),
            h2c: false,
            ending: Ending::default(),
        };
        stream.await_head();
        stream
    }

    /// Counts there how it ends, if no request is whole by then.
    pub fn count_in(&mut self, series: Option<Arc<ListenerSeries>>) {
        self.ending.series = series;
    }

    /// What comes from the client, within the deadline.
    fn poll_next(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            Poll::Ready(result) => {
                let bytes = buf.filled().len() - before;
                self.received(bytes);
                self.ending.gone |= result.is_err() || (bytes == 0 && buf.remaining() > 0);
                Poll::Ready(result)
            }
            Poll::Pending => {
                ready!(self.poll_deadline(cx));
                self.ending.timed_out = true;
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    fn await_head(&self) {
        self.begun.store(false, Ordering::Relaxed);
        self.deadline.store(UNSET, Ordering::Relaxed);
    }

    /// Whether there is a deadline.
    fn is_awaiting(&self) -> bool {
        self.deadline.load(Ordering::Relaxed) != NEVER
    }

    /// The deadline, which begins now if none has begun.
    fn deadline(&self) -> Option<Instant> {
        let at = match self.deadline.load(Ordering::Relaxed) {
            NEVER => return None,
            UNSET => self.begin(),
            at => at,
        };
        Some(self.born + Duration::from_nanos(at))
    }

    fn begin(&self) -> u64 {
        let after = if self.begun.load(Ordering::Relaxed) { self.times.head } else { self.times.idle };
        let at = self.born.elapsed().saturating_add(after);
        let at = u64::try_from(at.as_nanos()).unwrap_or(NEVER);
        self.deadline.store(at, Ordering::Relaxed);
        at
    }

    fn received(&self, bytes: usize) {
        if self.deadline.load(Ordering::Relaxed) == NEVER || bytes == 0 {
            return;
        }
        let preface = self.preface.load(Ordering::Relaxed);
        if preface <= bytes {
            return self.deadline.store(NEVER, Ordering::Relaxed);
        }
        if preface != usize::MAX {
            self.preface.store(preface - bytes, Ordering::Relaxed);
        }
        if !self.begun.swap(true, Ordering::Relaxed) {
            self.deadline.store(UNSET, Ordering::Relaxed);
        }
    }

    /// Ready once the deadline has passed.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline() else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        loop {
            // One that is set too early costs a look when it fires; setting it anew for each request would cost more.
            if timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

impl AsyncRead for Timed {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.ahead.is_empty() {
            this.ahead.fill(buf);
            return Poll::Ready(Ok(()));
        }
        this.poll_next(cx, buf)
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        if self.is_awaiting() {
            self.ending.count(*self.begun.get_mut());
        }
    }
}

impl AsyncWrite for Timed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // Over HTTP/2 the server speaks unasked.
        self.ending.refused |= *self.deadline.get_mut() != NEVER && *self.preface.get_mut() == usize::MAX;
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

impl fmt::Debug for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Ssl for Timed {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.inner.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        // No TLS, no ALPN: but the client has chosen all the same, and Pingora asks here.
        if self.h2c {
            return Some(ALPN::H2);
        }
        self.inner.selected_alpn_proto()
    }
}

#[cfg(test)]
mod tests;
