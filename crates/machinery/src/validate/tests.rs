//! Values that a schema refuses, with the messages of Kubernetes, and published kinds that are read leniently.

use serde_json::{Value, json};

use super::check;
use crate::field::Path;
use crate::schema::{Definitions, Schema};

fn messages(schema: &Value, value: &Value) -> Vec<String> {
    let schema = Schema::parse_crd(&json!({"type": "object", "properties": {"x": schema}})).unwrap();
    check(&Path::ROOT, schema.node(), &json!({ "x": value })).iter().map(ToString::to_string).collect()
}

#[track_caller]
fn refused(schema: Value, value: Value, message: &str) {
    assert_eq!(messages(&schema, &value), [message], "{schema} {value}");
}

#[track_caller]
fn accepted(schema: Value, values: &[Value]) {
    for value in values {
        assert_eq!(messages(&schema, value), Vec::<String>::new(), "{schema} {value}");
    }
}

#[test]
fn wrong_types_are_refused_with_both_types() {
    let of = |kind: &str, actual: &str| {
        format!("x: Invalid value: \"{actual}\": x in body must be of type {kind}: \"{actual}\"")
    };
    refused(json!({"type": "string"}), json!(1), &of("string", "integer"));
    refused(json!({"type": "integer"}), json!(1.5), &of("integer", "number"));
    refused(json!({"type": "integer"}), json!("1"), &of("integer", "string"));
    refused(json!({"type": "object"}), json!([]), &of("object", "array"));
    refused(json!({"type": "array"}), json!({}), &of("array", "object"));
    refused(json!({"type": "boolean"}), json!(null), &of("boolean", "null"));
    refused(json!({"x-kubernetes-int-or-string": true}), json!(1.5), &of("integer,string", "number"));
    accepted(json!({"type": "integer"}), &[json!(1), json!(-1), json!(1.0), json!(u64::MAX)]);
    accepted(json!({"type": "number"}), &[json!(1), json!(1.5)]);
    accepted(json!({"x-kubernetes-int-or-string": true}), &[json!(1), json!("50%")]);
    accepted(json!({"type": "string", "nullable": true}), &[json!(null), json!("")]);
    accepted(json!({"x-kubernetes-preserve-unknown-fields": true}), &[json!(null), json!([1]), json!({"a": 1})]);
}

#[test]
fn numbers_outside_their_range_are_refused() {
    let body = |value: &str, rule: &str| format!("x: Invalid value: {value}: x in body should be {rule}");
    let range = json!({"type": "integer", "minimum": 0, "maximum": 10});
    refused(range.clone(), json!(-1), &body("-1", "greater than or equal to 0"));
    refused(range.clone(), json!(11), &body("11", "less than or equal to 10"));
    accepted(range, &[json!(0), json!(10)]);
    let open =
        json!({"type": "number", "minimum": 0, "exclusiveMinimum": true, "maximum": 1, "exclusiveMaximum": true});
    refused(open.clone(), json!(0), &body("0", "greater than 0"));
    refused(open, json!(1.0), &body("1.0", "less than 1"));
    refused(json!({"type": "integer", "multipleOf": 3}), json!(10), &body("10", "a multiple of 3"));
    accepted(json!({"type": "number", "multipleOf": 0.1}), &[json!(0.3), json!(0.7)]);
    refused(
        json!({"type": "integer", "format": "int32"}),
        json!(2_147_483_648_u64),
        "x: Invalid value: 2147483648: x in body must be of type int32",
    );
    accepted(json!({"type": "integer", "minimum": 9007199254740993_u64}), &[json!(9007199254740993_u64)]);
}

#[test]
fn texts_that_break_a_rule_are_refused() {
    refused(json!({"type": "string", "maxLength": 2}), json!("äöü"), "x: Too long: may not be more than 2 bytes");
    refused(
        json!({"type": "string", "minLength": 1}),
        json!(""),
        "x: Invalid value: \"\": x in body should be at least 1 chars long",
    );
    refused(
        json!({"type": "string", "pattern": "^[a-z]+$"}),
        json!("A"),
        "x: Invalid value: \"A\": x in body should match '^[a-z]+$'",
    );
    refused(
        json!({"type": "string", "enum": ["a", "b"]}),
        json!("c"),
        "x: Unsupported value: \"c\": supported values: \"a\", \"b\"",
    );
    refused(json!({"enum": [1, true]}), json!(2), "x: Unsupported value: 2: supported values: \"1\", \"true\"");
    refused(
        json!({"type": "string", "format": "ipv4"}),
        json!("1.2.3"),
        "x: Invalid value: \"1.2.3\": x in body must be of type ipv4: \"1.2.3\"",
    );
}

