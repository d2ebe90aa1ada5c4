//! How a connection, or a head on it, begins: what is read before Pingora reads.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

use super::{NEVER, Timed, UNSET};
use crate::listener::preface;

/// As many bytes of a head as are read at first: most heads are shorter.
const FIRST: usize = 4096;

impl Timed {
    /// Finds out whether a plain connection speaks HTTP/2, within the deadlines. What was read is read again.
    ///
    /// # Errors
    /// The connection ended before its first byte, or failed, or its deadline passed.
    pub async fn sniff(&mut self) -> io::Result<()> {
        self.h2c = loop {
            if let Some(http2) = preface::is_http2(self.ahead.bytes()) {
                break http2;
            }
            match poll_fn(|cx| self.poll_ahead(cx)).await {
                Ok(()) => {}
                // HTTP/1.1 knows what to make of it.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !self.ahead.is_empty() => break false,
                Err(error) => return Err(error),
            }
        };
        if self.h2c {
            *self.deadline.get_mut() = NEVER;
        }
        Ok(())
    }

    /// Waits for the first byte of a head; what comes with it is read again.
    ///
    /// Most connections idle most of the time. They do so here, where they hold little, and not in Pingora, where each
    /// holds the state of a whole exchange.
    ///
    /// # Errors
    /// The connection ended before it, or failed, or its deadline passed.
    pub async fn first_byte(&mut self) -> io::Result<()> {
        if !self.ahead.is_empty() {
            // The beginning is there. Of the first head its time is running; one that came with the request before it
            // has all of its time.
            if !self.is_awaiting() {
                self.deadline.store(UNSET, Ordering::Relaxed);
                self.begun.store(true, Ordering::Relaxed);
            }
            return Ok(());
        }
        self.await_head();
        poll_fn(|cx| self.poll_ahead(cx)).await
    }

    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [MaybeUninit::uninit(); FIRST];
        let mut buf = ReadBuf::uninit(&mut space);
        ready!(self.poll_next(cx, &mut buf))?;
        if buf.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.ahead.add(buf.filled());
        Poll::Ready(Ok(()))
    }
}
