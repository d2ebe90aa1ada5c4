//! A sealed stream: AES-256-GCM over segments of 1 MiB, numbered, the last one marked (the STREAM construction of
//! Hoang, Reyhanitabar, Rogaway and Vizár, CRYPTO 2015).
//!
//! The number and the mark are the nonce, under a key that is used for one file alone: a segment that was changed,
//! moved, left out, cut off or added doesn't open. Plain bytes are never held beyond one segment.

use std::io::{self, BufRead, Write};

use ring::aead::{Aad, NONCE_LEN, Nonce};
use zeroize::Zeroizing;

use super::head::Seal;
use super::refusal::Refusal;

/// Plain bytes of every segment but the last.
pub(super) const SEGMENT: usize = 1 << 20;
const TAG: usize = 16;

/// Seals what is put into it.
pub(super) struct Sealer<W> {
    out: W,
    seal: Seal,
    plain: Zeroizing<Vec<u8>>,
    number: u32,
}

impl<W: Write> Sealer<W> {
    pub(super) fn new(out: W, seal: Seal) -> Self {
        Self { out, seal, plain: Zeroizing::new(Vec::with_capacity(SEGMENT)), number: 0 }
    }

    /// Adds bytes.
    pub(super) fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            // Only now it is known that this segment isn't the last.
            if self.plain.len() == SEGMENT {
                self.seal(false)?;
            }
            let room = (SEGMENT - self.plain.len()).min(bytes.len());
            self.plain.extend_from_slice(bytes.split_off(..room).unwrap_or_default());
        }
        Ok(())
    }

    /// Seals the last segment, and gives back what everything was written to.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        Ok(self.out)
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let nonce = nonce(self.number, last);
        let tag = self.seal.key.seal_in_place_separate_tag(nonce, Aad::from(&self.seal.context), &mut self.plain);
        let tag = tag.map_err(|_| io::Error::other("a segment could not be encrypted"))?;
        self.out.write_all(&self.plain)?;
        self.out.write_all(tag.as_ref())?;
        self.plain.clear();
        self.number = self.number.checked_add(1).ok_or_else(|| io::Error::other("too many segments"))?;
        Ok(())
    }
}

/// Opens what a [`Sealer`] sealed.
pub(super) struct Opener<R> {
    from: R,
    seal: Seal,
    buffer: Zeroizing<Vec<u8>>,
    /// Of the segment in the buffer: how far it is taken, and where its plain bytes end.
    taken: usize,
    end: usize,
    number: u32,
    last: bool,
}

impl<R: BufRead> Opener<R> {
    /// Of a file that has `size` bytes: no more room is made than that takes.
    pub(super) fn new(from: R, seal: Seal, size: u64) -> Self {
        let room = usize::try_from(size).unwrap_or(usize::MAX).clamp(TAG, SEGMENT + TAG);
        let buffer = Zeroizing::new(vec![0; room]);
        Self { from, seal, buffer, taken: 0, end: 0, number: 0, last: false }
    }

    /// Takes as many bytes as `out` holds.
    pub(super) fn take(&mut self, mut out: &mut [u8]) -> Result<(), Refusal> {
        while !out.is_empty() {
            if self.taken == self.end {
                self.open()?;
            }
            let plain = self.buffer.get(self.taken..self.end).unwrap_or_default();
            let some = plain.len().min(out.len());
            let (to, from) = (out.split_off_mut(..some), plain.get(..some));
            let (Some(to), Some(from)) = (to, from) else { return Err(Refusal::Damaged) };
            to.copy_from_slice(from);
            self.taken += some;
        }
        Ok(())
    }

    /// Ends: nothing may be left.
    pub(super) fn finish(mut self) -> Result<(), Refusal> {
        if self.number == 0 {
            self.open()?;
        }
        if self.last && self.taken == self.end { Ok(()) } else { Err(Refusal::Damaged) }
    }

    fn open(&mut self) -> Result<(), Refusal> {
        if self.last {
            return Err(Refusal::Damaged);
        }
        let sealed = self.read()?;
        self.last = sealed < self.buffer.len() || self.from.fill_buf()?.is_empty();
        let nonce = nonce(self.number, self.last);
        let segment = self.buffer.get_mut(..sealed).unwrap_or_default();
        let opened = self.seal.key.open_in_place(nonce, Aad::from(&self.seal.context), segment);
        self.end = opened.map_err(|_| Refusal::Damaged)?.len();
        self.taken = 0;
        self.number = self.number.checked_add(1).ok_or(Refusal::Damaged)?;
        Ok(())
    }

    /// Fills the buffer, as far as there is something to read.
    fn read(&mut self) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = self.buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.from.read(rest) {
                Ok(0) => break,
                Ok(some) => filled += some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// Six zeros, whether it is the last segment, a zero, the number.
fn nonce(number: u32, last: bool) -> Nonce {
    const _: () = assert!(NONCE_LEN == 12 && TAG == 16);
    let [a, b, c, d] = number.to_be_bytes();
    Nonce::assume_unique_for_key([0, 0, 0, 0, 0, 0, u8::from(last), 0, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::super::head;
    use super::*;
    use crate::apps::feed::CacheKey;

    fn seal() -> (Seal, Seal) {
        let key = CacheKey::parse(&"ab".repeat(32)).unwrap();
        let (sealing, head) = head::create(&key, "here").unwrap();
        (sealing, head::open(&mut head.as_slice(), &key, "here").unwrap())
    }

    fn sealed(seal: Seal, plain: &[u8]) -> Vec<u8> {
        let mut sealer = Sealer::new(Vec::new(), seal);
        for part in plain.chunks(100_001) {
            sealer.put(part).unwrap();
        }
        sealer.finish().unwrap()
    }

    fn opened(seal: Seal, sealed: &[u8], len: usize) -> Option<Vec<u8>> {
        let mut opener = Opener::new(sealed, seal, sealed.len() as u64);
        let mut plain = vec![0; len];
        opener.take(&mut plain).and_then(|()| opener.finish()).ok()?;
        Some(plain)
    }

    #[test]
    fn every_length_comes_back_as_it_went_in() {
        for len in [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT] {
            let plain: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            let (one, other) = seal();
            let bytes = sealed(one, &plain);
            assert_eq!(bytes.len(), len + len.div_ceil(SEGMENT).max(1) * TAG, "{len}");
            assert!(opened(other, &bytes, len).is_some_and(|p| p == plain), "{len}");
        }
    }

    #[test]
    fn segments_that_are_swapped_left_out_repeated_or_added_do_not_open() {
        let plain = vec![7; 3 * SEGMENT];
        for order in [&[1, 0, 2][..], &[0, 2], &[0, 1], &[0, 0, 1, 2], &[0, 1, 2, 2], &[2], &[0, 1, 1]] {
            let (one, other) = seal();
            let parts: Vec<Vec<u8>> = sealed(one, &plain).chunks(SEGMENT + TAG).map(<[u8]>::to_vec).collect();
            let bytes = order.iter().map(|n| parts[*n].as_slice()).collect::<Vec<_>>().concat();
            assert!(opened(other, &bytes, order.len() * SEGMENT).is_none(), "{order:?}");
        }
    }
}
