//! The name of a value. The store gives its parts no meaning beyond equality and order.

use std::fmt;
use std::sync::Arc;

/// A part of a key is at most this long, in bytes. Kubernetes' longest (a CRD's `<group>/<plural>`) stay below 520.
const MAX_PART_BYTES: usize = 1024;

/// A name within a collection. Clones share the text.
///
/// The collection is opaque, such as `core/configmaps`; within it, values are ordered by the bytes of their names, such
/// as `default/app` or `node-1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    collection: Arc<str>,
    name: Arc<str>,
}

impl Key {
    /// The key of `name` in `collection`.
    ///
    /// # Errors
    /// If a part is empty or longer than 1,024 bytes. Retrying does not help.
    pub fn new(collection: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Result<Self, KeyError> {
        let key = Key { collection: collection.into(), name: name.into() };
        check_part("collection", &key.collection)?;
        check_part("name", &key.name)?;
        Ok(key)
    }

    /// The collection that the name is in.
    pub fn collection(&self) -> &str {
        &self.collection
    }

    /// The name within the collection.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn shared_collection(&self) -> &Arc<str> {
        &self.collection
    }

    pub(crate) fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    /// The same key with another allocation of its collection's text, so that all entries of a collection share one.
    pub(crate) fn with_collection(self, collection: Arc<str>) -> Self {
        debug_assert_eq!(self.collection, collection);
        Key { collection, name: self.name }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.name)
    }
}

fn check_part(part: &'static str, text: &str) -> Result<(), KeyError> {
    match text.len() {
        0 => Err(KeyError::Empty { part }),
        bytes if bytes > MAX_PART_BYTES => Err(KeyError::TooLong { part, bytes, limit: MAX_PART_BYTES }),
        _ => Ok(()),
    }
}

/// Why a key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A part has no characters.
    #[error("the {part} of a key is empty")]
    Empty {
        /// `collection` or `name`.
        part: &'static str,
    },
    /// A part is longer than the limit.
    #[error("the {part} of a key has {bytes} bytes, more than {limit}")]
    TooLong {
        /// `collection` or `name`.
        part: &'static str,
        /// Its length.
        bytes: usize,
        /// The longest accepted length.
        limit: usize,
    },
}

#[cfg(test)]
mod tests;
