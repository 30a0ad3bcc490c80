//! What is wrong with a message, field by field.

use std::fmt::{self, Display};

/// One field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field as it is written in JSON, such as `rules[3].match[http.path]`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl Violation {
    pub(crate) fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }

    /// The same violation seen from the message that holds the one it was found in.
    pub(crate) fn inside(mut self, outer: &str) -> Self {
        let joint = if self.field.starts_with('[') { "" } else { "." };
        self.field = format!("{outer}{joint}{}", self.field);
        self
    }
}

impl Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

/// A snapshot or rule that cannot be put in force. Sending it again does not help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The first ones found, at least one, at most [`Invalid::REPORTED`].
    pub violations: Vec<Violation>,
}

impl Invalid {
    /// How many violations are reported at most; the rest would only bury the first.
    pub const REPORTED: usize = 16;
}

impl From<Violation> for Invalid {
    fn from(violation: Violation) -> Self {
        Self { violations: vec![violation] }
    }
}

impl Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.violations.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            violation.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}
