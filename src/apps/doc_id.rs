//! A document's `_id`, and how it is packed.

/// A document's `_id`, opaque; compared byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DocId {
    /// A BSON object id, the common case.
    ObjectId([u8; 12]),
    /// Any other `_id`, as bytes that tell it from all others.
    Other(Box<[u8]>),
}

/// The first byte of a packed object id; of any other, the number of length bytes.
const OBJECT_ID: u8 = 0;
const LENGTH: u8 = 4;

impl DocId {
    /// An `_id` that isn't an object id.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self::Other(bytes.into())
    }

    /// Appends the packed form, which says itself where it ends.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::ObjectId(bytes) => {
                out.push(OBJECT_ID);
                out.extend_from_slice(bytes);
            }
            Self::Other(bytes) => {
                out.push(LENGTH);
                // An `_id` is part of a document of 16 MiB at most.
                out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
                out.extend_from_slice(bytes);
            }
        }
    }

    /// Takes a packed `_id` from the start of `bytes`.
    pub(super) fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (object_id, body) = Self::split(bytes)?;
        Some(if object_id { Self::ObjectId(body.try_into().ok()?) } else { Self::from_bytes(body) })
    }

    /// Passes over a packed `_id`.
    pub(super) fn skip(bytes: &mut &[u8]) -> Option<()> {
        Self::split(bytes).map(drop)
    }

    /// Whether `bytes` start with this `_id`, packed.
    pub(super) fn is_at_start_of(&self, mut bytes: &[u8]) -> bool {
        match (self, Self::split(&mut bytes)) {
            (Self::ObjectId(ours), Some((true, theirs))) => ours == theirs,
            (Self::Other(ours), Some((false, theirs))) => **ours == *theirs,
            _ => false,
        }
    }

    fn split<'b>(bytes: &mut &'b [u8]) -> Option<(bool, &'b [u8])> {
        if *bytes.split_off_first()? == OBJECT_ID {
            return Some((true, bytes.split_off(..12)?));
        }
        let len = u32::from_le_bytes(bytes.split_off(..usize::from(LENGTH))?.try_into().ok()?);
        Some((false, bytes.split_off(..usize::try_from(len).ok()?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_keeps_an_id_apart_from_all_others_and_from_what_follows() {
        let ids =
            [DocId::ObjectId([7; 12]), DocId::from_bytes(&[7; 12]), DocId::from_bytes(b""), DocId::from_bytes(b"x")];
        for id in &ids {
            let mut packed = Vec::new();
            id.put(&mut packed);
            packed.extend_from_slice(b"rest");
            for other in &ids {
                assert_eq!(other.is_at_start_of(&packed), other == id);
            }
            let mut rest = packed.as_slice();
            assert_eq!(DocId::take(&mut rest).as_ref(), Some(id));
            assert_eq!(rest, b"rest");
        }
    }
}
