//! The layout of one record of the log, version 1. Knows nothing of the database around it.
//!
//! All numbers are little-endian:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | layout version, 1 |
//! | 1 | 1 | kind: 1 created, 2 updated, 3 deleted |
//! | 2 | 8 | revision of the value before; 0 if there was none |
//! | 10 | 8 | revision of the key's creation |
//! | 18 | 2 | length of the collection, in bytes |
//! | 20 | 2 | length of the name, in bytes |
//! | 22 | … | collection, name, value (to the end of the record) |
//!
//! The record's own revision is its key in the log.

use bytes::Bytes;

use crate::{Entry, Event, EventKind, Key, Revision};

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 22;

/// A record, borrowed from a page of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) kind: EventKind,
    pub(crate) previous: Option<Revision>,
    pub(crate) created: Revision,
    pub(crate) collection: &'a str,
    pub(crate) name: &'a str,
    pub(crate) value: &'a [u8],
}

impl<'a> Record<'a> {
    pub(crate) fn of(event: &'a Event) -> Self {
        Self {
            kind: event.kind,
            previous: event.previous.as_ref().map(|entry| entry.revision),
            created: event.entry.created,
            collection: event.entry.key.collection(),
            name: event.entry.key.name(),
            value: &event.entry.value,
        }
    }

    pub(crate) fn len(&self) -> usize {
        HEAD_BYTES + self.collection.len() + self.name.len() + self.value.len()
    }

    /// Writes the record into `out`, which has room for exactly [`Record::len`] bytes.
    pub(crate) fn write(&self, out: &mut [u8]) {
        let length = |text: &str| u16::try_from(text.len()).expect("Key::new bounds its parts").to_le_bytes();
        out[0] = VERSION;
        out[1] = kind_code(self.kind);
        out[2..10].copy_from_slice(&self.previous.map_or(0, Revision::get).to_le_bytes());
        out[10..18].copy_from_slice(&self.created.get().to_le_bytes());
        out[18..20].copy_from_slice(&length(self.collection));
        out[20..22].copy_from_slice(&length(self.name));
        let (collection, rest) = out[HEAD_BYTES..].split_at_mut(self.collection.len());
        let (name, value) = rest.split_at_mut(self.name.len());
        collection.copy_from_slice(self.collection.as_bytes());
        name.copy_from_slice(self.name.as_bytes());
        value.copy_from_slice(self.value);
    }

    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let (head, body) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(RecordError::Truncated)?;
        if head[0] != VERSION {
            return Err(RecordError::Version { found: head[0] });
        }
        let (collection, rest) = split(body, [head[18], head[19]])?;
        let (name, value) = split(rest, [head[20], head[21]])?;
        Ok(Self {
            kind: kind_of(head[1])?,
            previous: Revision::new(number(&head[2..10])),
            created: Revision::new(number(&head[10..18])).ok_or(RecordError::NoCreation)?,
            collection,
            name,
            value,
        })
    }

    /// The value as an entry of its own, copied out of the page.
    pub(crate) fn entry(&self, revision: Revision) -> Result<Entry, RecordError> {
        let key = Key::new(self.collection, self.name).or(Err(RecordError::Key))?;
        Ok(Entry { key, created: self.created, revision, value: Bytes::copy_from_slice(self.value) })
    }
}

fn kind_code(kind: EventKind) -> u8 {
    match kind {
        EventKind::Created => 1,
        EventKind::Updated => 2,
        EventKind::Deleted => 3,
    }
}

fn kind_of(code: u8) -> Result<EventKind, RecordError> {
    match code {
        1 => Ok(EventKind::Created),
        2 => Ok(EventKind::Updated),
        3 => Ok(EventKind::Deleted),
        found => Err(RecordError::Kind { found }),
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn split(bytes: &[u8], length: [u8; 2]) -> Result<(&str, &[u8]), RecordError> {
    let (text, rest) = bytes.split_at_checked(usize::from(u16::from_le_bytes(length))).ok_or(RecordError::Truncated)?;
    Ok((std::str::from_utf8(text).or(Err(RecordError::Key))?, rest))
}

/// What is wrong with a record: the file was damaged, or written by a later version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("the record ends early")]
    Truncated,
    #[error("the record has layout version {found}, this program knows {VERSION}")]
    Version { found: u8 },
    #[error("the record has the unknown kind {found}")]
    Kind { found: u8 },
    #[error("the record has no creation revision")]
    NoCreation,
    #[error("the record's key is not valid")]
    Key,
}

#[cfg(test)]
mod tests;
