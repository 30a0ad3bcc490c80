use std::collections::BTreeSet;

use serde_json::Value;

use super::{Description, FACTS, Scope, Verb, facts, table};
use crate::KUBERNETES_SCHEMA;

#[test]
fn each_reference_between_definitions_leads_somewhere() {
    fn check(schema: &Value) {
        match schema {
            Value::Object(members) => {
                if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                    let name = reference.strip_prefix("#/components/schemas/").unwrap();
                    assert!(table().definitions.contains_key(name), "{name}");
                }
                members.values().for_each(check);
            }
            Value::Array(items) => items.iter().for_each(check),
            _ => {}
        }
    }
    assert!(table().definitions.len() > 200);
    for definition in table().definitions.values() {
        check(&serde_json::from_str(definition.get()).unwrap());
    }
}

#[test]
fn each_resource_and_its_list_have_a_definition() {
    for resource in &table().resources {
        assert!(table().definitions.contains_key(&*resource.definition), "{}", resource.kind);
        assert!(table().definitions.contains_key(&*format!("{}List", resource.definition)), "{}", resource.kind);
        for subresource in &resource.subresources {
            let definition = subresource.definition.as_deref();
            assert!(definition.is_none_or(|name| table().definitions.contains_key(name)), "{subresource:?}");
        }
    }
}

#[test]
fn no_name_means_two_resources() {
    let mut seen = BTreeSet::new();
    for resource in &table().resources {
        let names = [&resource.plural, &resource.singular].into_iter().chain(&resource.short_names);
        for name in names {
            assert!(seen.insert(name), "{name}");
        }
    }
}

#[test]
fn each_fact_is_about_a_resource_of_the_table() {
    let served: Vec<_> = table().resources.iter().filter_map(facts).map(|facts| facts.kind).collect();
    assert_eq!(
        served,
        [
            "ConfigMap",
            "Event",
            "Namespace",
            "Node",
            "Pod",
            "Secret",
            "ServiceAccount",
            "CustomResourceDefinition",
            "Deployment",
            "ReplicaSet",
            "Lease"
        ]
    );
    assert_eq!(served.len(), FACTS.len());
}

#[test]
fn a_namespace_cannot_be_deleted_in_bulk() {
    let namespaces = table().resources.iter().find(|resource| resource.plural == "namespaces").unwrap();
    assert_eq!(namespaces.scope, Scope::Cluster);
    assert!(!namespaces.verbs.contains(&Verb::DeleteCollection));
    assert_eq!(namespaces.short_names, ["ns"]);
    let finalize = namespaces.subresources.iter().find(|subresource| subresource.name == "finalize").unwrap();
    assert_eq!(finalize.verbs, [Verb::Update]);
}

#[test]
fn a_verb_has_the_name_that_the_table_uses() {
    let raw: Value = serde_json::from_slice(KUBERNETES_SCHEMA).unwrap();
    for (typed, raw) in table().resources.iter().zip(raw["resources"].as_array().unwrap()) {
        let names: Vec<_> = typed.verbs.iter().map(|verb| verb.name()).collect();
        assert_eq!(serde_json::to_value(names).unwrap(), raw["verbs"]);
    }
}

#[test]
fn each_column_is_described_and_one_holds_the_name() {
    for facts in FACTS {
        for column in facts.columns {
            assert!(!column.description.text().is_empty(), "{} {}", facts.kind, column.name);
        }
        assert_eq!(facts.columns.iter().filter(|column| column.format == "name").count(), 1, "{}", facts.kind);
    }
}

#[test]
fn a_description_is_that_of_the_field() {
    let holder =
        Description::Property { definition: "io.k8s.api.coordination.v1.LeaseSpec", property: "holderIdentity" };
    assert!(holder.text().starts_with("holderIdentity contains the identity of the holder"), "{}", holder.text());
}

#[test]
fn a_selectable_field_exists_in_the_schema() {
    for facts in FACTS {
        let resource = table().resources.iter().find(|resource| resource.kind == facts.kind).unwrap();
        for field in facts.selectable_fields {
            for path in field.paths {
                let kind = if field.absent == "false" { "boolean" } else { "string" };
                assert_eq!(type_at(&resource.definition, path), kind, "{} {path}", facts.kind);
            }
        }
    }
}

fn type_at(definition: &str, path: &str) -> String {
    let schema: Value = serde_json::from_str(table().definitions[definition].get()).unwrap();
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let property = &schema["properties"][first];
    if rest.is_empty() {
        return property["type"].as_str().unwrap().to_owned();
    }
    let reference = property.pointer("/allOf/0/$ref").and_then(Value::as_str).unwrap();
    type_at(reference.strip_prefix("#/components/schemas/").unwrap(), rest)
}
