//! Which owner references are refused, and which owner manages an object.

use serde_json::{Value, json};

use super::{check, controller, references};
use crate::field::Path;

fn owner(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": "u"})
}

fn managing(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": "u", "controller": true})
}

fn messages(list: &Value) -> Vec<String> {
    let metadata = Path::new("metadata");
    check(&metadata.field("ownerReferences"), list).iter().map(ToString::to_string).collect()
}

#[test]
fn two_controllers_are_refused() {
    let reported = messages(&json!([managing("a"), owner("b"), managing("c")]));
    assert_eq!(reported.len(), 1);
    assert!(reported[0].starts_with("metadata.ownerReferences: Invalid value: {"), "{reported:?}");
    assert!(reported[0].ends_with(
        "Only one reference can have Controller set to true. Found \"true\" in references for ReplicaSet/a and ReplicaSet/c"
    ));
}

#[test]
fn incomplete_references_are_refused() {
    let empty = json!([{"apiVersion": "apps/", "kind": "", "name": "", "uid": ""}]);
    assert_eq!(
        messages(&empty),
        [
            "metadata.ownerReferences.apiVersion: Invalid value: \"apps/\": version must not be empty",
            "metadata.ownerReferences.kind: Invalid value: \"\": must not be empty",
            "metadata.ownerReferences.name: Invalid value: \"\": must not be empty",
            "metadata.ownerReferences.uid: Invalid value: \"\": must not be empty",
        ]
    );
    for list in [json!({}), json!([1]), json!([{"kind": "x"}])] {
        assert_eq!(messages(&list).len(), 1, "{list}");
    }
    assert_eq!(messages(&json!([{"apiVersion": "v1", "kind": "Event", "name": "e", "uid": "u"}])).len(), 1);
}

#[test]
fn the_managing_owner_is_found() {
    let metadata = json!({"ownerReferences": [owner("a"), managing("b"), "broken"]});
    let found = references(&metadata);
    assert_eq!(found.len(), 2);
    assert_eq!(controller(&found).map(|owner| owner.name.as_str()), Some("b"));
    assert_eq!(messages(&json!([owner("a"), managing("b")])), Vec::<String>::new());
    assert!(references(&json!({})).is_empty());
}
