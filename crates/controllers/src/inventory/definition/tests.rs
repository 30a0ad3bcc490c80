use client::Scope;
use serde_json::{Value, json};

use super::{Definition, resource};

fn definition(versions: Value, conditions: Value) -> Definition {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "ships.sea.example"},
        "spec": {
            "group": "sea.example",
            "names": {"kind": "Ship", "plural": "ships"},
            "scope": "Namespaced",
            "versions": versions,
        },
        "status": {"conditions": conditions},
    });
    serde_json::from_value(definition).expect("a definition")
}

/// A version that is served, stored or both, as the words in `flags` say.
fn version(name: &str, flags: &str) -> Value {
    json!({
        "name": name,
        "served": flags.contains("served"),
        "storage": flags.contains("stored"),
        "schema": {"openAPIV3Schema": {"type": "object"}},
    })
}

fn established() -> Value {
    json!([{"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}])
}

#[test]
fn a_definition_that_is_not_established_makes_no_resource() {
    let versions = json!([version("v1", "served stored")]);
    let waiting = json!([{"type": "Established", "status": "False"}]);
    assert_eq!(resource(&definition(versions.clone(), waiting)), None);
    assert_eq!(resource(&definition(versions, json!([]))), None);
}

#[test]
fn a_definition_that_serves_no_version_makes_no_resource() {
    assert_eq!(resource(&definition(json!([version("v1", "stored")]), established())), None);
}

#[test]
fn the_stored_version_is_used_if_it_is_served_and_another_one_if_not() {
    let name = |versions| {
        let resource = resource(&definition(versions, established())).expect("a resource");
        assert_eq!(resource.scope, Scope::Namespaced);
        resource.names.api_version
    };
    assert_eq!(name(json!([version("v1alpha1", "served"), version("v1", "served stored")])), "sea.example/v1");
    assert_eq!(name(json!([version("v1alpha1", "served"), version("v1", "stored")])), "sea.example/v1alpha1");
}
