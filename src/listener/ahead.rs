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

    /// Takes bytes over, when everything before was read again.
    pub(super) fn hold(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.from = 0;
    }

    /// Gives what fits.
    pub(super) fn fill(&mut self, buf: &mut ReadBuf<'_>) {
        let rest = self.bytes.get(self.from..).unwrap_or_default();
        let given = rest.len().min(buf.remaining());
        buf.put_slice(rest.get(..given).unwrap_or_default());
        self.from += given;
        if self.is_empty() && self.bytes.capacity() > KEPT {
            *self = Self::default();
        }
    }
}
