//! Owner references: who an object belongs to, as `metadata.ownerReferences` says.
//!
//! Reads and checks the references. Whether an owner exists, and what follows from its deletion, is the garbage collector's
//! business.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::field::{FieldError, MAX_ERRORS, Path};

/// An entry of `metadata.ownerReferences`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference {
    /// Group and version of the owner, such as `apps/v1`.
    pub api_version: String,
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner; it lives in the same namespace or in none.
    pub name: String,
    /// Identity of the owner: another object of the same name is not it.
    pub uid: String,
    /// Whether the owner manages this object. At most one owner does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
    /// Whether a foreground deletion of the owner waits for this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_owner_deletion: Option<bool>,
}

/// The owner references in `metadata`. Entries that [`check`] would refuse for a wrong type are left out.
pub fn references(metadata: &Value) -> Vec<OwnerReference> {
    let list = metadata.get("ownerReferences").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    list.iter().filter_map(|entry| OwnerReference::deserialize(entry).ok()).collect()
}

/// The reference to the owner that manages the object.
pub fn controller(references: &[OwnerReference]) -> Option<&OwnerReference> {
    references.iter().find(|reference| reference.controller == Some(true))
}

/// Everything that is wrong with `references`, a list at `path`.
pub fn check(path: &Path<'_>, references: &Value) -> Vec<FieldError> {
    let Value::Array(list) = references else {
        return vec![FieldError::type_invalid(path, references.clone(), "must be a list of owner references")];
    };
    let mut errors = Vec::new();
    let mut controller: Option<String> = None;
    for (i, entry) in list.iter().enumerate() {
        if errors.len() >= MAX_ERRORS {
            break;
        }
        let reference = match OwnerReference::deserialize(entry) {
            Ok(reference) => reference,
            Err(problem) => {
                errors.push(FieldError::type_invalid(&path.index(i), entry.clone(), problem.to_string()));
                continue;
            }
        };
        errors.extend(check_one(path, &reference));
        if reference.controller == Some(true) {
            let this = format!("{}/{}", reference.kind, reference.name);
            match &controller {
                Some(first) => {
                    let detail = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}"
                    );
                    errors.push(FieldError::invalid(path, entry.clone(), detail));
                }
                None => controller = Some(this),
            }
        }
    }
    errors
}

fn check_one(path: &Path<'_>, reference: &OwnerReference) -> Vec<FieldError> {
    let version = reference.api_version.rsplit('/').next().unwrap_or_default();
    let mut errors = Vec::new();
    if version.is_empty() {
        let detail = "version must not be empty";
        errors.push(FieldError::invalid(&path.field("apiVersion"), reference.api_version.as_str(), detail));
    }
    for (field, value) in [("kind", &reference.kind), ("name", &reference.name), ("uid", &reference.uid)] {
        if value.is_empty() {
            errors.push(FieldError::invalid(&path.field(field), "", "must not be empty"));
        }
    }
    // Events are deleted by age alone; an owner among them would vanish under its dependents.
    if reference.api_version == "v1" && reference.kind == "Event" {
        let value = serde_json::to_value(reference).expect("strings and booleans");
        errors.push(FieldError::invalid(path, value, "/v1, Kind=Event is disallowed from being an owner"));
    }
    errors
}

#[cfg(test)]
mod tests;
