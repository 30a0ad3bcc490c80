//! Schemas that a CRD may not carry, and ones from the field that it may.

use serde_json::{Value, json};

use super::check;
use crate::field::Path;
use crate::schema::Schema;

fn messages(schema: &Value) -> Vec<String> {
    check(&Path::new("s"), schema).iter().map(ToString::to_string).collect()
}

/// The problems of a schema that stands as the property `x`.
#[track_caller]
fn refused(schema: Value, expected: &[&str]) {
    let reported = messages(&json!({"type": "object", "properties": {"x": schema}}));
    let expected: Vec<String> = expected.iter().map(|line| format!("s.properties[x]{line}")).collect();
    assert_eq!(reported, expected, "{schema}");
}

#[track_caller]
fn accepted(schema: Value) {
    let whole = json!({"type": "object", "properties": {"x": schema}});
    assert_eq!(messages(&whole), Vec::<String>::new());
    assert!(Schema::parse_crd(&whole).is_ok(), "what is accepted can be parsed");
}

#[test]
fn every_node_has_a_type() {
    refused(json!({}), &[".type: Required value: must not be empty for specified object fields"]);
    refused(
        json!({"type": "array", "items": {}}),
        &[".items.type: Required value: must not be empty for specified array items"],
    );
    refused(json!({"type": "array"}), &[".items: Required value: must be specified"]);
    refused(json!({"type": "null"}), &[".type: Forbidden: type cannot be set to null, use nullable as an alternative"]);
    refused(
        json!({"type": "file"}),
        &[
            r#".type: Unsupported value: "file": supported values: "array", "boolean", "integer", "number", "object", "string""#,
        ],
    );
    assert_eq!(messages(&json!({})), ["s.type: Required value: must not be empty at the root"]);
    assert_eq!(
        messages(&json!({"type": "string"})),
        [r#"s.type: Invalid value: "string": must be object at the root"#]
    );
    assert_eq!(messages(&json!([])).len(), 1);
}

#[test]
fn keywords_that_crds_do_not_have_are_forbidden() {
    refused(json!({"type": "object", "$ref": "#/x"}), &[".$ref: Forbidden: $ref is not supported"]);
    refused(
        json!({"type": "object", "patternProperties": {}}),
        &[".patternProperties: Forbidden: patternProperties is not supported"],
    );
    refused(
        json!({"type": "array", "uniqueItems": true, "items": {"type": "string"}}),
        &[".uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"],
    );
    refused(
        json!({"type": "array", "items": [{"type": "string"}]}),
        &[".items: Forbidden: items must be a schema object and not an array"],
    );
    let reported = messages(&json!({"type": "object", "properties": {"x": {"type": "string", "pattern": "("}}}));
    assert!(
        reported[0].starts_with(r#"s.properties[x].pattern: Invalid value: "(": must be a valid regular expression"#)
    );
}

#[test]
fn properties_and_additional_properties_exclude_each_other() {
    refused(
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}}),
        &[".additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"],
    );
    refused(
        json!({"type": "object", "additionalProperties": false}),
        &[".additionalProperties: Forbidden: additionalProperties cannot be set to false"],
    );
    assert_eq!(
        messages(&json!({"type": "object", "additionalProperties": {"type": "string"}})),
        ["s.additionalProperties: Forbidden: must not be used at the root"]
    );
}

#[test]
fn combinations_judge_values_only() {
    refused(
        json!({"type": "object", "allOf": [{"type": "object", "nullable": true, "properties": {"a": {"default": 1}}}]}),
        &[
            ".allOf[0].nullable: Forbidden: must be false to be structural",
            ".allOf[0].type: Forbidden: must be empty to be structural",
            ".properties[a]: Required value: because it is defined in s.properties[x].allOf[0].properties[a]",
        ],
    );
    refused(
        json!({"type": "object", "not": {"properties": {"metadata": {}}}, "properties": {"metadata": {"type": "object"}}}),
        &[".not.properties[metadata]: Forbidden: must not be specified in a nested context"],
    );
    refused(
        json!({"type": "array", "items": {"type": "string"}, "oneOf": [{"items": {"anyOf": [{"items": {"minLength": 1}}]}}]}),
        &[".items.items: Required value: because it is defined in s.properties[x].oneOf[0].items.anyOf[0].items"],
    );
    accepted(
        json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"type": "integer"}}},
        "oneOf": [{"required": ["a"]}, {"properties": {"b": {"items": {"minimum": 1}}}, "required": ["b"]}],
        "not": {"required": ["a", "b"]}}),
    );
}