#[test]
fn formats_accept_what_kubernetes_accepts() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("byte", &["", "aGk="], &["a", "%%%%"]),
        ("cidr", &["10.0.0.0/8", "::/0", "fe80::1/64"], &["10.0.0.0", "10.0.0.0/33", "10.0.0.0/08", "x/1"]),
        ("date", &["2024-02-29"], &["2024-02-30", "2024-2-3", "x"]),
        (
            "date-time",
            &["2024-01-02T03:04:05Z", "2024-01-02T03:04:05.123456+02:00"],
            &["2024-01-02", "2024-01-02 03:04:05Z"],
        ),
        ("duration", &["0", "5s", "1h30m", "-1.5h", "22 ns", "3 days"], &["", "5", "s", "1x", "1h 30"]),
        ("email", &["a@b.c", "A B <a.b@c>"], &["a", "@b", "a@", "a b@c"]),
        ("hexcolor", &["#fff", "A1B2C3"], &["#ff", "ggg"]),
        ("hostname", &["a.b", "localhost", "1.a."], &["", "-a", "a..b", "a b"]),
        ("ipv6", &["::1"], &["1.2.3.4", ":::"]),
        ("mac", &["01:23:45:67:89:ab", "0123.4567.89ab"], &["01:23", "01-23:45:67:89:ab"]),
        ("rgbcolor", &["rgb(1, 2,255)"], &["rgb(1,2)", "rgb(1,2,256)"]),
        ("uri", &["http://a/b", "/a", "urn:x"], &["a", "", "http:// a", "1:x"]),
        ("uuid", &["550e8400-e29b-41d4-a716-446655440000", "550E8400E29B41D4A716446655440000"], &["550e8400-e29b"]),
        ("uuid4", &["550e8400-e29b-41d4-a716-446655440000"], &["550e8400-e29b-31d4-a716-446655440000"]),
        ("k8s-short-name", &["a-b"], &["a.b", "A"]),
        ("k8s-long-name", &["a.b"], &["a_b"]),
        ("anything-else", &["", "x"], &[]),
    ];
    for (format, good, bad) in table {
        let schema = json!({"type": "string", "format": format});
        for text in *good {
            accepted(schema.clone(), &[json!(text)]);
        }
        for text in *bad {
            assert_eq!(messages(&schema, &json!(text)).len(), 1, "{format} {text:?}");
        }
    }
}

#[test]
fn lists_and_objects_of_the_wrong_size_are_refused() {
    refused(json!({"type": "array", "maxItems": 1}), json!([1, 2]), "x: Too many: 2: must have at most 1 item");
    refused(
        json!({"type": "array", "minItems": 2}),
        json!([1]),
        "x: Invalid value: 1: x in body should have at least 2 items",
    );
    refused(
        json!({"type": "object", "maxProperties": 0}),
        json!({"a": 1}),
        "x: Too many: 1: must have at most 0 items",
    );
    refused(
        json!({"type": "object", "minProperties": 1}),
        json!({}),
        "x: Invalid value: 0: x in body should have at least 1 properties",
    );
}

#[test]
fn lists_of_type_set_and_map_have_no_duplicates() {
    let set = json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}});
    refused(set, json!(["a", "b", "a", "a"]), "x[2]: Duplicate value: \"a\"");
    let map = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"],
        "items": {"type": "object", "properties": {"port": {"type": "integer"}, "protocol": {"type": "string"}}}});
    refused(
        map.clone(),
        json!([{"port": 1, "protocol": "a"}, {"port": 1}, {"port": 1, "protocol": "a", "z": 1}]),
        "x[2]: Duplicate value: {\"port\":1,\"protocol\":\"a\"}",
    );
    accepted(map, &[json!([{"port": 1}, {"port": 2}, {"port": 1, "protocol": "a"}])]);
    let atomic = json!({"type": "array", "items": {"type": "string"}});
    accepted(atomic, &[json!(["a", "a"])]);
}

