//! `x-kubernetes-list-type`, `x-kubernetes-list-map-keys` and `x-kubernetes-map-type`.

use serde_json::Value;

use super::{Check, Keywords, property, text};
use crate::field::{FieldError, Path};

const LIST_TYPE: &str = "x-kubernetes-list-type";
const KEYS: &str = "x-kubernetes-list-map-keys";
const MAP_TYPE: &str = "x-kubernetes-map-type";

pub(super) fn check(check: &mut Check, path: &Path<'_>, node: &Keywords) {
    let actual = text(node, "type");
    if let Some(map_type) = text(node, MAP_TYPE) {
        if actual != Some("object") {
            check.demand(&path.field("type"), actual, "must be object if x-kubernetes-map-type is specified");
        }
        if !matches!(map_type, "atomic" | "granular") {
            check.errors.push(FieldError::not_supported(&path.field(MAP_TYPE), map_type, &["atomic", "granular"]));
        }
    }
    let keys = node.get(KEYS).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let list_type = text(node, LIST_TYPE);
    if !keys.is_empty() && list_type != Some("map") {
        check.demand(&path.field(LIST_TYPE), list_type, "must be map if x-kubernetes-list-map-keys is non-empty");
    }
    let Some(list_type) = list_type else { return };
    if actual != Some("array") {
        check.demand(&path.field("type"), actual, "must be array if x-kubernetes-list-type is specified");
    }
    match list_type {
        "atomic" => {}
        "set" => check_set(check, path, node),
        "map" => check_map(check, path, node, keys),
        other => check.errors.push(FieldError::not_supported(&path.field(LIST_TYPE), other, &["atomic", "set", "map"])),
    }
}

/// The elements of a set are compared as wholes, so they must be merged as wholes.
fn check_set(check: &mut Check, path: &Path<'_>, node: &Keywords) {
    let Some(items) = node.get("items").and_then(Value::as_object) else { return };
    let items_path = path.field("items");
    let keyword = match text(items, "type") {
        Some("array") if text(items, LIST_TYPE).is_some_and(|list_type| list_type != "atomic") => LIST_TYPE,
        Some("object") if text(items, MAP_TYPE) != Some("atomic") => MAP_TYPE,
        _ => return,
    };
    let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
    check.errors.push(FieldError::invalid(
        &items_path.field(keyword),
        text(items, keyword).unwrap_or_default(),
        detail,
    ));
}

fn check_map(check: &mut Check, path: &Path<'_>, node: &Keywords, keys: &[Value]) {
    let keys_path = path.field(KEYS);
    if keys.is_empty() {
        let detail = "must not be empty if x-kubernetes-list-type is map";
        check.errors.push(FieldError::required(&keys_path, detail));
    }
    // A list without items has been reported already.
    let Some(items) = node.get("items").and_then(Value::as_object) else { return };
    let items_path = path.field("items");
    if text(items, "type") != Some("object") {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        let actual = text(items, "type").unwrap_or_default();
        check.errors.push(FieldError::invalid(&items_path.field("type"), actual, detail));
        return;
    }
    let required =
        |key: &Value| items.get("required").and_then(Value::as_array).is_some_and(|names| names.contains(key));
    let declared = items_path.field("properties");
    for (i, key) in keys.iter().enumerate() {
        if keys[..i].contains(key) {
            check.errors.push(FieldError::invalid(&keys_path, keys.to_vec(), "must not contain duplicate entries"));
        }
        let name = key.as_str().unwrap_or_default();
        let Some(property) = property(items, name) else {
            let detail = "entries must all be names of item properties";
            check.errors.push(FieldError::invalid(&keys_path, keys.to_vec(), detail));
            continue;
        };
        let property_path = declared.key(name);
        if let Some(actual @ ("array" | "object")) = text(property, "type") {
            let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            check.errors.push(FieldError::invalid(&property_path.field("type"), actual, detail));
        }
        if !required(key) && !property.contains_key("default") {
            let detail =
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            check.errors.push(FieldError::required(&property_path.field("default"), detail));
        }
        if property.get("nullable") == Some(&Value::Bool(true)) {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            check.forbid(&property_path.field("nullable"), detail);
        }
    }
}
