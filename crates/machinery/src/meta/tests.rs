//! Metadata that must be refused on create and update, and changes that raise the generation.

use serde_json::{Value, json};

use super::{Requirements, Scope, check, check_update, spec_changed};
use crate::field::{FieldError, Path};
use crate::name::Rule;

const POD: Requirements = Requirements { scope: Scope::Namespaced, rule: Rule::Subdomain };
const NAMESPACE: Requirements = Requirements { scope: Scope::Cluster, rule: Rule::Label };

fn rendered(errors: &[FieldError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

fn created(metadata: &Value, requirements: Requirements) -> Vec<String> {
    rendered(&check(&Path::new("metadata"), metadata, requirements))
}

fn updated(new: &Value, old: &Value) -> Vec<String> {
    rendered(&check_update(&Path::new("metadata"), new, old))
}

#[test]
fn metadata_without_a_name_or_in_the_wrong_scope_is_refused() {
    assert_eq!(
        created(&json!({"namespace": "d"}), POD),
        ["metadata.name: Required value: name or generateName is required"]
    );
    assert_eq!(created(&json!({"name": "a"}), POD), ["metadata.namespace: Required value"]);
    assert_eq!(
        created(&json!({"name": "a", "namespace": "d"}), NAMESPACE),
        ["metadata.namespace: Forbidden: not allowed on this type"]
    );
    assert_eq!(
        created(&json!({"name": 1, "namespace": "d"}), POD),
        ["metadata.name: Invalid value: 1: must be a string"]
    );
    assert_eq!(
        created(&json!({"name": "a.b"}), NAMESPACE),
        ["metadata.name: Invalid value: \"a.b\": must not contain dots"]
    );
    assert_eq!(created(&json!("x"), POD).len(), 1);
    assert_eq!(
        created(&json!({"name": "a", "namespace": "d", "creationTimestamp": null, "labels": null}), POD).len(),
        0
    );
}

#[test]
fn every_part_of_the_metadata_is_checked_at_once() {
    let metadata = json!({
        "name": "A", "namespace": "D", "generation": -1, "labels": {"a b": ""}, "annotations": {"/": ""},
        "finalizers": [""], "ownerReferences": [1], "generateName": "_",
    });
    let reported = created(&metadata, POD);
    for field in [
        "name:",
        "namespace:",
        "generation:",
        "labels:",
        "annotations:",
        "finalizers:",
        "ownerReferences[0]:",
        "generateName:",
    ] {
        assert!(reported.iter().any(|line| line.starts_with(&format!("metadata.{field}"))), "{field} in {reported:?}");
    }
}

#[test]
fn identity_does_not_change_in_an_update() {
    let old = json!({"name": "a", "namespace": "d", "uid": "u", "generation": 3, "creationTimestamp": "t"});
    let new = json!({"name": "b", "namespace": "d", "generation": 2, "creationTimestamp": "t"});
    assert_eq!(
        updated(&new, &old),
        [
            "metadata.generation: Invalid value: 2: must not be decremented",
            "metadata.name: Invalid value: \"b\": field is immutable",
            "metadata.uid: Invalid value: null: field is immutable",
        ]
    );
    assert!(updated(&old, &old).is_empty());
}

#[test]
fn an_object_in_deletion_gains_no_finalizers() {
    let old = json!({"name": "a", "deletionTimestamp": "t", "finalizers": ["x/a"]});
    let new = json!({"name": "a", "deletionTimestamp": "t", "finalizers": ["x/b", "x/a"]});
    assert_eq!(
        updated(&new, &old),
        ["metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, \
          found new finalizers []string{\"x/b\"}"]
    );
    assert!(updated(&json!({"name": "a", "deletionTimestamp": "t"}), &old).is_empty());
}

#[test]
fn only_changes_outside_metadata_and_status_are_changes_of_the_spec() {
    let old = json!({"metadata": {"name": "a"}, "spec": {"x": 1}, "status": {"y": 1}});
    assert!(!spec_changed(&old, &json!({"metadata": {"name": "b"}, "spec": {"x": 1}, "status": {"y": 2}})));
    assert!(!spec_changed(&old, &json!({"metadata": {}, "spec": {"x": 1}})));
    assert!(spec_changed(&old, &json!({"metadata": {"name": "a"}, "spec": {"x": 2}})));
    assert!(spec_changed(&old, &json!({"metadata": {"name": "a"}, "spec": {"x": 1}, "data": {}})));
    assert!(spec_changed(&old, &json!({"metadata": {"name": "a"}})));
}
