//! Uniqueness in lists of type `set` and `map`.
//!
//! Elements are compared by their JSON text, in which object keys are sorted. Start at [`check`].

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::field::{FieldError, MAX_ERRORS, Path};
use crate::schema::ListType;

/// Reports the second occurrence of each value, or of each combination of keys, that occurs more than once.
pub(super) fn check(path: &Path<'_>, list_type: &ListType, list: &[Value], errors: &mut Vec<FieldError>) {
    match list_type {
        ListType::Atomic => {}
        ListType::Set => report(path, list.iter().cloned().enumerate(), errors),
        ListType::Map(keys) => {
            if let Some(i) = list.iter().position(|element| !(element.is_object() || element.is_null())) {
                let detail = "must be an object for an array of list-type map";
                errors.push(FieldError::invalid(&path.index(i), list[i].clone(), detail));
                return;
            }
            report(path, list.iter().map(|element| Value::Object(key_of(element, keys))).enumerate(), errors);
        }
    }
}

fn key_of(element: &Value, keys: &[Box<str>]) -> Map<String, Value> {
    keys.iter().filter_map(|key| Some((key.to_string(), element.get(&**key)?.clone()))).collect()
}

fn report(path: &Path<'_>, values: impl Iterator<Item = (usize, Value)>, errors: &mut Vec<FieldError>) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (i, value) in values {
        if errors.len() >= MAX_ERRORS {
            return;
        }
        let times = seen.entry(value.to_string()).or_default();
        *times += 1;
        if *times == 2 {
            errors.push(FieldError::duplicate(&path.index(i), value));
        }
    }
}
