//! Strategic merge patch: a merge patch that knows from the schema which lists merge, and by which key.
//!
//! The semantics are those of `k8s.io/apimachinery/pkg/util/strategicpatch`, for applying a patch to an object. Three
//! deviations, all invisible once the result is decoded: `null`s and directives are also removed below a replaced value;
//! `$patch: merge` in an object is accepted as what happens anyway; free-form values merge as in RFC 7386 instead of failing.
//! Start at [`strategic`]; `list.rs` merges and orders lists.

mod list;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::PatchError;
use crate::field::Path;
use crate::schema::{Member, Node, PatchStrategy};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ELEMENT_ORDER: &str = "$setElementOrder/";
const DELETE_FROM_PRIMITIVES: &str = "$deleteFromPrimitiveList/";

/// `target` with `patch` applied along `schema`. Both must come from [`crate::decode`].
///
/// # Errors
/// [`PatchError`], all but those of JSON Patch.
pub fn strategic(schema: Node<'_>, target: &Value, patch: &Value) -> Result<Value, PatchError> {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            merge_objects(&Path::ROOT, Some(schema), target.clone(), patch.clone()).map(Value::Object)
        }
        _ => Err(PatchError::NotAnObject),
    }
}

/// Merges one object. Without a schema, objects merge and lists are replaced.
fn merge_objects(
    path: &Path<'_>,
    schema: Option<Node<'_>>,
    mut target: Map<String, Value>,
    mut patch: Map<String, Value>,
) -> Result<Map<String, Value>, PatchError> {
    if let Some(directive) = patch.remove(DIRECTIVE) {
        match directive.as_str() {
            Some("replace") => return Ok(without_directives(patch)),
            Some("delete") => return Ok(Map::new()),
            Some("merge") => {}
            _ => return Err(PatchError::UnknownDirective { path: path.to_string(), directive }),
        }
    }
    if let Some(names) = patch.remove(RETAIN_KEYS) {
        retain_keys(path, &names, &mut target, &patch)?;
    }
    for (name, change) in group_by_field(path, patch)? {
        merge_field(&Place { path: &path.field(&name), name: &name, parent: schema }, &mut target, change)?;
    }
    Ok(target)
}

/// Removes what the patch does not name. Everything that the patch sets must be named.
fn retain_keys(
    path: &Path<'_>,
    names: &Value,
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<(), PatchError> {
    let malformed = |problem| PatchError::MalformedDirective { path: path.field(RETAIN_KEYS).to_string(), problem };
    let Value::Array(names) = names else { return Err(malformed("must be a list")) };
    let retained = |name: &str| names.iter().any(|retained| retained == name);
    let is_parallel_list = |name: &str| name.starts_with(ELEMENT_ORDER) || name.starts_with(DELETE_FROM_PRIMITIVES);
    let sets = patch.iter().filter(|(name, value)| !value.is_null() && !is_parallel_list(name));
    if !sets.map(|(name, _)| name).all(|name| retained(name)) {
        return Err(malformed("must name every field that the patch sets"));
    }
    target.retain(|name, _| retained(name));
    Ok(())
}

/// Everything that a patch says about one field.
#[derive(Default)]
struct Change {
    value: Option<Value>,
    order: Option<Vec<Value>>,
    deletions: Option<Vec<Value>>,
}

/// Puts the parallel lists (`$setElementOrder/x`, `$deleteFromPrimitiveList/x`) with the field that they are about.
fn group_by_field(path: &Path<'_>, patch: Map<String, Value>) -> Result<BTreeMap<String, Change>, PatchError> {
    let mut changes: BTreeMap<String, Change> = BTreeMap::new();
    for (key, value) in patch {
        let parallel = |value: Value| match value {
            Value::Array(list) => Ok(Some(list)),
            _ => Err(PatchError::MalformedDirective { path: path.field(&key).to_string(), problem: "must be a list" }),
        };
        if let Some(name) = key.strip_prefix(ELEMENT_ORDER) {
            changes.entry(name.to_owned()).or_default().order = parallel(value)?;
        } else if let Some(name) = key.strip_prefix(DELETE_FROM_PRIMITIVES) {
            changes.entry(name.to_owned()).or_default().deletions = parallel(value)?;
        } else {
            changes.entry(key).or_default().value = Some(value);
        }
    }
    Ok(changes)
}

/// A field and how to find its schema, which is needed only when something has to be merged.
struct Place<'a> {
    path: &'a Path<'a>,
    name: &'a str,
    parent: Option<Node<'a>>,
}

