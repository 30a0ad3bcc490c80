//! Values against a schema: types, value validations, uniqueness.
//!
//! Expects a value that has been pruned and defaulted: unknown fields are not reported here. CEL rules run in the API server.
//! Messages follow kube-openapi, which validates custom resources in Kubernetes (`… in body should be …`). Start at
//! [`check`]; `rules.rs` has the value validations, `list.rs` the uniqueness of lists.

mod list;
mod rules;

use serde_json::{Map, Value};

use crate::field::{FieldError, MAX_ERRORS, Path};
use crate::meta::{self, Requirements, Scope};
use crate::name::{self, Rule};
use crate::schema::{Format, Kind, Member, Node};

/// Everything about `value`, found at `path`, that `schema` does not allow; soon after [`MAX_ERRORS`] it stops looking.
pub fn check(path: &Path<'_>, schema: Node<'_>, value: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk(path, schema, value, &mut errors);
    errors
}

/// A value, where it is, and what applies to it.
struct Place<'a> {
    path: &'a Path<'a>,
    schema: Node<'a>,
    value: &'a Value,
}

fn walk(path: &Path<'_>, schema: Node<'_>, value: &Value, errors: &mut Vec<FieldError>) {
    if errors.len() >= MAX_ERRORS {
        return;
    }
    if value.is_null() && (schema.is_nullable() || schema.kind() == Kind::Any) {
        return;
    }
    if let Some(error) = check_type(path, schema, value) {
        // Whatever else could be said about a value of the wrong type would only distract.
        errors.push(error);
        return;
    }
    if let Some(rules) = schema.schema.rules.as_deref() {
        rules::check(&Place { path, schema, value }, rules, errors);
    }
    match value {
        Value::Object(map) => walk_object(path, schema, map, errors),
        Value::Array(list) => {
            if !schema.schema.published {
                list::check(path, schema.list_type(), list, errors);
            }
            if let Some(items) = schema.items() {
                for (i, element) in list.iter().enumerate() {
                    walk(&path.index(i), items, element, errors);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn walk_object(path: &Path<'_>, schema: Node<'_>, map: &Map<String, Value>, errors: &mut Vec<FieldError>) {
    let missing = schema.schema.required.iter().filter(|name| !map.contains_key(&***name));
    for name in missing.filter(|name| must_be_there(schema, name)) {
        errors.push(FieldError::required(&path.field(name), ""));
    }
    if schema.schema.embedded_resource {
        check_embedded_resource(path, map, errors);
    }
    for (name, child) in map {
        match schema.member(name) {
            Member::Property(schema) => walk(&path.field(name), schema, child, errors),
            Member::Entry(schema) => walk(&path.key(name), schema, child, errors),
            Member::Free | Member::Unknown => {}
        }
    }
}

/// Published schemas call every field required that Go's types always write, and Go writes an empty list as `null`. So
/// lists, maps, numbers and times of built-in kinds may be missing here; where a kind really needs one, its own
/// validation says so.
fn must_be_there(schema: Node<'_>, name: &str) -> bool {
    let Member::Property(property) = schema.member(name) else { return true };
    let is_time = || property.schema.rules.as_ref().is_some_and(|rules| rules.format == Some(Format::DateTime));
    match property.kind() {
        _ if !schema.schema.published => true,
        Kind::String => !is_time(),
        Kind::Object => property.schema.additional.is_none(),
        Kind::IntOrString => true,
        Kind::Any | Kind::Array | Kind::Integer | Kind::Number | Kind::Boolean => false,
    }
}

fn check_type(path: &Path<'_>, schema: Node<'_>, value: &Value) -> Option<FieldError> {
    let fits = match (schema.kind(), value) {
        (Kind::Any, _)
        | (Kind::Object, Value::Object(_))
        | (Kind::Array, Value::Array(_))
        | (Kind::String | Kind::IntOrString, Value::String(_))
        | (Kind::Number, Value::Number(_))
        | (Kind::Boolean, Value::Bool(_)) => true,
        (Kind::Integer | Kind::IntOrString, Value::Number(_)) => is_whole(value),
        _ => false,
    };
    let actual = type_name(value);
    (!fits).then(|| {
        let detail = format!("{path} in body must be of type {}: \"{actual}\"", schema.kind().name());
        FieldError::type_invalid(path, actual, detail)
    })
}

/// Whether a number has no fraction. `1.0` is an integer in JSON Schema.
fn is_whole(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        _ => false,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_whole(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// `x-kubernetes-embedded-resource`: type and metadata as those of any object.
fn check_embedded_resource(path: &Path<'_>, map: &Map<String, Value>, errors: &mut Vec<FieldError>) {
    for field in ["apiVersion", "kind"] {
        let path = path.field(field);
        match map.get(field) {
            None => errors.push(FieldError::required(&path, "")),
            Some(Value::String(text)) if text.is_empty() => {
                errors.push(FieldError::invalid(&path, "", "must not be empty"));
            }
            Some(Value::String(_)) => {}
            Some(other) => errors.push(FieldError::invalid(&path, other.clone(), "must be a string")),
        }
    }
    if let Some(kind) = map.get("kind").and_then(Value::as_str).filter(|kind| !kind.is_empty()) {
        let problems = name::check_rfc1035_label(&kind.to_lowercase());
        if !problems.is_empty() {
            let detail = format!("may have mixed case, but should otherwise match: {}", problems.join(","));
            errors.push(FieldError::invalid(&path.field("kind"), kind, detail));
        }
    }
    if let Some(metadata) = map.get("metadata") {
        // The name may be missing: an embedded resource can be a template.
        let mut named = metadata.clone();
        if let Value::Object(fields) = &mut named {
            fields.entry("name").or_insert_with(|| "unnamed".into());
        }
        let scope = if metadata.get("namespace").is_some() { Scope::Namespaced } else { Scope::Cluster };
        let requirements = Requirements { scope, rule: Rule::PathSegment };
        errors.extend(meta::check(&path.field("metadata"), &named, requirements));
    }
}

#[cfg(test)]
mod tests;
