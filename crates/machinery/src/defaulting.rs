//! Defaults of a schema, and `null`s that mean "absent".
//!
//! For custom resources the rules are those of the CustomResourceDefinition documentation: a default is filled in only where
//! the parent object exists, and a `null` that is not nullable counts as absent. For built-in kinds the published
//! `default`s are mostly zero values of Go's types (`""`, `0`, `{}`), which Kubernetes leaves out of its JSON; filling
//! them in would invent fields. They are dropped when a schema is parsed (`schema/parse.rs`), so one rule serves both.
//! Defaults that depend on the kind (a Deployment's strategy, say) are not in any schema and not here.

use serde_json::{Map, Value};

use crate::schema::{Member, Node};

/// Drops the `null`s of `value` that mean "absent" and fills in the defaults of `schema`. A second run changes nothing.
pub fn apply(schema: Node<'_>, value: &mut Value) {
    match value {
        Value::Object(map) => apply_to_object(schema, map),
        Value::Array(list) => {
            let Some(items) = schema.items() else { return };
            for element in list {
                replace_null(items, element);
                apply(items, element);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn apply_to_object(schema: Node<'_>, map: &mut Map<String, Value>) {
    map.retain(|name, child| match schema.member(name) {
        Member::Property(schema) | Member::Entry(schema) => {
            replace_null(schema, child);
            !child.is_null() || schema.is_nullable()
        }
        Member::Free | Member::Unknown => true,
    });
    for (name, property) in schema.properties() {
        if let Some(default) = property.default().filter(|_| !map.contains_key(name)) {
            map.insert(name.to_owned(), default.clone());
        }
    }
    for (name, child) in map {
        if let Member::Property(schema) | Member::Entry(schema) = schema.member(name) {
            apply(schema, child);
        }
    }
}

/// A `null` that is no value of its own becomes the default, if there is one.
fn replace_null(schema: Node<'_>, value: &mut Value) {
    if let Some(default) = schema.default().filter(|_| value.is_null() && !schema.is_nullable()) {
        *value = default.clone();
    }
}

#[cfg(test)]
mod tests;
