//! The three kinds of patch that a Kubernetes API takes: JSON Patch, JSON Merge Patch, strategic merge patch.
//!
//! Pure: a patch is parsed once and applied as often as a race needs. Results are bounded in depth and size, since a patch
//! may copy what it finds. Server-side apply is not here. Custom resources have no strategic merge patch (415); refusing it
//! is the caller's business. Start at [`JsonPatch`], [`merge`] and [`strategic()`].

mod json;
mod strategic;

use serde_json::Value;
use thiserror::Error;

use crate::decode::MAX_DEPTH;
pub use json::{JsonPatch, MAX_COPIED_BYTES, MAX_OPERATIONS};
pub use strategic::strategic;

/// Why a patch cannot be applied. Only [`PatchError::Operation`] may succeed against another state of the object.
#[derive(Debug, Error)]
pub enum PatchError {
    /// Not a list of RFC 6902 operations.
    #[error("not a list of JSON patch operations")]
    Malformed(#[source] serde_json::Error),
    /// More than [`MAX_OPERATIONS`] (413 in Kubernetes).
    #[error("the allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {count}")]
    TooManyOperations {
        /// How many there are.
        count: usize,
    },
    /// An operation does not apply to this object: a path is not there, or a test failed.
    #[error("operation {index} of the JSON patch does not apply")]
    Operation {
        /// Position in the patch, from zero.
        index: usize,
        /// What went wrong at which path.
        #[source]
        source: Box<json_patch::PatchError>,
    },
    /// The operations copy more than [`MAX_COPIED_BYTES`] (413 in Kubernetes).
    #[error("the JSON patch copies more than {MAX_COPIED_BYTES} bytes")]
    CopiesTooMuch,
    /// The result would be nested deeper than any body may be.
    #[error("the patched object would be nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// A strategic merge patch, or what it applies to, is not an object.
    #[error("a strategic merge patch and its target must be objects")]
    NotAnObject,
    /// The patch merges into a field that the schema does not know.
    #[error("unable to find api field \"{path}\"")]
    UnknownField {
        /// Where.
        path: String,
    },
    /// `$patch` says something else than `replace`, `delete` or, in an object, `merge`.
    #[error("{path}: unknown patch type {directive}")]
    UnknownDirective {
        /// The object with the directive.
        path: String,
        /// What it says.
        directive: Value,
    },
    /// `$setElementOrder`, `$deleteFromPrimitiveList` or `$retainKeys` do not fit with the rest of the patch.
    #[error("{path}: {problem}")]
    MalformedDirective {
        /// The directive.
        path: String,
        /// What does not fit.
        problem: &'static str,
    },
    /// An element of a list that is merged by key has no such key.
    #[error("{path}: does not contain the declared merge key {key}")]
    NoMergeKey {
        /// The element, or the list.
        path: String,
        /// The key.
        key: String,
    },
    /// A list that is merged has elements of several types, or lists in it.
    #[error("{path}: {problem}")]
    UnmergeableList {
        /// The list.
        path: String,
        /// What prevents a merge.
        problem: &'static str,
    },
}

/// Applies a JSON Merge Patch (RFC 7386): objects merge, `null` deletes, everything else replaces.
///
/// Both values must come from [`crate::decode`], so that the result is no deeper than a body may be.
pub fn merge(target: &mut Value, patch: &Value) {
    json_patch::merge(target, patch);
}

#[cfg(test)]
mod tests;
