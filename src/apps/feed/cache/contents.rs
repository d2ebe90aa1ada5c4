//! What a cache file holds: every document as it is kept in memory, and where the stream is to be taken up.

use std::io::{self, BufRead, Write};
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use super::refusal::Refusal;
use super::segments::{Opener, Sealer};
use crate::apps::document::Record;
use crate::apps::feed::source::{OpTime, Token};
use crate::apps::{DocId, Held};

/// Far more than the largest document and the longest token take.
const LONGEST: usize = 32 << 20;
/// The most that room is made for before anything is read.
const EXPECTED: usize = 4 << 20;

/// Where the stream is to be taken up, and how old everything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::apps::feed) struct Place {
    /// Everything before it is in the documents, or owed.
    pub(in crate::apps::feed) token: Token,
    /// Events up to this moment may be older than the documents.
    pub(in crate::apps::feed) horizon: OpTime,
    /// The latest moment the documents are known to be as new as.
    pub(in crate::apps::feed) newest: OpTime,
    /// Documents whose state was in doubt.
    pub(in crate::apps::feed) owed: Vec<DocId>,
    /// When the documents were last known to be current.
    pub(in crate::apps::feed) contact: SystemTime,
}

/// What is to be written.
pub(in crate::apps::feed) struct Image {
    /// Where they stand.
    pub(in crate::apps::feed) place: Place,
    /// All documents.
    pub(in crate::apps::feed) documents: Held,
}

/// What was read, and verified to the end.
pub(in crate::apps::feed) struct Cached {
    /// Where they stand.
    pub(in crate::apps::feed) place: Place,
    /// When the file was written.
    pub(in crate::apps::feed) written: SystemTime,
    /// All documents.
    pub(in crate::apps::feed) found: Vec<(DocId, Record)>,
}

/// Puts everything into a sealed stream.
pub(super) fn write<W: Write>(image: &Image, now: SystemTime, out: &mut Sealer<W>) -> io::Result<()> {
    let Image { place, documents } = image;
    out.put(&millis(now).to_le_bytes())?;
    out.put(&millis(place.contact).to_le_bytes())?;
    out.put(&place.horizon.0.to_le_bytes())?;
    out.put(&place.newest.0.to_le_bytes())?;
    put(out, &place.token.0)?;
    out.put(&(place.owed.len() as u64).to_le_bytes())?;
    for id in &place.owed {
        let mut packed = Vec::new();
        id.put(&mut packed);
        put(out, &packed)?;
    }
    out.put(&(documents.len() as u64).to_le_bytes())?;
    for document in documents.iter() {
        put(out, document)?;
    }
    Ok(())
}

/// Takes everything out of a sealed stream; nothing, unless all of it is sound.
pub(super) fn read<R: BufRead>(mut from: Opener<R>) -> Result<Cached, Refusal> {
    let mut scratch = Scratch::default();
    let [written, contact] = [moment(number(&mut from)?)?, moment(number(&mut from)?)?];
    let [horizon, newest] = [OpTime(number(&mut from)?), OpTime(number(&mut from)?)];
    let token = Token(scratch.next(&mut from)?.into());
    let mut owed = Vec::new();
    for _ in 0..number(&mut from)? {
        let mut packed = scratch.next(&mut from)?;
        owed.push(DocId::take(&mut packed).ok_or(Refusal::Damaged)?);
    }
    let count = number(&mut from)?;
    let mut found = Vec::with_capacity(usize::try_from(count).unwrap_or(EXPECTED).min(EXPECTED));
    for _ in 0..count {
        let mut packed = scratch.next(&mut from)?;
        let id = DocId::take(&mut packed).ok_or(Refusal::Damaged)?;
        found.push((id, Record::from_packed(packed)));
    }
    from.finish()?;
    Ok(Cached { place: Place { token, horizon, newest, owed, contact }, written, found })
}

fn put<W: Write>(out: &mut Sealer<W>, bytes: &[u8]) -> io::Result<()> {
    let len = u32::try_from(bytes.len()).map_err(|_| io::Error::other("a document is too large"))?;
    out.put(&len.to_le_bytes())?;
    out.put(bytes)
}

fn number<R: BufRead>(from: &mut Opener<R>) -> Result<u64, Refusal> {
    let mut bytes = [0; 8];
    from.take(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Bytes of any length, one after the other; wiped at the end, and whenever more room is needed.
#[derive(Default)]
struct Scratch(Zeroizing<Vec<u8>>);

impl Scratch {
    fn next<R: BufRead>(&mut self, from: &mut Opener<R>) -> Result<&[u8], Refusal> {
        let mut len = [0; 4];
        from.take(&mut len)?;
        let len = u32::from_le_bytes(len) as usize;
        if len > LONGEST {
            return Err(Refusal::Damaged);
        }
        if self.0.len() < len {
            // Grown in place, it would leave its bytes behind.
            self.0 = Zeroizing::new(vec![0; len.next_power_of_two()]);
        }
        let bytes = self.0.get_mut(..len).unwrap_or_default();
        from.take(bytes)?;
        Ok(bytes)
    }
}

fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn moment(millis: u64) -> Result<SystemTime, Refusal> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis)).ok_or(Refusal::Damaged)
}