#[test]
fn an_integer_or_a_string_is_the_one_exception() {
    accepted(
        json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}], "pattern": "^x"}),
    );
    accepted(json!({"x-kubernetes-int-or-string": true,
        "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"pattern": "^x"}]}));
    refused(
        json!({"x-kubernetes-int-or-string": true, "allOf": [{"pattern": "x"}, {"anyOf": [{"type": "integer"}, {"type": "string"}]}]}),
        &[
            ".allOf[1].anyOf[0].type: Forbidden: must be empty to be structural",
            ".allOf[1].anyOf[1].type: Forbidden: must be empty to be structural",
        ],
    );
    refused(
        json!({"x-kubernetes-int-or-string": true, "x-kubernetes-preserve-unknown-fields": true}),
        &[
            ".x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if x-kubernetes-int-or-string is true",
        ],
    );
}

#[test]
fn resources_restrict_their_metadata_only_by_name() {
    let with_metadata = |metadata: Value| json!({"type": "object", "properties": {"metadata": metadata}});
    assert_eq!(
        messages(&with_metadata(json!({"type": "object", "properties": {"labels": {"type": "object"}}}))),
        [
            "s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is \
          implicitly specified"
        ]
    );
    assert!(
        messages(&with_metadata(json!({"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}}})))
            .is_empty()
    );
    assert_eq!(messages(&json!({"type": "object", "properties": {"kind": {"type": "integer"}}})).len(), 1);
    refused(
        json!({"type": "object", "x-kubernetes-embedded-resource": true}),
        &[".properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without \
           x-kubernetes-preserve-unknown-fields"],
    );
    refused(
        json!({"x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}),
        &[".type: Required value: must be object if x-kubernetes-embedded-resource is true"],
    );
    accepted(
        json!({"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}),
    );
    refused(
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": false}),
        &[".x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined"],
    );
}

#[test]
fn list_types_need_lists_and_keys_need_properties() {
    let keyed = |keys: Value, properties: Value, required: Value| {
        json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys,
            "items": {"type": "object", "properties": properties, "required": required}})
    };
    accepted(keyed(
        json!(["a", "b"]),
        json!({"a": {"type": "string"}, "b": {"type": "string", "default": "x"}}),
        json!(["a"]),
    ));
    refused(
        keyed(json!(["a"]), json!({"a": {"type": "string"}}), json!([])),
        &[
            ".items.properties[a].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a \
           default or be a required property",
        ],
    );
    refused(
        keyed(json!(["z"]), json!({"a": {"type": "string"}}), json!([])),
        &[r#".x-kubernetes-list-map-keys: Invalid value: ["z"]: entries must all be names of item properties"#],
    );
    refused(
        keyed(json!([]), json!({"a": {"type": "string"}}), json!([])),
        &[".x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map"],
    );
    refused(
        json!({"type": "object", "x-kubernetes-list-type": "set", "x-kubernetes-map-type": "granular"}),
        &[r#".type: Invalid value: "object": must be array if x-kubernetes-list-type is specified"#],
    );
    refused(
        json!({"type": "array", "x-kubernetes-list-type": "bag", "x-kubernetes-list-map-keys": ["a"], "items": {"type": "string"}}),
        &[
            r#".x-kubernetes-list-type: Invalid value: "bag": must be map if x-kubernetes-list-map-keys is non-empty"#,
            r#".x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "set", "map""#,
        ],
    );
    refused(
        json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}}),
        &[
            r#".items.x-kubernetes-map-type: Invalid value: "": must be atomic as item of a list with x-kubernetes-list-type=set"#,
        ],
    );
}

#[test]
fn defaults_obey_their_own_schema() {
    refused(
        json!({"type": "integer", "minimum": 1, "default": 0}),
        &[".default: Invalid value: 0: s.properties[x].default in body should be greater than or equal to 1"],
    );
    refused(
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "default": {"b": 1}}),
        &[r#".default: Invalid value: {"b":1}: must not have fields that the schema does not declare: b"#],
    );
    refused(
        json!({"type": "string", "default": null}),
        &[".default: Invalid value: null: must not be null, since the field is not nullable"],
    );
    accepted(
        json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "default": 1}}, "default": {}}),
    );
}
