//! JSON Patch (RFC 6902) with limits.
//!
//! The operations themselves are the `json-patch` crate's. It applies them without bounds, and a `copy` of the whole document
//! into itself doubles it, so each operation is weighed before it is applied.

use json_patch::PatchOperation;
use json_patch::jsonptr::Pointer;
use serde::Deserialize;
use serde_json::Value;

use super::PatchError;
use crate::decode::MAX_DEPTH;

/// Operations in one patch, as in Kubernetes.
pub const MAX_OPERATIONS: usize = 10_000;
/// Bytes that the `copy` operations of one patch may add, as in Kubernetes.
pub const MAX_COPIED_BYTES: usize = 3 << 20;

/// A JSON Patch.
#[derive(Debug, Clone)]
pub struct JsonPatch {
    operations: Vec<PatchOperation>,
}

impl JsonPatch {
    /// Reads the operations from a decoded body.
    ///
    /// # Errors
    /// [`PatchError::Malformed`], [`PatchError::TooManyOperations`].
    pub fn parse(document: &Value) -> Result<Self, PatchError> {
        if let Some(count) = document.as_array().map(Vec::len).filter(|count| *count > MAX_OPERATIONS) {
            return Err(PatchError::TooManyOperations { count });
        }
        let operations = Vec::deserialize(document).map_err(PatchError::Malformed)?;
        Ok(JsonPatch { operations })
    }

    /// The patched copy of `target`: all operations in order, or none.
    ///
    /// # Errors
    /// [`PatchError::Operation`], [`PatchError::CopiesTooMuch`], [`PatchError::TooDeep`].
    pub fn apply(&self, target: &Value) -> Result<Value, PatchError> {
        let mut patched = target.clone();
        let mut copied = 0;
        for (index, operation) in self.operations.iter().enumerate() {
            if let Some((at, moved)) = incoming(operation, &patched) {
                if at.count() + depth(moved) > MAX_DEPTH {
                    return Err(PatchError::TooDeep);
                }
                if matches!(operation, PatchOperation::Copy(_)) {
                    copied += size(moved);
                }
            }
            if copied > MAX_COPIED_BYTES {
                return Err(PatchError::CopiesTooMuch);
            }
            json_patch::patch_unsafe(&mut patched, std::slice::from_ref(operation))
                .map_err(|source| PatchError::Operation { index, source: Box::new(source) })?;
        }
        Ok(patched)
    }
}

/// What an operation puts where. `None` if it puts nothing, or if it is about to fail.
fn incoming<'a>(operation: &'a PatchOperation, document: &'a Value) -> Option<(&'a Pointer, &'a Value)> {
    match operation {
        PatchOperation::Add(add) => Some((&add.path, &add.value)),
        PatchOperation::Replace(replace) => Some((&replace.path, &replace.value)),
        PatchOperation::Move(r#move) => Some((&r#move.path, document.pointer(r#move.from.as_str())?)),
        PatchOperation::Copy(copy) => Some((&copy.path, document.pointer(copy.from.as_str())?)),
        PatchOperation::Remove(_) | PatchOperation::Test(_) => None,
    }
}

/// Levels of lists and objects; scalars have none.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// About the bytes of the JSON text.
fn size(value: &Value) -> usize {
    const SCALAR: usize = 8;
    match value {
        Value::Array(list) => 2 + list.iter().map(|element| 1 + size(element)).sum::<usize>(),
        Value::Object(map) => 2 + map.iter().map(|(name, child)| 4 + name.len() + size(child)).sum::<usize>(),
        Value::String(text) => 2 + text.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => SCALAR,
    }
}
