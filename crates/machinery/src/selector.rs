//! Selectors: which objects a list, a watch or a controller is about.
//!
//! [`LabelSelector`] matches labels, from query syntax or from a `LabelSelector` object. [`FieldSelector`] names fields whose
//! values the caller looks up; which fields a kind supports is the caller's knowledge. Both print as something that parses to the
//! same selector.

mod field;
mod label;
mod query;

use thiserror::Error;

pub use field::{Comparison, FieldSelector, FieldTerm};
pub use label::LabelSelector;

/// A selector in a query cannot be understood.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SelectorError {
    /// The syntax is wrong.
    #[error("unable to parse requirement: found '{found}', expected: {expected}")]
    Syntax {
        /// The token that does not belong there; empty at the end.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A key or a value can be none of a label.
    #[error("unable to parse requirement: {0}")]
    Label(String),
    /// A term of a field selector has no operator.
    #[error("invalid selector: '{selector}'; can't understand '{term}'")]
    Field {
        /// The whole selector.
        selector: String,
        /// The term.
        term: String,
    },
    /// A backslash before something else than a backslash, a comma or an equals sign.
    #[error("invalid field selector: invalid escape sequence: {0}")]
    Escape(String),
    /// An equals sign in a value without a backslash.
    #[error("invalid field selector: unescaped character in value: {0}")]
    Unescaped(char),
}

#[cfg(test)]
mod tests;