#[test]
fn a_body_full_of_problems_is_reported_in_part() {
    let reported = messages(&json!({"type": "array", "items": {"type": "string"}}), &json!(vec![1; 10_000]));
    assert_eq!(reported.len(), crate::field::MAX_ERRORS);
}

#[test]
fn nested_problems_carry_their_whole_path() {
    let schema = json!({"type": "object", "required": ["a", "b"], "properties": {
        "a": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "string"}}}},
        "m": {"type": "object", "additionalProperties": {"type": "integer"}},
    }});
    assert_eq!(
        messages(&schema, &json!({"a": [{}, {"n": 1}], "m": {"k.v": "s"}})),
        [
            "x.b: Required value",
            "x.a[1].n: Invalid value: \"integer\": x.a[1].n in body must be of type string: \"integer\"",
            "x.m[k.v]: Invalid value: \"string\": x.m[k.v] in body must be of type integer: \"string\"",
        ]
    );
}

#[test]
fn combinations_are_refused_with_the_closest_alternative() {
    let any = json!({"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b", "c"]}],
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}, "c": {"type": "string"}}});
    assert_eq!(
        messages(&any, &json!({})),
        ["x: Invalid value: \"\": \"x\" must validate at least one schema (anyOf)", "x.a: Required value"]
    );
    accepted(any, &[json!({"a": ""}), json!({"b": "", "c": ""})]);
    let one = json!({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}}});
    refused(
        one.clone(),
        json!({"a": "", "b": ""}),
        "x: Invalid value: \"\": \"x\" must validate one and only one schema (oneOf). Found 2 valid alternatives",
    );
    accepted(one, &[json!({"a": ""})]);
    let not = json!({"type": "string", "not": {"enum": ["a"]}, "allOf": [{"maxLength": 3}, {"minLength": 1}]});
    refused(not.clone(), json!("a"), "x: Invalid value: \"\": \"x\" must not validate the schema (not)");
    refused(not, json!("abcd"), "x: Too long: may not be more than 3 bytes");
}

#[test]
fn embedded_resources_are_checked_as_objects() {
    let schema =
        json!({"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true});
    assert_eq!(
        messages(&schema, &json!({"kind": "Pod_", "metadata": {"labels": {"a b": ""}, "namespace": "N"}})).len(),
        4
    );
    accepted(schema, &[json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "a-"}, "spec": {}})]);
}

#[test]
fn published_kinds_may_lack_what_go_writes_as_null() {
    let mut definitions = Definitions::new();
    definitions
        .add_document(&json!({"components": {"schemas": {
            "io.k8s.apimachinery.pkg.api.resource.Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
            "Time": {"type": "string", "format": "date-time"},
            "Meta": {"type": "object", "properties": {}},
            "Role": {"type": "object", "required": ["rules", "name", "meta", "count", "time"], "properties": {
                "rules": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "name": {"type": "string"},
                "meta": {"allOf": [{"$ref": "#/components/schemas/Meta"}], "default": {}},
                "count": {"type": "integer"},
                "time": {"$ref": "#/components/schemas/Time"},
                "size": {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity"},
            }},
        }}}))
        .unwrap();
    let role = definitions.get("Role").unwrap();
    let report =
        |value: Value| -> Vec<String> { check(&Path::ROOT, role, &value).iter().map(ToString::to_string).collect() };
    assert_eq!(report(json!({})), ["name: Required value", "meta: Required value"]);
    let base = json!({"name": "a", "meta": {}, "rules": ["x", "x"], "size": "1Gi"});
    assert_eq!(report(base.clone()), Vec::<String>::new());
    for (size, count) in [(json!("1Gb"), 1), (json!(1.5), 0), (json!("100m"), 0)] {
        let mut value = base.clone();
        value["size"] = size;
        assert_eq!(report(value).len(), count);
    }
}
