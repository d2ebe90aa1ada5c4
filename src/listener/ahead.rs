//! Bytes that were read before their reader asked.

use tokio::io::ReadBuf;

/// Room for so many bytes is kept for the next ones: most heads fit, and an idle connection holds little.
const KEPT: usize = 1024;

/// What was read early, until it is read again.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    bytes: Vec<u8>,
    from: usize,
}

impl Ahead {
    pub(super) fn is_empty(&self) -> bool {
        self.from == self.bytes.len()
    }

    /// What is still to be read again.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.from..).unwrap_or_default()
    }

    /// Takes bytes over that came after those it has.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        if self.is_empty() {
            self.bytes.clear();
            self.from = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Gives what fits.
    pub(super) fn fill(&mut self, buf: &mut ReadBuf<'_>) {
        let rest = self.bytes();
        let given = rest.len().min(buf.remaining());
        buf.put_slice(rest.get(..given).unwrap_or_default());
        self.from += given;
        if self.is_empty() && self.bytes.capacity() > KEPT {
            *self = Self::default();
        }
    }
}
