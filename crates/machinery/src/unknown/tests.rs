//! Pruning rules of custom resources and of published kinds.

use serde_json::{Value, json};

use super::{duplicate_message, prune, unknown_message};
use crate::field::Path;
use crate::schema::{Definitions, Schema};

#[track_caller]
fn check(schema: Value, mut value: Value, expected: Value, removed: &[&str]) {
    let schema = Schema::parse_crd(&schema).unwrap();
    assert_eq!(prune(&Path::ROOT, schema.node(), &mut value), removed);
    assert_eq!(value, expected);
    assert!(prune(&Path::ROOT, schema.node(), &mut value).is_empty(), "pruning twice removes nothing more");
}

#[test]
fn undeclared_fields_are_removed_and_named_with_their_paths() {
    check(
        json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "integer"}}}},
            "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"b": {"type": "string"}}}},
            "any": {"type": "object", "additionalProperties": true},
            "closed": {"type": "object"},
        }}}}),
        json!({"kind": "X", "apiVersion": "g/v1", "metadata": {"free": 1}, "extra": 1, "spec": {
            "z": 1, "list": [{"a": 1, "b": 2}, 3], "map": {"k": {"b": "", "c": 1}}, "any": {"s": 1, "o": {"x": 1}},
            "closed": {"x": {"y": 1}},
        }}),
        json!({"kind": "X", "apiVersion": "g/v1", "metadata": {"free": 1}, "spec": {
            "list": [{"a": 1}, 3], "map": {"k": {"b": ""}}, "any": {"s": 1, "o": {}}, "closed": {},
        }}),
        &["extra", "spec.any.o.x", "spec.closed.x", "spec.list[0].b", "spec.map.k.c", "spec.z"],
    );
}

#[test]
fn preserved_fields_stay_and_pruning_resumes_where_structure_does() {
    check(
        json!({"type": "object", "properties": {"spec": {
            "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            "properties": {"known": {"type": "object", "properties": {"a": {"type": "integer"}}}},
        }}}),
        json!({"spec": {"free": {"deep": {"x": 1}}, "known": {"a": 1, "b": 2}}, "status": {}}),
        json!({"spec": {"free": {"deep": {"x": 1}}, "known": {"a": 1}}}),
        &["spec.known.b", "status"],
    );
    check(
        json!({"type": "object", "properties": {"spec": {
            "type": "array", "x-kubernetes-preserve-unknown-fields": true,
            "items": {"type": "object", "properties": {"known": {"type": "object"}}},
        }}}),
        json!({"spec": [{"free": 1, "known": {"x": 1}}]}),
        json!({"spec": [{"free": 1, "known": {}}]}),
        &["spec[0].known.x"],
    );
}

#[test]
fn embedded_resources_keep_their_identity() {
    check(
        json!({"type": "object", "properties": {"pod": {
            "type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}},
        }}}),
        json!({"pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"x": 1}, "status": 1}}),
        json!({"pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {}}}),
        &["pod.spec.x", "pod.status"],
    );
}

#[test]
fn published_kinds_know_their_fields_and_their_free_forms() {
    let mut definitions = Definitions::new();
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    definitions
        .add_document(&json!({"components": {"schemas": {
            "Thing": {"type": "object", "properties": {
                "raw": reference("io.k8s.apimachinery.pkg.runtime.RawExtension"),
                "json": reference("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON"),
                "empty": reference("Empty"),
                "again": {"allOf": [reference("Thing")], "default": {}},
            }},
            "Empty": {"type": "object"},
            "io.k8s.apimachinery.pkg.runtime.RawExtension": {"type": "object"},
            "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": {"description": "any JSON"},
        }}}))
        .unwrap();
    let mut value =
        json!({"raw": {"a": {"b": 1}}, "json": [{"x": 1}], "empty": {"y": 1}, "again": {"raw": {}, "z": 1}});
    let removed = prune(&Path::new("root"), definitions.get("Thing").unwrap(), &mut value);
    assert_eq!(removed, ["root.again.z", "root.empty.y"]);
    assert_eq!(value, json!({"raw": {"a": {"b": 1}}, "json": [{"x": 1}], "empty": {}, "again": {"raw": {}}}));
}

#[test]
fn messages_are_those_of_strict_decoding() {
    assert_eq!(unknown_message("spec.foo"), "unknown field \"spec.foo\"");
    assert_eq!(duplicate_message("metadata.name"), "duplicate field \"metadata.name\"");
}
