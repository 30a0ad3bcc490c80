//! Rules about `metadata` that hold for every kind, and when a change counts as a change of the spec.
//!
//! Works on decoded objects. What the server fills in (uid, creation time, generated name) must be there already; decoding
//! and unknown fields are not looked at. Rules from `k8s.io/apimachinery/pkg/api/validation`.

use serde_json::{Map, Value};

use crate::field::{FieldError, Path, quote};
use crate::name::{self, Rule};
use crate::owner;

/// Whether objects of a kind live in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In exactly one.
    Namespaced,
    /// In none.
    Cluster,
}

/// What a kind asks of the metadata of its objects.
#[derive(Debug, Clone, Copy)]
pub struct Requirements {
    /// Whether there must be a namespace.
    pub scope: Scope,
    /// Which names are valid.
    pub rule: Rule,
}

/// Everything that is wrong with `metadata`, found at `path`, of an object that is to be created.
pub fn check(path: &Path<'_>, metadata: &Value, requirements: Requirements) -> Vec<FieldError> {
    let Value::Object(fields) = metadata else {
        return vec![FieldError::type_invalid(path, metadata.clone(), "must be an object")];
    };
    let mut errors = check_names(path, fields, requirements);
    errors.extend(check_namespace(path, fields, requirements.scope));
    errors.extend(check_maps(path, fields));
    if let Some(finalizers) = present(fields, "finalizers") {
        errors.extend(name::check_finalizers(&path.field("finalizers"), finalizers));
    }
    if fields.get("generation").and_then(Value::as_i64).is_some_and(|generation| generation < 0) {
        let detail = "must be greater than or equal to 0";
        errors.push(FieldError::invalid(&path.field("generation"), fields["generation"].clone(), detail));
    }
    errors
}

/// Everything that is wrong with replacing the metadata `old` by `new`, found at `path`.
pub fn check_update(path: &Path<'_>, new: &Value, old: &Value) -> Vec<FieldError> {
    let (Value::Object(new), Value::Object(old)) = (new, old) else {
        return vec![FieldError::type_invalid(path, new.clone(), "must be an object")];
    };
    const IMMUTABLE: [&str; 6] =
        ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"];
    let mut errors = Vec::new();
    if present(old, "deletionTimestamp").is_some() {
        errors.extend(check_no_new_finalizers(path, new, old));
    }
    let generation = |fields: &Map<String, Value>| fields.get("generation").and_then(Value::as_i64).unwrap_or(0);
    if generation(new) < generation(old) {
        errors.push(FieldError::invalid(&path.field("generation"), generation(new), "must not be decremented"));
    }
    for field in IMMUTABLE {
        let (new, old) = (present(new, field), present(old, field));
        if new != old {
            let value = new.cloned().unwrap_or_default();
            errors.push(FieldError::invalid(&path.field(field), value, "field is immutable"));
        }
    }
    errors.extend(check_maps(path, new));
    if let Some(finalizers) = present(new, "finalizers") {
        errors.extend(name::check_finalizers(&path.field("finalizers"), finalizers));
    }
    errors
}

fn check_names(path: &Path<'_>, fields: &Map<String, Value>, requirements: Requirements) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(prefix) = text(path, fields, "generateName", &mut errors) {
        let problems = requirements.rule.check_prefix(prefix);
        errors.extend(
            problems.into_iter().map(|problem| FieldError::invalid(&path.field("generateName"), prefix, problem)),
        );
    }
    match text(path, fields, "name", &mut errors) {
        Some(name) => {
            let problems = requirements.rule.check(name);
            errors.extend(problems.into_iter().map(|problem| FieldError::invalid(&path.field("name"), name, problem)));
        }
        None if errors.is_empty() => {
            errors.push(FieldError::required(&path.field("name"), "name or generateName is required"));
        }
        None => {}
    }
    errors
}

fn check_namespace(path: &Path<'_>, fields: &Map<String, Value>, scope: Scope) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let namespace = text(path, fields, "namespace", &mut errors);
    let path = path.field("namespace");
    match (scope, namespace) {
        (Scope::Namespaced, Some(namespace)) => {
            let problems = Rule::Label.check(namespace);
            errors.extend(problems.into_iter().map(|problem| FieldError::invalid(&path, namespace, problem)));
        }
        (Scope::Namespaced, None) if errors.is_empty() => errors.push(FieldError::required(&path, "")),
        (Scope::Cluster, Some(_)) => errors.push(FieldError::forbidden(&path, "not allowed on this type")),
        (Scope::Namespaced | Scope::Cluster, None) => {}
    }
    errors
}

fn check_maps(path: &Path<'_>, fields: &Map<String, Value>) -> Vec<FieldError> {
    type Check = fn(&Path<'_>, &Value) -> Vec<FieldError>;
    let checks: [(&str, Check); 3] =
        [("labels", name::check_labels), ("annotations", name::check_annotations), ("ownerReferences", owner::check)];
    let found = checks.iter().filter_map(|(field, check)| Some((field, check, present(fields, field)?)));
    found.flat_map(|(field, check, value)| check(&path.field(field), value)).collect()
}

/// An object that is being deleted may lose finalizers, not gain any.
fn check_no_new_finalizers(path: &Path<'_>, new: &Map<String, Value>, old: &Map<String, Value>) -> Option<FieldError> {
    let finalizers = |fields: &Map<String, Value>| match present(fields, "finalizers") {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>(),
        _ => Vec::new(),
    };
    let known = finalizers(old);
    let mut extra: Vec<String> = finalizers(new)
        .iter()
        .filter(|finalizer| !known.contains(finalizer))
        .map(|finalizer| quote(finalizer))
        .collect();
    extra.sort();
    extra.dedup();
    let detail = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        extra.join(", ")
    );
    (!extra.is_empty()).then(|| FieldError::forbidden(&path.field("finalizers"), detail))
}

/// A field that is neither absent nor null.
fn present<'v>(fields: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    fields.get(name).filter(|value| !value.is_null())
}

/// A string field that is not empty; another type becomes an error.
fn text<'v>(
    path: &Path<'_>,
    fields: &'v Map<String, Value>,
    name: &str,
    errors: &mut Vec<FieldError>,
) -> Option<&'v str> {
    match present(fields, name)? {
        Value::String(text) => Some(text.as_str()).filter(|text| !text.is_empty()),
        other => {
            errors.push(FieldError::type_invalid(&path.field(name), other.clone(), "must be a string"));
            None
        }
    }
}

/// Whether anything but `metadata` and `status` differs between two states of an object: then its generation rises.
pub fn spec_changed(old: &Value, new: &Value) -> bool {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return old != new };
    let counts = |(name, _): &(&String, &Value)| !matches!(name.as_str(), "metadata" | "status");
    !old.iter().filter(counts).eq(new.iter().filter(counts))
}

#[cfg(test)]
mod tests;
