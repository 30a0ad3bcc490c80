//! Defaulting of custom resources, and what is not filled in for published kinds.

use serde_json::{Value, json};

use super::apply;
use crate::schema::{Definitions, Schema};

#[track_caller]
fn check(schema: Value, mut value: Value, expected: Value) {
    let schema = Schema::parse_crd(&schema).unwrap();
    apply(schema.node(), &mut value);
    assert_eq!(value, expected);
    apply(schema.node(), &mut value);
    assert_eq!(value, expected, "a second run changes nothing");
}

#[test]
fn defaults_appear_only_where_the_parent_exists() {
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "replicas": {"type": "integer", "default": 1},
            "zero": {"type": "string", "default": ""},
            "nested": {"type": "object", "properties": {"x": {"type": "integer", "default": 2}}},
            "whole": {"type": "object", "default": {}, "properties": {"y": {"type": "integer", "default": 3}}},
        }},
    }});
    check(schema.clone(), json!({}), json!({}));
    check(schema.clone(), json!({"spec": {}}), json!({"spec": {"replicas": 1, "zero": "", "whole": {"y": 3}}}));
    check(
        schema,
        json!({"spec": {"replicas": 0, "zero": "a", "nested": {}, "whole": {"y": 0}}}),
        json!({"spec": {"replicas": 0, "zero": "a", "nested": {"x": 2}, "whole": {"y": 0}}}),
    );
}

#[test]
fn nulls_are_absent_unless_nullable() {
    check(
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
            "defaulted": {"type": "integer", "default": 1},
            "plain": {"type": "integer"},
            "nullable": {"type": "integer", "nullable": true, "default": 2},
            "absent": {"type": "integer", "nullable": true, "default": 3},
            "map": {"type": "object", "additionalProperties": {"type": "string", "default": "d"}},
            "list": {"type": "array", "items": {"type": "string", "default": "e"}},
            "bare": {"type": "array", "items": {"type": "string"}},
        }}),
        json!({
            "defaulted": null, "plain": null, "nullable": null, "map": {"a": null}, "list": [null, "x"], "bare": [null],
            "free": null,
        }),
        json!({
            "defaulted": 1, "nullable": null, "absent": 3, "map": {"a": "d"}, "list": ["e", "x"], "bare": [null], "free": null,
        }),
    );
}

#[test]
fn published_zero_defaults_are_not_filled_in() {
    let mut definitions = Definitions::new();
    definitions
        .add_document(&json!({"components": {"schemas": {
            "Port": {"type": "object", "properties": {
                "protocol": {"type": "string", "default": "TCP"},
                "name": {"type": "string", "default": ""},
                "port": {"type": "integer", "default": 0},
                "flag": {"type": "boolean", "default": false},
            }},
            "Service": {"type": "object", "properties": {
                "ports": {"type": "array", "items": {
                    "allOf": [{"$ref": "#/components/schemas/Port"}], "default": {},
                }},
                "metadata": {"allOf": [{"$ref": "#/components/schemas/Port"}], "default": {}},
                "data": {"type": "object", "additionalProperties": {"type": "string", "default": ""}},
            }},
        }}}))
        .unwrap();
    let mut value = json!({"ports": [{"name": null}, null], "data": {"a": null}});
    apply(definitions.get("Service").unwrap(), &mut value);
    assert_eq!(value, json!({"ports": [{"protocol": "TCP"}, {"protocol": "TCP"}], "data": {"a": ""}}));
}
