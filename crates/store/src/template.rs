//! A value whose writer does not know the revision that it will get. Knows nothing of the value's format.

use std::io::Write;

use bytes::Bytes;

use crate::Revision;

/// A finished value is at most this long. Requests to the API server end at 3 MiB; what it adds on its own (managed
/// fields, defaults) stays far below the rest.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The longest decimal text of a revision.
const MAX_REVISION_BYTES: usize = 20;

/// A value with a place at which the committer inserts the decimal digits of the write's revision.
///
/// What is stored, returned and sent to watches is the finished value; nothing encodes it again.
#[derive(Debug, Clone)]
pub struct Template {
    bytes: Bytes,
    offset: usize,
}

impl Template {
    /// A value that reads `bytes[..offset]`, the revision's digits, `bytes[offset..]`.
    ///
    /// # Errors
    /// If `offset` lies behind the end, or the value is longer than 8 MiB. Retrying does not help.
    pub fn new(bytes: impl Into<Bytes>, offset: usize) -> Result<Self, TemplateError> {
        let bytes = bytes.into();
        if offset > bytes.len() {
            return Err(TemplateError::OffsetBehindEnd { offset, bytes: bytes.len() });
        }
        if bytes.len() > MAX_BYTES - MAX_REVISION_BYTES {
            return Err(TemplateError::TooLarge { bytes: bytes.len(), limit: MAX_BYTES - MAX_REVISION_BYTES });
        }
        Ok(Self { bytes, offset })
    }

    /// Length before the revision is inserted.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn finish(&self, revision: Revision) -> Bytes {
        let (before, after) = self.bytes.split_at(self.offset);
        // A copy of the exact size: values live as long as their objects, spare capacity would be kept with them.
        let digits = revision.get().checked_ilog10().unwrap_or(0) as usize + 1;
        let mut value = Vec::with_capacity(self.bytes.len() + digits);
        value.extend_from_slice(before);
        write!(value, "{revision}").expect("a vector takes every write");
        value.extend_from_slice(after);
        value.into()
    }
}

/// Why a template was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The place for the revision is not in the value.
    #[error("the revision's offset {offset} lies behind the end of a value of {bytes} bytes")]
    OffsetBehindEnd {
        /// Where the revision was to go.
        offset: usize,
        /// The value's length.
        bytes: usize,
    },
    /// The value is too long.
    #[error("a value of {bytes} bytes is longer than {limit}")]
    TooLarge {
        /// The value's length.
        bytes: usize,
        /// The longest accepted length.
        limit: usize,
    },
}

#[cfg(test)]
mod tests;
