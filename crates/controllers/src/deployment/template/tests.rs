use client::kinds::core::v1::PodTemplateSpec;
use serde_json::{Value, json};

use super::{hash, replica_set_name, same};

fn template(value: Value) -> PodTemplateSpec {
    serde_json::from_value(value).unwrap()
}

fn plain() -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}})
}

#[test]
fn the_hash_label_and_empty_fields_make_no_difference() {
    let mut stored = plain();
    stored["metadata"]["labels"]["pod-template-hash"] = json!("abc");
    stored["metadata"]["annotations"] = json!({});
    stored["metadata"]["creationTimestamp"] = Value::Null;
    stored["spec"]["containers"][0]["args"] = json!([]);
    stored["spec"]["nodeSelector"] = json!({});
    assert!(same(&template(plain()), &template(stored.clone())));
    assert_eq!(hash(&template(plain()), 0), hash(&template(stored), 0));
}

#[test]
fn every_other_difference_counts() {
    let changes = [
        ("/spec/containers/0/image", json!("web:2")),
        ("/metadata/labels/app", json!("api")),
        ("/spec/containers/0/name", json!("api")),
    ];
    for (pointer, value) in changes {
        let mut changed = plain();
        *changed.pointer_mut(pointer).unwrap() = value;
        assert!(!same(&template(plain()), &template(changed.clone())), "{pointer}");
        assert_ne!(hash(&template(plain()), 0), hash(&template(changed), 0), "{pointer}");
    }
    let volume = |source: Value| {
        let mut changed = plain();
        changed["spec"]["volumes"] = json!([source]);
        template(changed)
    };
    assert!(!same(&volume(json!({"name": "a", "emptyDir": {}})), &volume(json!({"name": "a"}))));
}

#[test]
fn a_collision_changes_the_hash() {
    assert_ne!(hash(&template(plain()), 0), hash(&template(plain()), 1));
}

#[test]
fn hashes_are_the_same_in_every_build() {
    assert_eq!(hash(&template(plain()), 0), "6xb25bcpt6");
}

#[test]
fn long_names_are_shortened_to_what_an_object_may_have() {
    assert_eq!(replica_set_name("web", "bcdfghjklm"), "web-bcdfghjklm");
    let long = "a".repeat(253);
    let name = replica_set_name(&long, "bcdfghjklm");
    assert_eq!(name.len(), 253);
    assert!(name.ends_with("-bcdfghjklm"));
}
