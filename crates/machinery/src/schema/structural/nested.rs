//! Inside of `allOf`, `anyOf`, `oneOf` and `not`: values are judged, structure is not declared.
//!
//! What such a schema speaks about must be declared outside. The one exception are the two ways to write "an integer or a
//! string". Start at [`check`].

use serde_json::{Value, json};

use super::{Check, Keywords, properties, property};
use crate::field::{FieldError, Path};

const COMBINATIONS: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// Checks the combinations of a node that declares structure.
pub(super) fn check(check: &mut Check, path: &Path<'_>, node: &Keywords) {
    let declared = Declared { path, node: Some(node) };
    let is_int_or_string = |any_of: Option<&Value>| any_of == Some(&json!([{"type": "integer"}, {"type": "string"}]));
    each(node, |keyword, index, schema| {
        let exempt = match keyword {
            "anyOf" => is_int_or_string(node.get("anyOf")),
            "allOf" => index == Some(0) && schema.get("anyOf").is_some_and(|any_of| is_int_or_string(Some(any_of))),
            _ => false,
        };
        if exempt && keyword == "allOf" {
            let mut rest = schema.as_object().cloned().unwrap_or_default();
            rest.remove("anyOf");
            at(path, keyword, index, |path| judge(check, path, &Value::Object(rest), &declared));
        } else if !exempt {
            at(path, keyword, index, |path| judge(check, path, schema, &declared));
        }
    });
}

/// The schemas under the four keywords, with their index in the list.
fn each<'v>(node: &'v Keywords, mut visit: impl FnMut(&'static str, Option<usize>, &'v Value)) {
    for keyword in COMBINATIONS {
        let list = node.get(keyword).and_then(Value::as_array).into_iter().flatten();
        list.enumerate().for_each(|(i, schema)| visit(keyword, Some(i), schema));
    }
    if let Some(schema) = node.get("not") {
        visit("not", None, schema);
    }
}

fn at(path: &Path<'_>, keyword: &str, index: Option<usize>, visit: impl FnOnce(&Path<'_>)) {
    let path = path.field(keyword);
    match index {
        Some(index) => visit(&path.index(index)),
        None => visit(&path),
    }
}

/// The node that declares the structure of what is judged, if there is one.
struct Declared<'a> {
    path: &'a Path<'a>,
    node: Option<&'a Keywords>,
}

fn judge(check: &mut Check, path: &Path<'_>, schema: &Value, declared: &Declared<'_>) {
    let Value::Object(node) = schema else {
        check.errors.push(FieldError::type_invalid(path, schema.clone(), "must be a schema object"));
        return;
    };
    let Some(structure) = declared.node else {
        let detail = format!("because it is defined in {path}");
        check.errors.push(FieldError::required(declared.path, detail));
        return;
    };
    forbid_structure(check, path, node);
    check.keywords(path, node);
    each(node, |keyword, index, schema| at(path, keyword, index, |path| judge(check, path, schema, declared)));
    if let Some(items) = node.get("items") {
        let outside =
            Declared { path: &declared.path.field("items"), node: structure.get("items").and_then(Value::as_object) };
        judge(check, &path.field("items"), items, &outside);
    }
    for (name, child) in properties(node) {
        let (inside, outside) = (path.field("properties"), declared.path.field("properties"));
        if name == "metadata" {
            check.forbid(&inside.key(name), "must not be specified in a nested context");
        }
        let outside = Declared { path: &outside.key(name), node: property(structure, name) };
        judge(check, &inside.key(name), child, &outside);
    }
}

fn forbid_structure(check: &mut Check, path: &Path<'_>, node: &Keywords) {
    const FORBIDDEN: [(&str, &str); 12] = [
        ("type", "must be empty to be structural"),
        ("additionalProperties", "must be undefined to be structural"),
        ("default", "must be undefined to be structural"),
        ("title", "must be empty to be structural"),
        ("description", "must be empty to be structural"),
        ("nullable", "must be false to be structural"),
        ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
        ("x-kubernetes-embedded-resource", "must be false to be structural"),
        ("x-kubernetes-int-or-string", "must be false to be structural"),
        ("x-kubernetes-list-map-keys", "must be empty to be structural"),
        ("x-kubernetes-list-type", "must be undefined to be structural"),
        ("x-kubernetes-map-type", "must be undefined to be structural"),
    ];
    let says_something = |value: &Value| *value != Value::Bool(false) && *value != Value::String(String::new());
    for (keyword, detail) in FORBIDDEN {
        if node.get(keyword).is_some_and(says_something) {
            check.forbid(&path.field(keyword), detail);
        }
    }
    if node.get("x-kubernetes-validations").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty()) {
        check.forbid(&path.field("x-kubernetes-validations"), "must be empty to be structural");
    }
}
