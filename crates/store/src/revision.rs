//! The number of a write. It does not know what was written.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

/// The number of a write: one counter for the whole store, raised by one for every write, deletions included, and never
/// reused. Comparable across collections, as KEP-5504 asks of resource versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(NonZeroU64);

impl Revision {
    /// The revision of a store that has never been written to. The first write gets the one after it, so that even an
    /// empty list has a revision from which to watch.
    pub const FIRST: Revision = Revision(NonZeroU64::MIN);

    /// The revision with this number; none for 0, which Kubernetes gives a meaning of its own ("any").
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0.checked_add(1).expect("2^64 writes take longer than any disk lasts"))
    }

    /// How many writes lie between `older` and this one; 0 if `older` is not older.
    pub(crate) fn since(self, older: Revision) -> u64 {
        self.get().saturating_sub(older.get())
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is not a positive decimal number of at most 64 bits, without sign and leading zeros.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a revision: expected a positive decimal number without sign and leading zeros")]
pub struct ParseRevisionError;

impl FromStr for Revision {
    type Err = ParseRevisionError;

    /// Accepts exactly what `Display` writes, so that equal revisions have equal texts.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        let number = if canonical { text.parse().ok() } else { None };
        number.and_then(Revision::new).ok_or(ParseRevisionError)
    }
}

#[cfg(test)]
mod tests;
