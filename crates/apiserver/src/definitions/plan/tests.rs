use jiff::Timestamp;
use serde_json::{Value, json};

use super::{is_true_in, statuses};
use crate::object::Object;

fn definition(name: &str, kind: &str) -> Object {
    let names =
        json!({"plural": name, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List")});
    Object::from_value(json!({"metadata": {"name": name}, "spec": {"group": "example.com", "names": names}})).unwrap()
}

fn plan(definitions: &[&Object]) -> Vec<Value> {
    statuses(definitions, &[], Timestamp::UNIX_EPOCH)
}

#[test]
fn free_names_are_accepted_and_established() {
    let status = plan(&[&definition("boats", "Boat")]).remove(0);
    assert!(is_true_in(&status, "NamesAccepted") && is_true_in(&status, "Established"));
    assert_eq!(status["acceptedNames"]["plural"], "boats");
}

#[test]
fn an_established_definition_keeps_its_names_against_an_earlier_name() {
    let mut established = definition("ships", "Boat");
    established.set("status", Some(plan(&[&established]).remove(0)));
    let statuses = plan(&[&definition("boats", "Boat"), &established]);
    assert!(!is_true_in(&statuses[0], "NamesAccepted") && !is_true_in(&statuses[0], "Established"));
    assert!(is_true_in(&statuses[1], "NamesAccepted"));
}

#[test]
fn a_second_plan_changes_nothing() {
    let mut object = definition("boats", "Boat");
    let first = plan(&[&object]).remove(0);
    object.set("status", Some(first.clone()));
    let later = Timestamp::from_second(1_000_000).unwrap();
    assert_eq!(statuses(&[&object], &[], later), [first]);
}

#[test]
fn a_definition_that_is_being_deleted_says_so() {
    let mut object = definition("boats", "Boat");
    object.set_metadata("deletionTimestamp", Some("2026-01-01T00:00:00Z".into()));
    assert!(is_true_in(&plan(&[&object])[0], "Terminating"));
}