impl<'a> Place<'a> {
    fn schema(&self) -> Result<Option<Node<'a>>, PatchError> {
        let Some(parent) = self.parent else { return Ok(None) };
        match parent.member(self.name) {
            Member::Property(schema) | Member::Entry(schema) => {
                Ok(Some(schema).filter(|schema| !schema.is_free_form()))
            }
            Member::Free => Ok(None),
            Member::Unknown => Err(PatchError::UnknownField { path: self.path.to_string() }),
        }
    }

    fn malformed(&self, problem: &'static str) -> PatchError {
        PatchError::MalformedDirective { path: self.path.to_string(), problem }
    }
}

fn merge_field(place: &Place<'_>, target: &mut Map<String, Value>, change: Change) -> Result<(), PatchError> {
    let current = target.remove(place.name);
    let merged = match change.order {
        Some(order) => merge_ordered(place, current, change.value, &order)?,
        None => match change.value {
            Some(value) => merge_value(place, current, value)?,
            None => current,
        },
    };
    let merged = match (merged, change.deletions) {
        (Some(Value::Array(list)), Some(deletions)) => Some(Value::Array(list::without(place, list, &deletions)?)),
        (merged, _) => merged,
    };
    if let Some(merged) = merged {
        target.insert(place.name.to_owned(), merged);
    }
    Ok(())
}

/// The new value of a field; `None` if it is gone.
fn merge_value(place: &Place<'_>, current: Option<Value>, patch: Value) -> Result<Option<Value>, PatchError> {
    match (current, patch) {
        (_, Value::Null) => Ok(None),
        (Some(Value::Object(current)), Value::Object(patch)) => {
            let schema = place.schema()?;
            if strategy(schema) == PatchStrategy::Replace {
                return Ok(clean(Value::Object(patch)));
            }
            merge_objects(place.path, schema, current, patch).map(Value::Object).map(Some)
        }
        (Some(Value::Array(current)), Value::Array(patch)) => {
            let schema = place.schema()?;
            if strategy(schema) != PatchStrategy::Merge {
                return Ok(clean(Value::Array(patch)));
            }
            list::merge(place.path, schema, current, patch).map(Value::Array).map(Some)
        }
        (_, patch) => Ok(clean(patch)),
    }
}

/// A list with `$setElementOrder`: merged, then brought into that order.
fn merge_ordered(
    place: &Place<'_>,
    current: Option<Value>,
    patch: Option<Value>,
    order: &[Value],
) -> Result<Option<Value>, PatchError> {
    let as_list = |value: Option<Value>| match value {
        None => Ok(None),
        Some(Value::Array(list)) => Ok(Some(list)),
        Some(_) => Err(place.malformed("$setElementOrder is for lists")),
    };
    let (current, patch) = (as_list(current)?, as_list(patch)?);
    let schema = place.schema()?;
    let key = schema.and_then(Node::merge_key);
    list::check_order(place, patch.as_deref().unwrap_or_default(), order, key)?;
    let (merged, current) = match (current, patch) {
        (None, None) => return Ok(None),
        (Some(current), None) => (current.clone(), current),
        (None, Some(patch)) => (clean_list(patch), Vec::new()),
        (Some(current), Some(patch)) if strategy(schema) == PatchStrategy::Merge => {
            (list::merge(place.path, schema, current.clone(), patch)?, current)
        }
        (Some(current), Some(patch)) => (clean_list(patch), current),
    };
    list::arrange(place.path, merged, &list::Arrangement { first: order, then: &current, key })
        .map(Value::Array)
        .map(Some)
}

fn strategy(schema: Option<Node<'_>>) -> PatchStrategy {
    schema.map_or(PatchStrategy::Unset, Node::patch_strategy)
}

/// What a patch means where there is nothing to merge with: no `null`s, no directives. `None` if it is itself a directive.
fn clean(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => match map.get(DIRECTIVE).and_then(Value::as_str) {
            Some("merge") => Some(Value::Object(without_directives(map))),
            _ => None,
        },
        Value::Object(map) => Some(Value::Object(without_directives(map))),
        Value::Array(list) => Some(Value::Array(clean_list(list))),
        scalar => Some(scalar),
    }
}

fn clean_list(list: Vec<Value>) -> Vec<Value> {
    list.into_iter().filter_map(clean).collect()
}

fn without_directives(map: Map<String, Value>) -> Map<String, Value> {
    let is_directive = |name: &str| {
        name == DIRECTIVE
            || name == RETAIN_KEYS
            || name.starts_with(ELEMENT_ORDER)
            || name.starts_with(DELETE_FROM_PRIMITIVES)
    };
    let fields = map.into_iter().filter(|(name, value)| !value.is_null() && !is_directive(name));
    fields.filter_map(|(name, value)| Some((name, clean(value)?))).collect()
}
