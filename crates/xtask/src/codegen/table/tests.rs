use serde_json::{Value, json};

use super::{Document, GroupVersion, KINDS, PROTOCOL, PROTOCOL_PREFIX, generate};

/// Documents in which every wanted kind has a schema that refers to `shared`, one subresource, and nothing else.
fn documents() -> Vec<Document> {
    KINDS.iter().map(|&(group_version, kinds)| document(group_version, kinds)).collect()
}

fn document(group_version: GroupVersion, kinds: &[&str]) -> Document {
    let mut schemas = serde_json::Map::new();
    let mut rows = Vec::new();
    for kind in kinds {
        let name = format!("test.{kind}");
        let kind_of = json!([{"group": group_version.group, "version": group_version.version, "kind": kind}]);
        let reference = json!({"$ref": "#/components/schemas/shared"});
        schemas.insert(
            name.clone(),
            json!({"x-kubernetes-group-version-kind": kind_of, "properties": {"z": reference, "a": {}}}),
        );
        schemas.insert(format!("{name}List"), json!({}));
        let plural = format!("{}s", kind.to_lowercase());
        rows.push(json!({"name": plural, "singularName": kind.to_lowercase(), "namespaced": true, "kind": kind,
            "verbs": ["get"], "shortNames": ["x"]}));
        rows.push(json!({"name": format!("{plural}/scale"), "singularName": "", "namespaced": true, "kind": "Scale",
            "group": "autoscaling", "version": "v1", "verbs": ["get"]}));
    }
    for name in PROTOCOL {
        schemas.insert(format!("{PROTOCOL_PREFIX}{name}"), json!({}));
    }
    schemas.insert("shared".to_owned(), json!({"type": "string"}));
    schemas.insert("unreachable".to_owned(), json!({}));
    Document {
        group_version,
        openapi: json!({"components": {"schemas": schemas}}),
        discovery: json!({"resources": rows}),
    }
}

#[test]
fn two_documents_that_define_a_name_differently_are_refused() {
    let mut documents = documents();
    documents[1].openapi["components"]["schemas"]["shared"] = json!({"type": "integer"});
    let error = generate(&documents, "1.0.0").unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        "in apis__apiextensions.k8s.io__v1: shared differs from its definition in another document"
    );
}

#[test]
fn a_kind_that_is_not_served_is_refused() {
    let mut documents = documents();
    documents[3].discovery["resources"] = json!([]);
    let error = generate(&documents, "1.0.0").unwrap_err();
    assert_eq!(format!("{error:#}"), "coordination.k8s.io/v1 serves no Lease");
}

#[test]
fn a_reference_to_nothing_is_refused() {
    let mut documents = documents();
    documents[0].openapi["components"]["schemas"]["test.Pod"]["properties"]["b"] =
        json!({"$ref": "#/components/schemas/nowhere"});
    let error = generate(&documents, "1.0.0").unwrap_err();
    assert_eq!(format!("{error:#}"), "there is no schema nowhere");
}

#[test]
fn the_table_holds_what_is_reachable_and_no_more() {
    let table: Value = serde_json::from_str(&generate(&documents(), "1.0.0").unwrap()).unwrap();
    assert_eq!(table["version"], "1.0.0");
    assert_eq!(table["definitions"]["shared"], json!({"type": "string"}));
    assert_eq!(table["definitions"].get("unreachable"), None);
    assert!(table["definitions"]["test.PodList"].is_object());
}

#[test]
fn a_subresource_names_the_group_of_its_own_kind() {
    let table: Value = serde_json::from_str(&generate(&documents(), "1.0.0").unwrap()).unwrap();
    let lease = table["resources"].as_array().unwrap().iter().find(|row| row["kind"] == "Lease").unwrap();
    assert_eq!(
        lease["subresources"],
        json!([{"name": "scale", "group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": ["get"]}])
    );
    assert_eq!(lease["shortNames"], json!(["x"]));
}

#[test]
fn each_definition_has_a_line_of_its_own_with_sorted_keys() {
    let text = generate(&documents(), "1.0.0").unwrap();
    let line = text.lines().find(|line| line.starts_with("\"test.Lease\":")).unwrap();
    assert!(line.contains(r##"{"properties":{"a":{},"z":{"$ref":"#/components/schemas/shared"}}"##), "{line}");
}
