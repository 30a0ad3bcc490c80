//! Parsing of both dialects: what is refused, how references resolve, what published shapes mean.

use serde_json::{Value, json};

use super::{Definitions, Kind, ListType, Member, PatchStrategy, Schema, SchemaError};

fn definitions(schemas: Value) -> Definitions {
    let mut definitions = Definitions::new();
    definitions.add_document(&json!({"components": {"schemas": schemas}})).unwrap();
    definitions
}

#[test]
fn what_cannot_be_enforced_is_refused() {
    let table = [
        (json!([]), "schema: must be an object"),
        (json!({"type": "file"}), "type: must be one of array, boolean, integer, number, object, string"),
        (json!({"type": ["string"]}), "type: must be a string"),
        (json!({"patternProperties": {}}), "patternProperties: is not supported"),
        (json!({"properties": {"a": {"$ref": "#/definitions/x"}}}), "properties[a].$ref: is not supported"),
        (json!({"items": [{}]}), "items: must be an object"),
        (json!({"pattern": "("}), "pattern: cannot compile the pattern"),
        (json!({"pattern": "((a{100}){100}){100}"}), "pattern: cannot compile the pattern"),
        (json!({"maxLength": -1}), "maxLength: must be a non-negative integer"),
        (json!({"required": [1]}), "required: must be a list of strings"),
        (json!({"x-kubernetes-list-type": "bag"}), "x-kubernetes-list-type: must be one of atomic, set, map"),
    ];
    for (document, message) in table {
        let error = Schema::parse_crd(&document).expect_err("must be refused");
        assert_eq!(error.to_string(), message, "{document}");
    }
}

#[test]
fn references_must_lead_somewhere() {
    for schemas in [
        json!({"A": {"$ref": "#/components/schemas/B"}}),
        json!({"A": {"properties": {"x": {"items": {"$ref": "#/components/schemas/B"}}}}}),
        json!({"A": {"$ref": "#/components/schemas/B"}, "B": {"allOf": [{"$ref": "#/components/schemas/A"}]}}),
    ] {
        let mut definitions = Definitions::new();
        let error = definitions.add_document(&json!({"components": {"schemas": schemas}}));
        assert!(matches!(error, Err(SchemaError::Dangling { .. })), "{schemas}");
        assert_eq!(definitions.names().count(), 0, "nothing is added");
    }
    assert!(Definitions::new().add_document(&json!({})).is_err());
}

#[test]
fn a_reference_takes_what_is_declared_beside_it() {
    let definitions = definitions(json!({
        "Item": {"type": "object", "properties": {"name": {"type": "string"}, "next": {"$ref": "#/components/schemas/Item"}}},
        "List": {"type": "object", "properties": {
            "items": {"type": "array", "items": {"allOf": [{"$ref": "#/components/schemas/Item"}], "default": {}},
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "x-kubernetes-patch-strategy": "merge,retainKeys", "x-kubernetes-patch-merge-key": "name"},
            "one": {"allOf": [{"$ref": "#/components/schemas/Item"}], "default": {"name": "x"}, "description": "d",
                "x-kubernetes-patch-strategy": "replace", "x-kubernetes-map-type": "atomic"},
        }},
    }));
    let list = definitions.get("List").unwrap();
    let Member::Property(items) = list.member("items") else { panic!("declared") };
    assert_eq!(
        (items.kind(), items.patch_strategy(), items.merge_key()),
        (Kind::Array, PatchStrategy::Merge, Some("name"))
    );
    assert_eq!(items.list_type(), &ListType::Map(["name".into()].into()));
    let Member::Property(one) = list.member("one") else { panic!("declared") };
    assert_eq!((one.kind(), one.patch_strategy()), (Kind::Object, PatchStrategy::Replace));
    assert_eq!(one.default(), Some(&json!({"name": "x"})));
    assert!(one.is_atomic_map());
    let Member::Property(next) = one.member("next") else { panic!("declared") };
    assert!(matches!(next.member("next"), Member::Property(_)), "recursive types can be walked");
    assert!(matches!(next.member("other"), Member::Unknown));
}

#[test]
fn documents_that_share_types_add_up() {
    let mut definitions = definitions(json!({"A": {"type": "object"}}));
    let second = json!({"components": {"schemas": {"A": {"type": "string"}, "B": {"$ref": "#/components/schemas/A"}}}});
    definitions.add_document(&second).unwrap();
    assert_eq!(definitions.get("B").unwrap().kind(), Kind::Object);
    assert_eq!(definitions.names().collect::<Vec<_>>(), ["A", "B"]);
}

/// The shapes of the published documents that parsing depends on, as they stand in Kubernetes 1.34.
#[test]
fn published_shapes_are_understood() {
    let definitions = definitions(json!({
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
        "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": {"type": "object", "description": "d"},
        "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": {"format": "date-time", "type": "string"},
        "JSON": {"description": "any valid JSON value"},
    }));
    assert_eq!(definitions.get("io.k8s.apimachinery.pkg.util.intstr.IntOrString").unwrap().kind(), Kind::IntOrString);
    assert!(definitions.get("io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1").unwrap().is_free_form());
    assert_eq!(definitions.get("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime").unwrap().kind(), Kind::String);
    assert!(definitions.get("JSON").unwrap().is_free_form());
}
