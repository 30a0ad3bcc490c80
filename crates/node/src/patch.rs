//! The change from one status to another, as a strategic merge patch.
//!
//! Pure. Only what differs is in the patch, so that nothing is written over what others have written to the same object.

use serde::Serialize;
use serde_json::{Map, Value};

/// The patch that makes `old` into `new`; none if they are the same. Conditions are told one by one, by their type.
pub(crate) fn between(old: &impl Serialize, new: &impl Serialize) -> Option<Value> {
    let object = |value: Value| match value {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let old = object(serde_json::to_value(old).unwrap_or_default());
    let new = object(serde_json::to_value(new).unwrap_or_default());
    let mut patch = difference(&old, &new);
    if let Some(conditions) = patch.get_mut("conditions") {
        *conditions = Value::Array(changed(old.get("conditions"), new.get("conditions")));
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// The fields that differ; those that are gone are null.
fn difference(old: &Map<String, Value>, new: &Map<String, Value>) -> Map<String, Value> {
    let set = new.iter().filter(|(name, value)| old.get(*name) != Some(value));
    let set = set.map(|(name, value)| (name.clone(), value.clone()));
    let gone = old.keys().filter(|name| !new.contains_key(*name)).map(|name| (name.clone(), Value::Null));
    set.chain(gone).collect()
}

/// The conditions that differ. Entries are merged, so that a field that is gone has to be said to be.
fn changed(old: Option<&Value>, new: Option<&Value>) -> Vec<Value> {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let old = list(old);
    let mut changed = Vec::new();
    for condition in list(new) {
        let before = old.iter().find(|before| before["type"] == condition["type"]).and_then(Value::as_object);
        let (empty, kind) = (Map::new(), condition["type"].clone());
        let mut fields = difference(before.unwrap_or(&empty), condition.as_object().unwrap_or(&empty));
        if !fields.is_empty() {
            fields.insert("type".to_owned(), kind);
            changed.push(Value::Object(fields));
        }
    }
    changed
}

#[cfg(test)]
mod tests;
