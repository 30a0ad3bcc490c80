//! Which changes of a pod's spec are allowed. A running pod is mostly what it was made as.

use machinery::field::{FieldError, Path};
use serde_json::{Map, Value};

use crate::kinds::pod_spec::{items, text};

const ALLOWED: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
                       `spec.tolerations` (only additions to existing tolerations),\
                       `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
/// So many differences are named in a message.
const MAX_NAMED: usize = 8;

/// Everything that is wrong with replacing the spec `old` by `new`.
pub(super) fn check(path: &Path<'_>, new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    for list in ["containers", "initContainers"] {
        if items(&new[list]).len() != items(&old[list]).len() {
            let why = "pod updates may not add or remove containers";
            errors.push(FieldError::forbidden(&path.field(list), why));
            return;
        }
    }
    errors.extend(check_deadline(path, new, old));
    errors.extend(check_tolerations(path, new, old));
    check_gates(path, new, old, errors);
    let mut rest = new.clone();
    put_back(&mut rest, old);
    if rest == *old {
        return;
    }
    let mut named = Vec::new();
    differences("spec", &rest, old, &mut named);
    named.truncate(MAX_NAMED);
    let why = format!("pod updates may not change fields other than {ALLOWED}\nchanged: {}", named.join(", "));
    errors.push(FieldError::forbidden(path, why));
}

/// Undoes the allowed changes, so that what still differs is not allowed.
fn put_back(rest: &mut Value, old: &Value) {
    let Some(rest) = rest.as_object_mut() else { return };
    for list in ["containers", "initContainers"] {
        let containers = rest.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for (container, old) in containers.zip(items(&old[list])) {
            container["image"] = old["image"].clone();
        }
    }
    let mut fields = vec!["activeDeadlineSeconds", "tolerations", "schedulingGates"];
    let grace = |spec: &Value| spec.as_i64().unwrap_or_default();
    let new_grace = rest.get("terminationGracePeriodSeconds").map(grace);
    if grace(&old["terminationGracePeriodSeconds"]) < 0 && new_grace == Some(1) {
        fields.push("terminationGracePeriodSeconds");
    }
    // A pod that waits at a gate has no node yet; where it may go can still be narrowed (KEP-3838).
    if !items(&old["schedulingGates"]).is_empty() && only_adds(rest.get("nodeSelector"), &old["nodeSelector"]) {
        fields.push("nodeSelector");
    }
    for field in fields {
        match old.get(field) {
            Some(value) => rest.insert(field.to_owned(), value.clone()),
            None => rest.remove(field),
        };
    }
}

fn only_adds(new: Option<&Value>, old: &Value) -> bool {
    let empty = Map::new();
    let new = new.and_then(Value::as_object).unwrap_or(&empty);
    old.as_object().into_iter().flatten().all(|(key, value)| new.get(key) == Some(value))
}

/// A deadline can be set and moved closer, not removed.
fn check_deadline(path: &Path<'_>, new: &Value, old: &Value) -> Option<FieldError> {
    let path = path.field("activeDeadlineSeconds");
    let (new, old) = (new["activeDeadlineSeconds"].as_i64(), old["activeDeadlineSeconds"].as_i64());
    match (new, old) {
        (Some(new), Some(old)) if new > old => {
            Some(FieldError::invalid(&path, new, "must be less than or equal to previous value"))
        }
        (None, Some(_)) => {
            Some(FieldError::invalid(&path, Value::Null, "must not update from a positive integer to nil value"))
        }
        _ => None,
    }
}

/// Tolerations can be added; of those that are there, only the time can change.
fn check_tolerations(path: &Path<'_>, new: &Value, old: &Value) -> Option<FieldError> {
    let timeless = |toleration: &Value| {
        let mut toleration = toleration.clone();
        toleration.as_object_mut().map(|map| map.remove("tolerationSeconds"));
        toleration
    };
    let new: Vec<Value> = items(&new["tolerations"]).iter().map(timeless).collect();
    let kept = items(&old["tolerations"]).iter().all(|old| new.contains(&timeless(old)));
    let why = "existing toleration can not be modified except its tolerationSeconds";
    (!kept).then(|| FieldError::forbidden(&path.field("tolerations"), why))
}

/// Gates can be opened, not put up.
fn check_gates(path: &Path<'_>, new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let list = path.field("schedulingGates");
    let known: Vec<&str> = items(&old["schedulingGates"]).iter().map(|gate| text(&gate["name"])).collect();
    for (i, gate) in items(&new["schedulingGates"]).iter().enumerate() {
        let name = text(&gate["name"]);
        if !known.contains(&name) {
            let why = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            errors.push(FieldError::forbidden(&list.index(i).field("name"), why));
        }
    }
}

/// The paths at which two values differ.
fn differences(path: &str, new: &Value, old: &Value, found: &mut Vec<String>) {
    match (new, old) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                differences(&format!("{path}.{key}"), &new[key.as_str()], &old[key.as_str()], found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (new, old)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{i}]"), new, old, found);
            }
        }
        (new, old) if new != old => found.push(path.to_owned()),
        _equal => {}
    }
}
